//! Whether something that is about to be started is known to be malicious, by what is here alone.

use crate::index::IndexError;
use crate::mirror::Mirror;
use ph_inventory::{Component, Ecosystem};
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

/// Programs that fetch a package and run it: the words that come before the package, and whose it is.
const RUNNERS: [(&str, &[&str], Ecosystem); 12] = [
    ("npx", &[], Ecosystem::Npm),
    ("bunx", &[], Ecosystem::Npm),
    ("pnpx", &[], Ecosystem::Npm),
    ("npm", &["exec"], Ecosystem::Npm),
    ("npm", &["x"], Ecosystem::Npm),
    ("pnpm", &["dlx"], Ecosystem::Npm),
    ("yarn", &["dlx"], Ecosystem::Npm),
    ("bun", &["x"], Ecosystem::Npm),
    ("uvx", &[], Ecosystem::PyPi),
    ("uv", &["tool", "run"], Ecosystem::PyPi),
    ("pipx", &["run"], Ecosystem::PyPi),
    ("pipx", &["run", "--"], Ecosystem::PyPi),
];

/// Options that are followed by a package.
const PACKAGE_OPTIONS: [&str; 5] = ["-p", "--package", "--from", "--spec", "--with"];
/// Options that are followed by something else.
const OTHER_OPTIONS: [&str; 14] = [
    "-c",
    "--call",
    "-w",
    "--workspace",
    "--cache",
    "--registry",
    "--loglevel",
    "--python",
    "--index-url",
    "--index",
    "--default-index",
    "--extra-index-url",
    "--cache-dir",
    "--constraints",
];

/// The packages that a command line fetches and runs, as far as its words say; none for any other command.
///
/// - `words`: its arguments.
#[must_use]
pub fn packages_of(program: &str, words: &[&str]) -> Vec<Component> {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    let name = name
        .strip_suffix(".cmd")
        .or_else(|| name.strip_suffix(".exe"))
        .unwrap_or(name);
    if name == "env" {
        let at = words
            .iter()
            .position(|word| !word.starts_with('-') && !word.contains('='));
        return at.map_or_else(Vec::new, |at| packages_of(words[at], &words[at + 1..]));
    }
    let runner = RUNNERS
        .iter()
        .find(|(runner, before, _)| *runner == name && words.starts_with(before));
    let Some((_, before, ecosystem)) = runner else {
        return Vec::new();
    };
    let mut specs = Vec::new();
    let mut rest = words[before.len()..].iter();
    while let Some(word) = rest.next() {
        let is_python_version = *ecosystem == Ecosystem::PyPi && *word == "-p";
        let joined = word
            .split_once('=')
            .filter(|(option, _)| PACKAGE_OPTIONS.contains(option));
        match *word {
            _ if is_python_version => drop(rest.next()),
            option if PACKAGE_OPTIONS.contains(&option) => specs.extend(rest.next().copied()),
            option if OTHER_OPTIONS.contains(&option) => drop(rest.next()),
            _ if joined.is_some() => specs.extend(joined.map(|(_, spec)| spec)),
            option if option.starts_with('-') => {}
            spec => {
                if !words.iter().any(|word| {
                    *word == "--from"
                        || *word == "--package"
                        || *word == "-p" && *ecosystem == Ecosystem::Npm
                }) && joined_package(words).is_none()
                {
                    specs.push(spec);
                }
                break;
            }
        }
    }
    specs
        .into_iter()
        .filter_map(|spec| component(ecosystem, spec))
        .collect()
}

fn joined_package<'a>(words: &[&'a str]) -> Option<&'a str> {
    words
        .iter()
        .copied()
        .find(|word| word.starts_with("--package=") || word.starts_with("--from="))
}

/// `name@1.0`, `@scope/name`, `name==1.0`, `name[extra]>=1`: the version where it is one.
fn component(ecosystem: &Ecosystem, spec: &str) -> Option<Component> {
    if spec.starts_with(['.', '/']) || spec.contains("://") || spec.starts_with("git+") {
        return None;
    }
    let (name, version) = if *ecosystem == Ecosystem::PyPi {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let end = spec.find(|c| !is_name(c)).unwrap_or(spec.len());
        let rest = spec[end..]
            .split(']')
            .next_back()
            .unwrap_or_default()
            .trim();
        let version = rest.strip_prefix("==").or_else(|| rest.strip_prefix('@'));
        (&spec[..end], version)
    } else {
        match spec.rfind('@') {
            Some(at) if at > 0 => (&spec[..at], Some(&spec[at + 1..])),
            _ => (spec, None),
        }
    };
    let is_one = |version: &&str| {
        version.starts_with(|c: char| c.is_ascii_digit())
            && !version.contains(['*', ' ', '|', '<', '>', ','])
    };
    let mut component = Component::new(ecosystem.clone(), name);
    component.version = version.filter(is_one).map(ToOwned::to_owned);
    (!name.is_empty()).then_some(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, want: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let packages = packages_of(words[0], &words[1..]);
        let shown: Vec<String> = packages
            .iter()
            .map(|p| {
                format!(
                    "{}/{}@{}",
                    p.ecosystem,
                    p.name,
                    p.version.as_deref().unwrap_or("?")
                )
            })
            .collect();
        assert_eq!(shown.join(" "), want, "{line}");
    }

    #[test]
    fn what_a_command_fetches() {
        check("npx -y postmark-mcp", "npm/postmark-mcp@?");
        check(
            "/usr/bin/npx -y @scope/a@1.0.16 --flag x",
            "npm/@scope/a@1.0.16",
        );
        check("npx -y a@latest", "npm/a@?");
        check("npx --package=a@1.0.0 b", "npm/a@1.0.0");
        check("npx -p a@1 -p b c", "npm/a@1 npm/b@?");
        check("npm exec -- a@2.0.0", "npm/a@2.0.0");
        check("env A=1 npx a", "npm/a@?");
        check(
            "uvx mcp-server-git==2025.7.1",
            "PyPI/mcp-server-git@2025.7.1",
        );
        check("uvx --from git_mcp[x]==1.0 server", "PyPI/git_mcp@1.0");
        check("uvx -p 3.12 a@1.0", "PyPI/a@1.0");
        check("uvx --with b==2.0 a", "PyPI/b@2.0 PyPI/a@?");
        check("uv tool run a>=1", "PyPI/a@?");
        check("npx ./local", "");
        check("node server.js", "");
        check("uv run server.py", "");
    }
}
