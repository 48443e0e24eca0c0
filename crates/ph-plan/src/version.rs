//! Another version of a server, as an operator names it while Pilothouse runs.

use crate::server::{HttpUpstream, Stdio, Upstream};
use crate::text::{Endpoint, Text};
use std::collections::BTreeMap;

/// What is to run instead of what runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// The same command with another version of a package among its arguments.
    Package {
        /// The package's name.
        name: String,
        /// Its version.
        version: String,
    },
    /// Another command.
    Command {
        /// The program.
        program: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// Another address.
    Url(String),
}

/// Why it cannot run instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The command does not name the package.
    #[error("its command has no argument `{0}` or `{0}@VERSION`: name the whole command")]
    NoPackage(String),
    /// It is no version that a package can have.
    #[error("`{0}` is no version: it has letters, digits, and the signs `.`, `-`, `_`, `+`")]
    NoVersion(String),
    /// An address cannot become a command: what a command needs stands in the configuration.
    #[error("it is reached by URL: a command for it belongs into the configuration")]
    NoCommand,
    /// It is no address.
    #[error("the address has to be {0}")]
    NoAddress(&'static str),
    /// Its credentials would go to somebody else.
    #[error("its `headers` are for {0}: another host belongs into the configuration")]
    OtherHost(String),
}

impl Version {
    /// What `now` is with this version. Everything that is not named stays as configured: environment,
    /// directory, bounds, headers.
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn of(&self, now: &Upstream) -> Result<Upstream, VersionError> {
        match (self, now) {
            (Self::Package { name, version }, Upstream::Stdio(stdio)) => {
                package(stdio, name, version).map(Upstream::Stdio)
            }
            (Self::Command { program, args }, Upstream::Stdio(stdio)) => {
                Ok(Upstream::Stdio(Stdio {
                    command: program.as_str().into(),
                    args: args.iter().map(|arg| arg.as_str().into()).collect(),
                    ..stdio.clone()
                }))
            }
            (Self::Package { .. } | Self::Command { .. }, Upstream::Http(_)) => {
                Err(VersionError::NoCommand)
            }
            (Self::Url(url), now) => address(url, now).map(Upstream::Http),
        }
    }

    /// Whether it runs or asks something that the configuration does not name.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        !matches!(self, Self::Package { .. })
    }
}

fn package(stdio: &Stdio, name: &str, version: &str) -> Result<Stdio, VersionError> {
    let is_sign = |c: char| c.is_ascii_alphanumeric() || ".-_+".contains(c);
    let is_version = version.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !is_version || !version.chars().all(is_sign) || version.len() > 128 {
        return Err(VersionError::NoVersion(version.to_owned()));
    }
    let mut made = stdio.clone();
    let mut is_found = false;
    for arg in &mut made.args {
        let Some(rest) = arg.as_str().strip_prefix(name).filter(|_| is_package(name)) else {
            continue;
        };
        let joint = match rest {
            _ if rest.starts_with("==") => "==",
            _ if rest.is_empty() || rest.starts_with('@') => "@",
            _ => continue,
        };
        *arg = Text::from(format!("{name}{joint}{version}").as_str());
        is_found = true;
    }
    if is_found {
        Ok(made)
    } else {
        Err(VersionError::NoPackage(name.to_owned()))
    }
}

/// Whether it can be a package's name: options and paths are none.
fn is_package(name: &str) -> bool {
    let plain = name.strip_prefix('@').unwrap_or(name);
    let is_sign = |c: char| c.is_ascii_alphanumeric() || ".-_/".contains(c);
    plain.starts_with(|c: char| c.is_ascii_alphanumeric()) && plain.chars().all(is_sign)
}

fn address(url: &str, now: &Upstream) -> Result<HttpUpstream, VersionError> {
    let url = Endpoint::parse(&Text::from(url)).map_err(VersionError::NoAddress)?;
    let Upstream::Http(now) = now else {
        return Ok(HttpUpstream {
            url,
            others: Vec::new(),
            headers: BTreeMap::new(),
            ca_file: None,
            otel: false,
        });
    };
    let origin = |url: &Endpoint| (url.is_tls(), url.host().to_owned());
    if !now.headers.is_empty() && origin(&now.url) != origin(&url) {
        return Err(VersionError::OtherHost(now.url.host().to_owned()));
    }
    Ok(HttpUpstream {
        url,
        others: Vec::new(),
        ..now.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoSecrets;

    fn server(text: &str) -> Upstream {
        let text = format!("servers:\n  s: {text}\n");
        let loaded = crate::load("t.yaml", &text, &NoSecrets);
        let (plan, _) = loaded.unwrap();
        plan.servers.into_values().next().unwrap().upstream
    }

    fn package(name: &str, version: &str) -> Version {
        Version::Package {
            name: name.into(),
            version: version.into(),
        }
    }

    fn args(upstream: &Upstream) -> Vec<&str> {
        let Upstream::Stdio(stdio) = upstream else {
            return Vec::new();
        };
        stdio.args.iter().map(Text::as_str).collect()
    }

    #[test]
    fn a_package_gets_another_version_where_the_command_names_it() {
        let now = server("{command: npx, args: [-y, '@a/b@1.0.0', x], env: {K: v}}");
        let made = package("@a/b", "2.0.0").of(&now).unwrap();
        assert_eq!(args(&made), ["-y", "@a/b@2.0.0", "x"]);
        let (Upstream::Stdio(made), Upstream::Stdio(now)) = (&made, &now) else {
            panic!("commands");
        };
        assert_eq!((&made.env, &made.command), (&now.env, &now.command));
        let pip = server("{command: uvx, args: [t==1.0]}");
        assert_eq!(args(&package("t", "1.1").of(&pip).unwrap()), ["t==1.1"]);
        let bare = server("{command: uvx, args: [tt, t]}");
        assert_eq!(args(&package("t", "3").of(&bare).unwrap()), ["tt", "t@3"]);
    }

    #[test]
    fn nothing_else_gets_in_with_a_version() {
        let now = server("{command: npx, args: [b@1.0.0]}");
        for version in ["", "-x", "1 2", "file:/x", "../x", "git+ssh://h"] {
            let refused = package("b", version).of(&now);
            assert_eq!(refused, Err(VersionError::NoVersion(version.into())));
        }
        let refused = package("c", "1").of(&now);
        assert_eq!(refused, Err(VersionError::NoPackage("c".into())));
        let other = server("{command: x, args: [--dir, /srv/data]}");
        for name in ["", "--dir", "/srv/data", "/srv"] {
            let refused = package(name, "1").of(&other);
            assert_eq!(refused, Err(VersionError::NoPackage(name.into())));
        }
    }

    #[test]
    fn credentials_stay_with_their_host() {
        let now = server("{url: 'https://a.example/mcp', headers: {Authorization: x}}");
        let url = |text: &str| Version::Url(text.into()).of(&now);
        assert!(url("https://a.example/v2").is_ok());
        let other = Err(VersionError::OtherHost("a.example".into()));
        assert_eq!(url("https://b.example/mcp"), other);
        assert_eq!(url("http://a.example/mcp"), other);
        assert!(url("https://u:p@a.example/").is_err());
        let bare = server("{url: 'https://a.example/mcp'}");
        assert!(Version::Url("http://b.example/".into()).of(&bare).is_ok());
        assert_eq!(package("a", "1").of(&bare), Err(VersionError::NoCommand));
    }
}
