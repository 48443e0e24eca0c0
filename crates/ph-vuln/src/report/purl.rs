//! The package URL of a component: <https://github.com/package-url/purl-spec>.

use ph_inventory::{Component, Ecosystem};

/// The package URL with its version, where there is one; none for an ecosystem that has no type of purl here.
#[must_use]
pub fn purl(component: &Component) -> Option<String> {
    let version = component.version.as_deref();
    let base = match &component.ecosystem {
        Ecosystem::Npm => format!("pkg:npm/{}", scoped(&component.name)),
        Ecosystem::PyPi => {
            let name = component.ecosystem.normal_name(&component.name);
            format!("pkg:pypi/{}", escaped(&name))
        }
        Ecosystem::CratesIo => format!("pkg:cargo/{}", escaped(&component.name)),
        Ecosystem::Go => format!("pkg:golang/{}", scoped(&component.name)),
        Ecosystem::Debian(_) => format!("pkg:deb/debian/{}", escaped(&component.name)),
        Ecosystem::Ubuntu(_) => format!("pkg:deb/ubuntu/{}", escaped(&component.name)),
        Ecosystem::Alpine(_) => format!("pkg:apk/alpine/{}", escaped(&component.name)),
        Ecosystem::Rpm(name) => {
            let vendor = name.split(':').next().unwrap_or(name);
            let vendor = vendor.to_lowercase().replace(' ', "");
            format!("pkg:rpm/{}/{}", escaped(&vendor), escaped(&component.name))
        }
        Ecosystem::Other(_) => return None,
    };
    let release = match &component.ecosystem {
        Ecosystem::Debian(Some(release)) => Some(format!("debian-{release}")),
        Ecosystem::Ubuntu(Some(release)) => Some(format!("ubuntu-{release}")),
        Ecosystem::Alpine(Some(release)) => Some(format!("alpine-{release}")),
        _ => None,
    };
    let mut text = base;
    if let Some(version) = version {
        text.push('@');
        text.push_str(&escaped(version));
    }
    if let Some(release) = release {
        text.push_str("?distro=");
        text.push_str(&escaped(&release));
    }
    Some(text)
}

/// A name whose slashes part namespaces.
fn scoped(name: &str) -> String {
    name.split('/').map(escaped).collect::<Vec<_>>().join("/")
}

/// Percent-encoding as purl wants it: everything but unreserved characters and the colon.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::component;

    #[test]
    fn each_ecosystem_has_its_type() {
        let of = |ecosystem: &str, name: &str, version: &str| {
            let component = Component {
                ecosystem: Ecosystem::from_osv(ecosystem),
                ..component(name, version)
            };
            purl(&component).unwrap_or_default()
        };
        assert_eq!(
            of("npm", "@modelcontextprotocol/sdk", "1.10.0"),
            "pkg:npm/%40modelcontextprotocol/sdk@1.10.0"
        );
        assert_eq!(
            of("PyPI", "mcp_server.git", "2025.7.1"),
            "pkg:pypi/mcp-server-git@2025.7.1"
        );
        assert_eq!(
            of("crates.io", "rmcp", "0.8.0+x"),
            "pkg:cargo/rmcp@0.8.0%2Bx"
        );
        assert_eq!(
            of("Go", "golang.org/x/net", "v0.1.0"),
            "pkg:golang/golang.org/x/net@v0.1.0"
        );
        assert_eq!(
            of("Debian:12", "libc6", "2.36-9+deb12u4"),
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?distro=debian-12"
        );
        assert_eq!(of("Maven", "a:b", "1"), "");
    }
}
