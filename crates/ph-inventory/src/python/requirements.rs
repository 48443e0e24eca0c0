//! `requirements.txt` in pip's format.

use std::borrow::Cow;

use crate::draft::Draft;
use crate::packages::ByName;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::{Component, Ecosystem, Inventory};

/// Reads requirements. A package that is not pinned to one version has none; files that are included, folders and
/// addresses are noted as not looked at. `# via` comments, as pip-compile and uv write them, say who needs whom.
///
/// - errors: a line that is neither an option nor a requirement.
pub(crate) fn requirements(source: Source<'_>) -> Result<Inventory, ReadError> {
    let mut draft = Draft::new(source);
    let mut by_name = ByName::new(Ecosystem::PyPi);
    let lines = logical_lines(source);
    let mut added: Vec<(usize, &[&str])> = Vec::new();
    for line in &lines {
        if let Some(index) = one(source, line, &mut draft, &mut by_name)? {
            added.push((index, &line.via));
        }
    }
    for (other, via) in added {
        for name in via {
            let by: Vec<usize> = by_name.find(name, None).collect();
            // Who is not in the file is the project: `-r requirements.in`, `project (pyproject.toml)`, `project`.
            if by.is_empty() {
                draft.root(other)?;
            }
            for one in by {
                draft.needs(one, other)?;
            }
        }
    }
    draft.mark_direct();
    Ok(draft.finish())
}

/// Lines joined where `\` ends them, without comments, and with the names of the `# via` comments after them.
struct Logical<'t> {
    at: usize,
    text: Cow<'t, str>,
    via: Vec<&'t str>,
}

fn logical_lines(source: Source<'_>) -> Vec<Logical<'_>> {
    let mut lines: Vec<Logical<'_>> = Vec::new();
    let mut goes_on = false;
    let mut is_via = false;
    for (at, line) in source.lines() {
        let trimmed = line.trim();
        if let Some(comment) = trimmed.strip_prefix('#') {
            let comment = comment.trim();
            let name = match comment.strip_prefix("via") {
                Some(first) if first.is_empty() || first.starts_with(' ') => {
                    is_via = true;
                    first.trim()
                }
                _ => comment,
            };
            if let Some(last) = lines.last_mut().filter(|_| is_via && !name.is_empty()) {
                last.via.push(name);
            }
            continue;
        }
        is_via = false;
        let text = match trimmed.find(" #") {
            Some(comment) => trimmed[..comment].trim_end(),
            None => trimmed,
        };
        let (text, more) = match text.strip_suffix('\\') {
            Some(text) => (text.trim_end(), true),
            None => (text, false),
        };
        match lines.last_mut() {
            Some(last) if goes_on => {
                let joined = last.text.to_mut();
                joined.push(' ');
                joined.push_str(text);
            }
            _ if text.is_empty() => {}
            _ => lines.push(Logical {
                at: at + (line.len() - line.trim_start().len()),
                text: Cow::Borrowed(text),
                via: Vec::new(),
            }),
        }
        goes_on = more;
    }
    lines
}

fn one(
    source: Source<'_>,
    line: &Logical<'_>,
    draft: &mut Draft<'_>,
    by_name: &mut ByName,
) -> Result<Option<usize>, ReadError> {
    let text = line.text.as_ref();
    if text.starts_with('-') {
        option(text, draft);
        return Ok(None);
    }
    let is_local = text.starts_with(['.', '/']) || text.ends_with(".whl");
    let name_end = text
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    if is_local || rest.starts_with("://") || rest.starts_with('+') {
        let shown: String = text.chars().take(200).collect();
        draft.unchecked(
            shown,
            "a file, folder or address without the name of a package",
        );
        return Ok(None);
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(source.error(line.at, "neither an option nor a requirement"));
    }
    let rest = without_extras(rest.trim_start());
    let version = pinned(rest);
    let is_range =
        rest.is_empty() || rest.starts_with(['=', '<', '>', '!', '~', ';', '@', '-', '(']);
    if !is_range {
        let place = line.at + name_end;
        return Err(source.error(place, "expected a version or `;` after the name"));
    }
    if version.is_none() {
        draft.unchecked(name, "not pinned to one version");
    }
    let component = Component {
        version: version.map(str::to_owned),
        ..Component::new(Ecosystem::PyPi, name)
    };
    let index = draft.add(line.at, component)?;
    by_name.insert(name, version.unwrap_or_default(), index);
    Ok(Some(index))
}

/// `-r other.txt`, `-c`, `-e folder` bring packages; all other options say only where packages come from.
fn option(text: &str, draft: &mut Draft<'_>) {
    let (name, value) = match text.find([' ', '=']) {
        Some(at) => (&text[..at], text[at + 1..].trim()),
        // `-rbase.txt`
        None => text.split_at_checked(2).unwrap_or((text, "")),
    };
    let why = match name {
        "-r" | "--requirement" => "a file that is included; scan it as well",
        "-c" | "--constraint" => "a file of constraints; scan it as well",
        "-e" | "--editable" => "a local folder or a repository",
        _ => return,
    };
    let shown: String = value.chars().take(200).collect();
    draft.unchecked(shown, why);
}

fn without_extras(rest: &str) -> &str {
    match rest
        .strip_prefix('[')
        .and_then(|extras| extras.split_once(']'))
    {
        Some((_, rest)) => rest.trim_start(),
        None => rest,
    }
}

/// The version of `==1.2.3` or `===1.2.3`, up to a marker or an option; none for any other range.
fn pinned(rest: &str) -> Option<&str> {
    let version = rest
        .strip_prefix("===")
        .or_else(|| rest.strip_prefix("=="))?;
    let version = version.split([';', ' ']).find(|word| !word.is_empty())?;
    let is_one = !version.contains([',', '*', '<', '>', '!', '~', '=']);
    is_one.then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Inventory, ReadError> {
        let file = "requirements.txt";
        requirements(Source { file, text })
    }

    #[test]
    fn pins_ranges_hashes_and_via() {
        let text = "# made by hand\n-r base.txt\n--index-url=https://registry.example/simple\n-e .\n\
            Flask_Login[x, y] == 1.0 ; python_version >= '3'  # note\n    # via own (pyproject.toml)\n\
            b==2.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via\n    #   flask-login\n    #   -r requirements.in\n\
            c>=1,<2\nd==1.*\ne @ https://host.example/e.zip\nhttps://host.example/f.whl\n./g\nh===weird\ni\n";
        let inventory = read(text).unwrap();
        let shown: Vec<_> = inventory
            .components
            .iter()
            .map(|c| {
                (
                    c.name.as_str(),
                    c.version.as_deref(),
                    c.is_direct,
                    c.needed_by.as_slice(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("Flask_Login", Some("1.0"), true, [].as_slice()),
                ("b", Some("2.0"), true, &[0]),
                ("c", None, false, &[]),
                ("d", None, false, &[]),
                ("e", None, false, &[]),
                ("h", Some("weird"), false, &[]),
                ("i", None, false, &[]),
            ]
        );
        let unchecked: Vec<_> = inventory
            .unchecked
            .iter()
            .map(|u| u.what.as_str())
            .collect();
        assert_eq!(
            unchecked,
            [
                "base.txt",
                ".",
                "c",
                "d",
                "e",
                "https://host.example/f.whl",
                "./g",
                "i"
            ]
        );
    }

    #[test]
    fn options_of_any_letters() {
        let inventory = read("-rbase.txt\n-\u{35a}c\n-\n").unwrap();
        assert_eq!(inventory.unchecked.len(), 1);
        assert_eq!(inventory.unchecked[0].what, "base.txt");
    }

    #[test]
    fn other_lines_are_refused_with_their_place() {
        for (text, expected) in [
            (
                "a==1\n  {\n",
                "requirements.txt:2:3: neither an option nor a requirement",
            ),
            (
                "a 1.0\n",
                "requirements.txt:1:2: expected a version or `;` after the name",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), expected);
        }
    }
}
