//! Releases of distributions: the same package has another fixed version in each.

use ph_inventory::Ecosystem;

/// Whether what is said of one is said of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    Same,
    Other,
    /// The component's is not known, and the record speaks of one.
    Unknown,
}

/// Compares the ecosystem of a record with that of a component.
pub(super) fn compare(record: &Ecosystem, component: &Ecosystem) -> Release {
    if record.base() != component.base() {
        return Release::Other;
    }
    match (release(record), release(component)) {
        (None, _) => Release::Same,
        (Some(_), None) => Release::Unknown,
        (Some(record), Some(component)) if is_same(&record, &component) => Release::Same,
        (Some(_), Some(_)) => Release::Other,
    }
}

/// What stands behind the first colon, without what does not tell releases apart.
fn release(ecosystem: &Ecosystem) -> Option<String> {
    let name = ecosystem.to_string();
    let (_, release) = name.split_once(':')?;
    let release = release.strip_suffix(":LTS").unwrap_or(release);
    let is_branch = matches!(ecosystem, Ecosystem::Alpine(_));
    let release = if is_branch {
        release.trim_start_matches('v')
    } else {
        release
    };
    (!release.is_empty()).then(|| release.to_owned())
}

/// Records of RPM distributions speak of a whole major release (`9`, `enterprise_linux:9::baseos`), components of a minor
/// one (`9.4`).
fn is_same(record: &str, component: &str) -> bool {
    let major = |release: &str| release.split('.').next().unwrap_or_default().to_owned();
    record == component
        || (!record.contains('.') && record == major(component))
        || record
            .split(':')
            .nth(1)
            .is_some_and(|part| record.starts_with("enterprise_linux:") && part == major(component))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_told_apart() {
        let check = |record: &str, component: &str, want| {
            let got = compare(
                &Ecosystem::from_osv(record),
                &Ecosystem::from_osv(component),
            );
            assert_eq!(got, want, "{record} {component}");
        };
        check("npm", "npm", Release::Same);
        check("npm", "PyPI", Release::Other);
        check("Debian:12", "Debian:12", Release::Same);
        check("Debian:12", "Debian:12.5", Release::Same);
        check("Debian:12", "Debian:11", Release::Other);
        check("Debian", "Debian:11", Release::Same);
        check("Debian:12", "Debian", Release::Unknown);
        check("Ubuntu:22.04:LTS", "Ubuntu:22.04", Release::Same);
        check("Ubuntu:Pro:22.04:LTS", "Ubuntu:22.04:LTS", Release::Other);
        check("Alpine:v3.20", "Alpine:3.20", Release::Same);
        check("Alpine:v3.2", "Alpine:v3.20", Release::Other);
        check("Rocky Linux:9", "Rocky Linux:9.4", Release::Same);
        check(
            "Red Hat:enterprise_linux:9::baseos",
            "Red Hat:9.4",
            Release::Same,
        );
        check(
            "Red Hat:enterprise_linux:8::baseos",
            "Red Hat:9.4",
            Release::Other,
        );
    }
}
