//! Package URLs: `pkg:npm/%40scope/name@1.0.0`, `pkg:deb/debian/bash@5.2-1?distro=debian-12&upstream=bash`.

use std::str::FromStr as _;

use packageurl::PackageUrl;

use crate::{Component, Ecosystem};

/// Types of purls that are an ecosystem of OSV whose versions have no order here.
const OTHERS: &[(&str, &str)] = &[
    ("maven", "Maven"),
    ("nuget", "NuGet"),
    ("gem", "RubyGems"),
    ("composer", "Packagist"),
    ("hex", "Hex"),
    ("pub", "Pub"),
    ("githubactions", "GitHub Actions"),
];

/// Namespaces of `pkg:rpm` and OSV's names for them.
const RPM: &[(&str, &str)] = &[
    ("redhat", "Red Hat"),
    ("rhel", "Red Hat"),
    ("rocky", "Rocky Linux"),
    ("almalinux", "AlmaLinux"),
    ("alma", "AlmaLinux"),
    ("opensuse", "openSUSE"),
    ("suse", "SUSE"),
    ("mageia", "Mageia"),
    ("openeuler", "openEuler"),
    ("photon", "Photon OS"),
];

/// Code names of releases, for purls and SBOMs that give them instead of numbers.
const CODE_NAMES: &[(&str, &str)] = &[
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("bionic", "18.04"),
    ("focal", "20.04"),
    ("jammy", "22.04"),
    ("noble", "24.04"),
];

/// A distribution as os-release, an SBOM or a qualifier names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distribution {
    name: String,
    version: String,
}

impl Distribution {
    /// From `debian` and `12.5`, `alpine` and `3.20.1`.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_ascii_lowercase(),
            version: version.to_owned(),
        }
    }

    /// From `debian-12.5`, `bookworm`, `alpine-3.20.1`, `opensuse-leap-15.5`.
    fn of_qualifier(text: &str) -> Self {
        let (name, version) = text.rsplit_once('-').unwrap_or(("", text));
        Self::new(name, version)
    }

    /// The ecosystem of the packages of this distribution; none where it is no distribution that OSV knows.
    pub(crate) fn ecosystem(&self) -> Option<Ecosystem> {
        let release = self.release();
        Some(match self.name.as_str() {
            "debian" => Ecosystem::Debian(release),
            "ubuntu" => Ecosystem::Ubuntu(release),
            "alpine" => Ecosystem::Alpine(release),
            name => {
                let name = name.split('-').next().unwrap_or(name);
                let (_, osv) = RPM.iter().find(|(namespace, _)| *namespace == name)?;
                Ecosystem::Rpm(match release {
                    Some(release) => format!("{osv}:{release}"),
                    None => (*osv).to_owned(),
                })
            }
        })
    }

    /// Gives an ecosystem of the same distribution its release, where it has none.
    pub(crate) fn complete(&self, ecosystem: &mut Ecosystem) {
        let Some(known) = self.ecosystem() else {
            return;
        };
        let has_release = ecosystem.to_string().contains(':');
        if !has_release && known.base() == ecosystem.base() {
            *ecosystem = known;
        }
    }

    /// As OSV counts releases: Debian by whole numbers, Ubuntu with `:LTS`, Alpine by branch.
    fn release(&self) -> Option<String> {
        let named = CODE_NAMES.iter().find(|(name, _)| *name == self.version);
        let version = named.map_or(self.version.as_str(), |(_, number)| number);
        if !version.starts_with(|c: char| c.is_ascii_digit()) {
            return (version == "edge").then(|| version.to_owned());
        }
        let mut parts = version.split('.');
        let major = parts.next()?;
        let minor = parts.next();
        Some(match (self.name.as_str(), minor) {
            ("ubuntu", Some(minor)) => {
                let is_even = major.parse::<u32>().is_ok_and(|major| major % 2 == 0);
                let lts = if minor == "04" && is_even { ":LTS" } else { "" };
                format!("{major}.{minor}{lts}")
            }
            ("alpine", Some(minor)) => format!("v{major}.{minor}"),
            ("alpine", None) => format!("v{major}"),
            ("opensuse" | "opensuse-leap" | "suse", Some(minor)) => format!("{major}.{minor}"),
            _ => major.to_owned(),
        })
    }
}

/// Reads a purl as a component without a place.
///
/// - errors: why it is not understood.
pub(crate) fn read(text: &str) -> Result<Component, String> {
    let purl = PackageUrl::from_str(text).map_err(|error| error.to_string())?;
    let qualifier = |name: &str| purl.qualifiers().get(name).map(|value| value.to_string());
    let namespace = purl.namespace().unwrap_or_default();
    let with_namespace = |between: &str| match namespace {
        "" => purl.name().to_owned(),
        _ => format!("{namespace}{between}{}", purl.name()),
    };
    let mut version = purl.version().map(str::to_owned);
    let system = qualifier("distro").map(|distro| {
        let found = Distribution::of_qualifier(&distro);
        match found.name.is_empty() {
            true => Distribution::new(namespace, &found.version),
            false => found,
        }
    });
    let system = system.and_then(|system| system.ecosystem());
    let (ecosystem, name) = match purl.ty() {
        "npm" => (Ecosystem::Npm, with_namespace("/")),
        "pypi" => (Ecosystem::PyPi, purl.name().to_owned()),
        "cargo" => (Ecosystem::CratesIo, purl.name().to_owned()),
        "golang" => {
            version = version.map(|v| v.strip_prefix('v').unwrap_or(&v).to_owned());
            (Ecosystem::Go, with_namespace("/"))
        }
        "deb" | "apk" | "rpm" => {
            let known = system.or_else(|| Distribution::new(namespace, "").ecosystem());
            let other = || Ecosystem::Other(format!("{}:{namespace}", purl.ty()));
            (known.unwrap_or_else(other), purl.name().to_owned())
        }
        "maven" => (Ecosystem::Other("Maven".to_owned()), with_namespace(":")),
        kind => {
            let osv = OTHERS.iter().find(|(known, _)| *known == kind);
            let osv = osv.map_or(kind, |(_, osv)| osv);
            (Ecosystem::Other(osv.to_owned()), with_namespace("/"))
        }
    };
    if let (Some(epoch), Some(plain)) = (qualifier("epoch"), &version)
        && !plain.contains(':')
        && epoch != "0"
    {
        version = Some(format!("{epoch}:{plain}"));
    }
    let mut component = Component {
        version,
        ..Component::new(ecosystem, name)
    };
    if matches!(purl.ty(), "deb" | "apk")
        && let Some(upstream) = qualifier("upstream")
    {
        let (name, version) = match upstream.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (upstream.as_str(), None),
        };
        component.source_name = (name != component.name).then(|| name.to_owned());
        component.source_version = version.map(str::to_owned);
    }
    Ok(component)
}

/// The purl of a component; none where its name or version cannot stand in one.
pub(crate) fn write(component: &Component) -> Option<String> {
    let name = component.name.as_str();
    let slashed = name.rsplit_once('/');
    let (kind, namespace, name) = match &component.ecosystem {
        Ecosystem::Npm => (
            "npm",
            slashed.map(|(scope, _)| scope),
            slashed.map_or(name, |(_, name)| name),
        ),
        Ecosystem::PyPi => {
            let name = Ecosystem::PyPi.normal_name(name);
            return finished(component, PackageUrl::new("pypi", name).ok()?);
        }
        Ecosystem::CratesIo => ("cargo", None, name),
        Ecosystem::Go => (
            "golang",
            slashed.map(|(path, _)| path),
            slashed.map_or(name, |(_, name)| name),
        ),
        Ecosystem::Debian(_) => ("deb", Some("debian"), name),
        Ecosystem::Ubuntu(_) => ("deb", Some("ubuntu"), name),
        Ecosystem::Alpine(_) => ("apk", Some("alpine"), name),
        Ecosystem::Rpm(_) => {
            let base = component.ecosystem.base();
            let (namespace, _) = RPM.iter().find(|(_, osv)| *osv == base)?;
            ("rpm", Some(*namespace), name)
        }
        Ecosystem::Other(osv) => {
            let known = OTHERS.iter().find(|(_, known)| known == osv);
            let kind = known.map_or("generic", |(kind, _)| kind);
            let split = if kind == "maven" {
                name.split_once(':')
            } else {
                slashed
            };
            (
                kind,
                split.map(|(group, _)| group),
                split.map_or(name, |(_, name)| name),
            )
        }
    };
    let mut purl = PackageUrl::new(kind, name.to_owned()).ok()?;
    if let Some(namespace) = namespace {
        purl.with_namespace(namespace.to_owned()).ok()?;
    }
    finished(component, purl)
}

fn finished(component: &Component, mut purl: PackageUrl<'_>) -> Option<String> {
    // A version that is an address is left out: readers take its `/` for one of the namespace.
    let version = component.version.as_deref();
    if let Some(version) = version.filter(|version| !version.is_empty() && !version.contains('/')) {
        let version = match component.ecosystem {
            Ecosystem::Go => format!("v{version}"),
            _ => version.to_owned(),
        };
        purl.with_version(version).ok()?;
    }
    if let Some(distro) = distro(&component.ecosystem) {
        purl.add_qualifier("distro", distro).ok()?;
    }
    let source = component.source_name.as_deref();
    let upstream = match (source, &component.source_version) {
        (source, Some(version)) => Some(format!("{}@{version}", source.unwrap_or(&component.name))),
        (Some(source), None) => Some(source.to_owned()),
        (None, None) => None,
    };
    if let Some(upstream) = upstream {
        purl.add_qualifier("upstream", upstream).ok()?;
    }
    Some(purl.to_string())
}

fn distro(ecosystem: &Ecosystem) -> Option<String> {
    let written = ecosystem.to_string();
    let (_, release) = written.split_once(':')?;
    let name = match ecosystem {
        Ecosystem::Debian(_) => "debian",
        Ecosystem::Ubuntu(_) => "ubuntu",
        Ecosystem::Alpine(_) => "alpine",
        Ecosystem::Rpm(_) => RPM.iter().find(|(_, osv)| *osv == ecosystem.base())?.0,
        _ => return None,
    };
    let release = release.strip_suffix(":LTS").unwrap_or(release);
    let release = release.strip_prefix('v').unwrap_or(release);
    Some(format!("{name}-{release}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ecosystem, name, version, source.
    fn shown(text: &str) -> String {
        let c = read(text).unwrap();
        let source = match (&c.source_name, &c.source_version) {
            (None, None) => String::new(),
            (name, version) => format!(
                " from {}@{}",
                name.as_deref().unwrap_or("-"),
                version.as_deref().unwrap_or("-")
            ),
        };
        format!(
            "{} {} {}{source}",
            c.ecosystem,
            c.name,
            c.version.unwrap_or_default()
        )
    }

    #[test]
    fn what_scanners_write_is_understood() {
        for (purl, expected) in [
            ("pkg:npm/%40scope/name@1.0.0", "npm @scope/name 1.0.0"),
            (
                "pkg:golang/github.com/a/b/v2@v2.0.0",
                "Go github.com/a/b/v2 2.0.0",
            ),
            ("pkg:maven/org.x/y@1", "Maven org.x:y 1"),
            (
                "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12&upstream=glibc",
                "Debian:12 libc6 2.36-9+deb12u4 from glibc@-",
            ),
            (
                "pkg:deb/debian/a@1.2?distro=debian-12.5&epoch=1",
                "Debian:12 a 1:1.2",
            ),
            (
                "pkg:deb/debian/a@1%3A1.2?distro=bookworm&epoch=1",
                "Debian:12 a 1:1.2",
            ),
            (
                "pkg:deb/ubuntu/a@1?distro=ubuntu-22.04",
                "Ubuntu:22.04:LTS a 1",
            ),
            ("pkg:deb/ubuntu/a@1?distro=jammy", "Ubuntu:22.04:LTS a 1"),
            ("pkg:deb/ubuntu/a@1?distro=ubuntu-24.10", "Ubuntu:24.10 a 1"),
            ("pkg:deb/debian/a@1", "Debian a 1"),
            (
                "pkg:apk/alpine/libssl3@3.3.0-r2?distro=3.20.1&upstream=openssl",
                "Alpine:v3.20 libssl3 3.3.0-r2 from openssl@-",
            ),
            (
                "pkg:rpm/rocky/a@1-2.el9?epoch=3&distro=rocky-9.3",
                "Rocky Linux:9 a 3:1-2.el9",
            ),
            ("pkg:rpm/fedora/a@1-2?distro=fedora-40", "rpm:fedora a 1-2"),
            ("pkg:generic/openssl@1", "generic openssl 1"),
        ] {
            assert_eq!(shown(purl), expected, "{purl}");
        }
        assert!(read("npm/a@1").is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let source = |name: &str, version: Option<&str>, component| Component {
            source_name: Some(name.to_owned()),
            source_version: version.map(str::to_owned),
            ..component
        };
        let plain = |ecosystem: &str, name: &str, version: &str| Component {
            version: Some(version.to_owned()),
            ..Component::new(Ecosystem::from_osv(ecosystem), name)
        };
        for component in [
            plain("npm", "@s/a", "1.0.0-beta.1+x"),
            plain("PyPI", "mcp-server-git", "1!2.0"),
            plain("crates.io", "rmcp", "0.8.0"),
            plain("Go", "github.com/a/b", "1.0.0+incompatible"),
            source(
                "gcc-12",
                Some("12.2.0-14"),
                plain("Debian:12", "libgcc-s1", "1:12.2.0-14+b1"),
            ),
            source(
                "openssl",
                None,
                plain("Alpine:v3.20", "libssl3", "3.3.0-r2"),
            ),
            plain("Ubuntu:22.04:LTS", "a", "1"),
            plain("Rocky Linux:9", "a", "3:1-2.el9"),
            plain("Maven", "g:a", "1"),
        ] {
            let purl = write(&component).unwrap();
            assert_eq!(read(&purl).unwrap(), component, "{purl}");
        }
        let address = plain("npm", "a", "git+ssh://git@host.example/e.git#abc");
        assert_eq!(write(&address).unwrap(), "pkg:npm/a");
    }
}
