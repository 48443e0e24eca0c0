//! `${NAME}`, `${NAME:-default}`, `$$` in a string, and `file:/path` as a whole secret.

use ph_base::diagnostic::SecretProblem;

use crate::secrets::Secrets;
use crate::text::MASK;

/// Whose rules for `$` a text follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Our own: `${NAME}`, `${NAME:-default}`, and `$$` for a dollar sign.
    Pilothouse,
    /// Desktop clients': `${NAME}`, `${NAME:-default}` and `${env:NAME}`; `$$` is what it is.
    Desktop,
}

/// A reference that failed, with the part of the string that is to blame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) reference: String,
    pub(crate) problem: SecretProblem,
}

/// Puts in the value of every reference.
///
/// - a default is taken when the variable is not set or empty, and is not looked into further.
/// - `bytes_max`: a value that grows longer is cut off somewhere beyond; the caller has to look.
/// - errors: every reference that fails, in their order.
pub(crate) fn interpolate(
    written: &str,
    dialect: Dialect,
    bytes_max: usize,
    secrets: &dyn Secrets,
) -> Result<String, Vec<Failed>> {
    let mut value = String::with_capacity(written.len());
    let mut failed = Vec::new();
    let mut rest = written;
    while let Some(dollar) = rest.find('$').filter(|_| value.len() <= bytes_max) {
        value.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        if rest.starts_with("${") {
            let (reference, after) = cut_reference(rest);
            match resolve(reference, dialect, secrets) {
                Ok(resolved) => value.push_str(&resolved),
                Err(problem) => failed.push(Failed {
                    reference: reference.to_owned(),
                    problem,
                }),
            }
            rest = after;
        } else {
            let escaped = dialect == Dialect::Pilothouse && rest.starts_with("$$");
            value.push('$');
            rest = &rest[if escaped { 2 } else { 1 }..];
        }
    }
    value.push_str(rest);
    if failed.is_empty() {
        Ok(value)
    } else {
        Err(failed)
    }
}

/// A text whose value is secret, as it may be shown: its references, without their defaults, and
/// a mask for everything else.
pub(crate) fn masked(written: &str, dialect: Dialect) -> String {
    let mut shown = String::new();
    let mut rest = written;
    while !rest.is_empty() {
        let reference = rest.find("${").filter(|at| {
            // `$${` is no reference in our own dialect; `$$${` is a dollar sign and one.
            let dollars = rest[..*at]
                .bytes()
                .rev()
                .take_while(|byte| *byte == b'$')
                .count();
            dialect == Dialect::Desktop || dollars % 2 == 0
        });
        let Some(at) = reference else { break };
        if at > 0 {
            shown.push_str(MASK);
        }
        let (reference, after) = cut_reference(&rest[at..]);
        match reference.split_once(":-") {
            Some((name, _)) => shown.push_str(&format!("{name}:-{MASK}}}")),
            None => shown.push_str(reference),
        }
        rest = after;
    }
    if !rest.is_empty() || written.is_empty() {
        shown.push_str(MASK);
    }
    shown
}

/// Splits after the first `}`, or takes everything where there is none.
fn cut_reference(text: &str) -> (&str, &str) {
    text.split_at(text.find('}').map_or(text.len(), |end| end + 1))
}

fn resolve(
    reference: &str,
    dialect: Dialect,
    secrets: &dyn Secrets,
) -> Result<String, SecretProblem> {
    let malformed = || SecretProblem::Malformed {
        got: reference.to_owned(),
    };
    let inside = reference
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    let inside = inside.ok_or_else(malformed)?;
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let name = match dialect {
        Dialect::Pilothouse => name,
        Dialect::Desktop => name.strip_prefix("env:").unwrap_or(name),
    };
    if !is_variable_name(name) {
        return Err(malformed());
    }
    let value = match secrets.variable(name) {
        None => None,
        Some(value) => Some(
            value
                .into_string()
                .map_err(|_| SecretProblem::VariableNotText {
                    name: name.to_owned(),
                })?,
        ),
    };
    match (value, default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(SecretProblem::MissingVariable {
            name: name.to_owned(),
        }),
    }
}

/// `[A-Za-z_][A-Za-z0-9_]*`, as in a shell.
pub(crate) fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The path of a secret written `file:/path` or `file:${NAME}/path`.
///
/// `file:name` and `file://…` are none: values such as `DATABASE_URL` look like that.
pub(crate) fn file_reference(written: &str) -> Option<&str> {
    let path = written.strip_prefix("file:")?;
    let is_absolute = path.starts_with('/') && !path.starts_with("//");
    (is_absolute || path.starts_with("${")).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::io;
    use std::path::Path;

    use super::*;

    struct Vars(BTreeMap<&'static str, &'static str>);

    impl Secrets for Vars {
        fn variable(&self, name: &str) -> Option<OsString> {
            self.0.get(name).map(OsString::from)
        }

        fn file(&self, _path: &Path) -> io::Result<String> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    #[track_caller]
    fn check(written: &str, dialect: Dialect, want: Result<&str, &str>) {
        let vars = Vars(BTreeMap::from([
            ("A", "alpha"),
            ("EMPTY", ""),
            ("B_2", "${A}"),
        ]));
        let got = interpolate(written, dialect, 1_000, &vars);
        let got = got.map_err(|failed| {
            failed
                .iter()
                .map(|f| f.problem.to_string())
                .collect::<Vec<_>>()
                .join("; ")
        });
        assert_eq!(
            got,
            want.map(str::to_owned).map_err(str::to_owned),
            "written {written:?}"
        );
    }

    #[test]
    fn references() {
        let own = Dialect::Pilothouse;
        check("", own, Ok(""));
        check("plain", own, Ok("plain"));
        check("${A}", own, Ok("alpha"));
        check("<${A}|${A}>", own, Ok("<alpha|alpha>"));
        check("${B_2}", own, Ok("${A}")); // a value is not looked into
        check("${NO:-x}", own, Ok("x"));
        check("${NO:-}", own, Ok(""));
        check("${EMPTY:-x}", own, Ok("x"));
        check("${EMPTY}", own, Ok(""));
        check("$${A}", own, Ok("${A}"));
        check("$$", own, Ok("$"));
        check("$", own, Ok("$"));
        check("$A costs 5$", own, Ok("$A costs 5$"));
        check("äö${A}ü", own, Ok("äöalphaü"));
        check("${NO}", own, Err("environment variable `NO` is not set"));
        check(
            "${NO} ${ALSO}",
            own,
            Err("environment variable `NO` is not set; environment variable `ALSO` is not set"),
        );
        check("${", own, Err("`${` is not a reference"));
        check("${A", own, Err("`${A` is not a reference"));
        check("${}", own, Err("`${}` is not a reference"));
        check("${1A}", own, Err("`${1A}` is not a reference"));
        check("${env:A}", own, Err("`${env:A}` is not a reference"));
        let desktop = Dialect::Desktop;
        check("${env:A}", desktop, Ok("alpha"));
        check("${A}$$", desktop, Ok("alpha$$"));
        check(
            "${input:key}",
            desktop,
            Err("`${input:key}` is not a reference"),
        );
    }

    #[test]
    fn secrets_show_their_references_only() {
        let own = |written| masked(written, Dialect::Pilothouse);
        assert_eq!(own("hunter2"), "***");
        assert_eq!(own(""), "***");
        assert_eq!(own("${A}"), "${A}");
        assert_eq!(own("Bearer ${A}"), "***${A}");
        assert_eq!(own("${A}hunter2${B}"), "${A}***${B}");
        assert_eq!(own("${A:-hunter2}"), "${A:-***}");
        assert_eq!(own("hunter$$2"), "***");
        assert_eq!(own("$${hunter2}"), "***");
        assert_eq!(own("$$${A}"), "***${A}");
        assert_eq!(own("$${hunter2}${A}"), "***");
        assert_eq!(masked("$${A}", Dialect::Desktop), "***${A}");
    }

    #[test]
    fn file_references_are_absolute() {
        assert_eq!(file_reference("file:/run/token"), Some("/run/token"));
        assert_eq!(file_reference("file:${HOME}/token"), Some("${HOME}/token"));
        for literal in [
            "file:./dev.db",
            "file:token",
            "file:///run/token",
            "/run/token",
            "File:/x",
        ] {
            assert_eq!(file_reference(literal), None, "{literal}");
        }
    }
}
