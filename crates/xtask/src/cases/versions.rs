//! Lines of the form `A < B`, one file per order: does ours agree, in both directions?

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ph_inventory::Ecosystem;
use ph_vuln::version::{NoOrder, compare};

use crate::{Verdict, say};

/// How the name of a file begins → the ecosystems whose order its lines are.
const ORDERS: &[(&str, &[&str])] = &[
    ("semver", &["npm", "crates.io", "Go"]),
    ("pypi", &["PyPI"]),
    ("debian", &["Debian", "Ubuntu"]),
    ("alpine", &["Alpine"]),
    ("redhat", &["Red Hat"]),
    ("rpm", &["Red Hat"]),
    ("npm", &["npm"]),
    ("crates", &["crates.io"]),
    ("go", &["Go"]),
    ("ubuntu", &["Ubuntu"]),
    ("rubygems", &["RubyGems"]),
    ("packagist", &["Packagist"]),
    ("nuget", &["NuGet"]),
];

pub(super) fn run(folder: &Path) -> Result<Verdict> {
    let mut total = Tally::default();
    for path in files(folder)? {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let tally = judge(&file, &text);
        tally.wrong.iter().for_each(|line| say(line));
        say(&format!("{file:<32} {}", tally.line()));
        total.add(tally);
    }
    if !total.undefined.is_empty() {
        say("");
        say("not defined by the ecosystem, neither passed nor failed:");
        total.undefined.iter().for_each(|line| say(line));
    }
    say(&total.line());
    // Lines of which none says anything are no success.
    Ok(if total.wrong.is_empty() && total.agreed > 0 {
        Verdict::Clean
    } else {
        Verdict::Found
    })
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        bail!("there is no file of lines (*.txt) in {}", folder.display());
    }
    paths.sort();
    Ok(paths)
}

/// A line counts once, whatever number of ecosystems it is asked of.
#[derive(Default)]
struct Tally {
    agreed: usize,
    wrong: Vec<String>,
    undefined: Vec<String>,
}

impl Tally {
    fn line(&self) -> String {
        format!(
            "{:>6} agreed, {:>3} wrong, {:>3} not defined",
            self.agreed,
            self.wrong.len(),
            self.undefined.len()
        )
    }

    fn add(&mut self, other: Self) {
        self.agreed += other.agreed;
        self.wrong.extend(other.wrong);
        self.undefined.extend(other.undefined);
    }
}

fn judge(file: &str, text: &str) -> Tally {
    let ecosystems = ORDERS
        .iter()
        .find(|(prefix, _)| file.starts_with(prefix))
        .map_or(&[][..], |(_, ecosystems)| *ecosystems);
    let mut tally = Tally::default();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with("# ") || line.starts_with("// ") {
            continue;
        }
        let place = format!("{file}:{}: {line}", number + 1);
        let Some((a, want, b)) = comparison(line) else {
            tally.wrong.push(format!("{place}: not `A < B`"));
            continue;
        };
        if ecosystems.is_empty() {
            let why = format!("{place}: no order is known by the name of this file");
            tally.undefined.push(why);
            continue;
        }
        match check(ecosystems, a, want, b) {
            Outcome::Agreed => tally.agreed += 1,
            Outcome::Wrong(why) => tally.wrong.push(format!("{place}: {why}")),
            Outcome::Undefined(why) => tally.undefined.push(format!("{place}: {why}")),
        }
    }
    tally
}

fn comparison(line: &str) -> Option<(&str, Ordering, &str)> {
    let mut parts = line.trim_end().split(' ');
    let (a, sign, b) = (parts.next()?, parts.next()?, parts.next()?);
    let want = match sign {
        "<" => Ordering::Less,
        "=" => Ordering::Equal,
        ">" => Ordering::Greater,
        _ => return None,
    };
    parts.next().is_none().then_some((a, want, b))
}

enum Outcome {
    Agreed,
    Wrong(String),
    Undefined(NoOrder),
}

fn check(ecosystems: &[&str], a: &str, want: Ordering, b: &str) -> Outcome {
    for name in ecosystems {
        let ecosystem = Ecosystem::from_osv(name);
        for (left, want, right) in [(a, want, b), (b, want.reverse(), a)] {
            match compare(&ecosystem, left, right) {
                Ok(got) if got == want => {}
                Ok(got) => {
                    return Outcome::Wrong(format!("{name}: `{left}` is {got:?} to `{right}`"));
                }
                Err(why) => return Outcome::Undefined(why),
            }
        }
    }
    Outcome::Agreed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_and_undefined_lines_are_told_apart() {
        let lines = "// two\n1.0 < 2.0\n\n2.0 < 1.0\n# x\n1.0 < bulbasaur\n1.0 ~ 2.0\n";
        let tally = judge("pypi-versions.txt", lines);
        assert_eq!(tally.agreed, 1);
        assert_eq!(tally.wrong.len(), 2, "{:?}", tally.wrong);
        assert!(tally.wrong[0].starts_with("pypi-versions.txt:4: 2.0 < 1.0"));
        assert_eq!(tally.undefined.len(), 1);
        assert!(tally.undefined[0].contains("bulbasaur"));
        assert_eq!(judge("maven-versions.txt", "1 < 2\n").undefined.len(), 1);
    }
}
