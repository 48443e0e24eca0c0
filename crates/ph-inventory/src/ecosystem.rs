//! Where a package comes from, which decides how its versions are ordered and its names compared.

use std::fmt;

/// An ecosystem as OSV names it (`npm`, `PyPI`, `crates.io`, `Go`, `Debian:12`, `Alpine:v3.20`, …).
///
/// Source: <https://ossf.github.io/osv-schema/#affectedpackage-field>.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ecosystem {
    /// The npm registry.
    Npm,
    /// The Python Package Index.
    PyPi,
    /// crates.io.
    CratesIo,
    /// Go modules.
    Go,
    /// Debian, with its release (`12`) where known.
    Debian(Option<String>),
    /// Ubuntu, with its release (`22.04:LTS`) where known.
    Ubuntu(Option<String>),
    /// Alpine, with its branch (`v3.20`) where known.
    Alpine(Option<String>),
    /// A distribution of RPM packages, by OSV's name (`Red Hat:…`, `Rocky Linux:9`, `AlmaLinux:9`, …).
    Rpm(String),
    /// Any other, by OSV's name: counted and shown, its versions have no order here.
    Other(String),
}

/// OSV's names of the ecosystems whose packages are RPMs.
const RPM: &[&str] = &[
    "Red Hat",
    "Rocky Linux",
    "AlmaLinux",
    "openSUSE",
    "SUSE",
    "Mageia",
    "openEuler",
    "Photon OS",
];

impl Ecosystem {
    /// Reads OSV's name.
    #[must_use]
    pub fn from_osv(name: &str) -> Self {
        let (base, release) = match name.split_once(':') {
            Some((base, release)) => (base, Some(release.to_owned())),
            None => (name, None),
        };
        match base {
            "npm" => Self::Npm,
            "PyPI" => Self::PyPi,
            "crates.io" => Self::CratesIo,
            "Go" => Self::Go,
            "Debian" => Self::Debian(release),
            "Ubuntu" => Self::Ubuntu(release),
            "Alpine" => Self::Alpine(release),
            base if RPM.contains(&base) => Self::Rpm(name.to_owned()),
            _ => Self::Other(name.to_owned()),
        }
    }

    /// OSV's name without the release: the folder of its dump, the key of the index.
    #[must_use]
    pub fn base(&self) -> &str {
        match self {
            Self::Npm => "npm",
            Self::PyPi => "PyPI",
            Self::CratesIo => "crates.io",
            Self::Go => "Go",
            Self::Debian(_) => "Debian",
            Self::Ubuntu(_) => "Ubuntu",
            Self::Alpine(_) => "Alpine",
            Self::Rpm(name) | Self::Other(name) => name.split(':').next().unwrap_or(name),
        }
    }

    /// The name of a package as it is compared: PEP 503 for `PyPI`, without regard to case for `NuGet` and `Packagist`,
    /// else as it is.
    #[must_use]
    pub fn normal_name(&self, name: &str) -> String {
        match self {
            Self::PyPi => {}
            Self::Other(own) if own == "NuGet" || own == "Packagist" => return name.to_lowercase(),
            _ => return name.to_owned(),
        }
        let mut normal = String::with_capacity(name.len());
        let mut in_run = false;
        for c in name.chars() {
            let is_separator = matches!(c, '-' | '_' | '.');
            if is_separator && !in_run {
                normal.push('-');
            } else if !is_separator {
                normal.extend(c.to_lowercase());
            }
            in_run = is_separator;
        }
        normal
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Debian(Some(release))
            | Self::Ubuntu(Some(release))
            | Self::Alpine(Some(release)) => {
                write!(f, "{}:{release}", self.base())
            }
            Self::Rpm(name) | Self::Other(name) => f.write_str(name),
            _ => f.write_str(self.base()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn osv_names_come_back() {
        for name in [
            "npm",
            "PyPI",
            "crates.io",
            "Go",
            "Debian:12",
            "Debian",
            "Ubuntu:22.04:LTS",
            "Alpine:v3.20",
            "Rocky Linux:9",
            "Maven",
        ] {
            assert_eq!(Ecosystem::from_osv(name).to_string(), name);
        }
    }

    #[test]
    fn python_names_are_one_however_written() {
        for name in ["mcp_server.git", "MCP-Server-Git", "mcp--server._git"] {
            assert_eq!(Ecosystem::PyPi.normal_name(name), "mcp-server-git");
        }
        assert_eq!(Ecosystem::Npm.normal_name("JSONStream"), "JSONStream");
        let nuget = Ecosystem::from_osv("NuGet");
        assert_eq!(nuget.normal_name("Newtonsoft.Json"), "newtonsoft.json");
    }
}
