//! `Pipfile.lock`.

use std::collections::HashMap;

use crate::draft::Draft;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::json::{self, Dialect};
use crate::{Component, Ecosystem, Inventory};

/// Reads a lockfile of Pipenv. It does not say who needs whom; a package of both groups is one component.
///
/// - errors: not JSON, or no `_meta`.
pub(crate) fn pipfile_lock(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = json::read(source, Dialect::Json)?;
    if root.get("_meta").is_none() {
        return Err(source.error(root.at, "no lockfile of Pipenv: `_meta` is missing"));
    }
    let mut draft = Draft::new(source);
    let mut seen: HashMap<(String, Option<&str>), usize> = HashMap::new();
    for (group, packages) in root.entries() {
        let is_dev = group == "develop";
        for (name, package) in packages.entries() {
            if group == "_meta" {
                continue;
            }
            if package.is_true("editable") || package.get("path").is_some() {
                draft.unchecked(name.as_ref(), "a local folder or file");
                continue;
            }
            // `==1.2.3`; what comes from a repository has none.
            let version = package.text_of("version");
            let version = version.map(|version| version.trim_start_matches('='));
            let key = (Ecosystem::PyPi.normal_name(name), version);
            if let Some(index) = seen.get(&key) {
                draft.components()[*index].is_dev &= is_dev;
                continue;
            }
            let component = Component {
                version: version.map(str::to_owned),
                is_dev,
                ..Component::new(Ecosystem::PyPi, name.as_ref())
            };
            seen.insert(key, draft.add(package.at, component)?);
        }
    }
    Ok(draft.finish())
}
