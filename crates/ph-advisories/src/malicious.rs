//! Whether something that is about to be started is known to be malicious, by what is here alone.

use crate::index::IndexError;
use crate::mirror::Mirror;
use ph_inventory::Component;
use ph_vuln::Advisory;
use ph_vuln::matching::{Verdict, judge};

/// A package that is known to be malicious.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malicious {
    /// The advisory: `MAL-…`.
    pub id: String,
    /// The package's name, as it is asked for.
    pub package: String,
    /// Its version, where one is said.
    pub version: Option<String>,
    /// One line on what it does.
    pub summary: String,
}

/// The first of these packages that is known to be malicious.
///
/// A package without a version is what its registry gives out today: it counts as malicious where the advisory names
/// no version that is not, and else not.
///
/// - `is_overridden`: whether the operator has said of an advisory that it does not hold for a package.
///
/// # Errors
/// A damaged index.
pub fn malicious<'a>(
    mirror: &Mirror,
    components: impl IntoIterator<Item = &'a Component>,
    is_overridden: impl Fn(&Advisory, &Component) -> bool,
) -> Result<Option<Malicious>, IndexError> {
    for component in components {
        let advisories = mirror.advisories(&component.ecosystem, &component.advisory_name())?;
        let holds = |advisory: &&Advisory| {
            advisory.is_malicious()
                && advisory.withdrawn.is_none()
                && !is_overridden(advisory, component)
                && match &component.version {
                    Some(_) => matches!(judge(component, advisory), Verdict::Affected { .. }),
                    None => is_all(component, advisory),
                }
        };
        if let Some(advisory) = advisories.iter().find(holds) {
            return Ok(Some(Malicious {
                id: advisory.id.clone(),
                package: component.name.clone(),
                version: component.version.clone(),
                summary: advisory.summary.clone(),
            }));
        }
    }
    Ok(None)
}

/// Whether the highest version there can be is affected.
fn is_all(component: &Component, advisory: &Advisory) -> bool {
    let mut newest = component.clone();
    newest.version = Some(HIGHEST.to_owned());
    matches!(judge(&newest, advisory), Verdict::Affected { .. })
}

/// No package has got so far.
const HIGHEST: &str = "999999999.0.0";
