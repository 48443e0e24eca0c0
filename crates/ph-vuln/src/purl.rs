//! The package URL of a component: <https://github.com/package-url/purl-spec>.

use ph_inventory::{Component, Ecosystem};

/// The package URL with its version, where there is one; none for an ecosystem that has no type of purl here.
#[must_use]
pub fn write(component: &Component) -> Option<String> {
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

/// The ecosystem (of a distribution without its release) and the package's name; none where the text is no package URL
/// of a type that is known.
#[must_use]
pub fn read(purl: &str) -> Option<(Ecosystem, String)> {
    let rest = purl.strip_prefix("pkg:")?.trim_start_matches('/');
    let rest = rest.split(['#', '?']).next()?;
    let (kind, rest) = rest.split_once('/')?;
    // The version follows the last `@`; that of an npm scope stands in front of a slash or is escaped.
    let name = match rest.rfind('@') {
        Some(at) if at > 0 && !rest[at..].contains('/') => &rest[..at],
        _ => rest,
    };
    let name = unescaped(name)?;
    let last = || name.rsplit('/').next().map(str::to_owned);
    match kind.to_ascii_lowercase().as_str() {
        "npm" => Some((Ecosystem::Npm, name)),
        "pypi" => Some((Ecosystem::PyPi, name)),
        "cargo" => Some((Ecosystem::CratesIo, name)),
        "golang" => Some((Ecosystem::Go, name)),
        "deb" if name.starts_with("ubuntu/") => Some((Ecosystem::Ubuntu(None), last()?)),
        "deb" => Some((Ecosystem::Debian(None), last()?)),
        "apk" => Some((Ecosystem::Alpine(None), last()?)),
        _ => None,
    }
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let value = digit(rest.next())? * 16 + digit(rest.next())?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
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
            write(&component).unwrap_or_default()
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

    #[test]
    fn what_is_written_is_read_back() {
        for (ecosystem, name, read_as) in [
            (
                "npm",
                "@modelcontextprotocol/sdk",
                "@modelcontextprotocol/sdk",
            ),
            ("npm", "lodash", "lodash"),
            ("PyPI", "mcp_server.git", "mcp-server-git"),
            ("crates.io", "rmcp", "rmcp"),
            ("Go", "golang.org/x/net", "golang.org/x/net"),
            ("Debian:12", "libstdc++6", "libstdc++6"),
        ] {
            let component = Component {
                ecosystem: Ecosystem::from_osv(ecosystem),
                ..component(name, "1.0.0+a@b")
            };
            let (found, name) = read(&write(&component).unwrap()).unwrap();
            assert_eq!(
                (found.base(), name.as_str()),
                (component.ecosystem.base(), read_as)
            );
        }
        assert_eq!(read("pkg:npm/@scope/a@1").unwrap().1, "@scope/a");
        for none in [
            "",
            "pkg:",
            "pkg:npm",
            "pkg:npm/%f",
            "pkg:npm/%ff",
            "pkg:maven/a/b@1",
            "npm/a",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
