//! `yarn.lock` of yarn 1: headings, and below them lines of key and value.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::draft::Draft;
use crate::npm::{alias_target, name_and_range};
use crate::read_error::ReadError;
use crate::source::Source;
use crate::{Component, Ecosystem, Inventory};

/// Reads a lockfile of yarn 1. What the project itself names is not in it.
///
/// - errors: a line that is none of: comment, heading, key and value, list of dependencies.
pub(crate) fn yarn_v1(source: Source<'_>) -> Result<Inventory, ReadError> {
    let mut draft = Draft::new(source);
    let entries = entries(source)?;
    let mut by_pattern: HashMap<String, usize> = HashMap::new();
    let mut indices = Vec::with_capacity(entries.len());
    for entry in &entries {
        let component = Component {
            version: entry.version.as_ref().map(|version| version.to_string()),
            path: entry.patterns.join(", "),
            ..Component::new(Ecosystem::Npm, entry.name(source)?)
        };
        let index = draft.add(entry.at, component)?;
        for pattern in &entry.patterns {
            by_pattern.insert(pattern.to_string(), index);
        }
        indices.push(index);
    }
    for (entry, one) in entries.iter().zip(indices) {
        for (name, range) in &entry.needs {
            if let Some(other) = by_pattern.get(&format!("{name}@{range}")) {
                draft.needs(one, *other)?;
            }
        }
    }
    Ok(draft.finish())
}

/// One heading and what is below it.
struct Entry<'t> {
    at: usize,
    patterns: Vec<Cow<'t, str>>,
    version: Option<Cow<'t, str>>,
    needs: Vec<(Cow<'t, str>, Cow<'t, str>)>,
}

impl Entry<'_> {
    /// The name before the range, or the one that an alias stands for.
    fn name(&self, source: Source<'_>) -> Result<&str, ReadError> {
        let first = self.patterns.first().map_or("", |pattern| pattern.as_ref());
        let (name, range) = name_and_range(first)
            .ok_or_else(|| source.error(self.at, "a heading has to be `name@range:`"))?;
        Ok(alias_target(range).unwrap_or(name))
    }
}

fn entries(source: Source<'_>) -> Result<Vec<Entry<'_>>, ReadError> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut is_in_needs = false;
    for (at, line) in source.lines() {
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let at = at + indent;
        if indent == 0 {
            entries.push(heading(source, at, text)?);
            continue;
        }
        let Some(entry) = entries.last_mut() else {
            return Err(source.error(at, "this line is below no heading"));
        };
        match indent {
            2 => {
                is_in_needs = matches!(text, "dependencies:" | "optionalDependencies:");
                if !text.ends_with(':') {
                    let (key, value) = pair(source, at, text)?;
                    if key == "version" && entry.version.replace(value).is_some() {
                        return Err(source.error(at, "the key \"version\" stands twice"));
                    }
                }
            }
            4 if is_in_needs => entry.needs.push(pair(source, at, text)?),
            4 => {}
            _ => return Err(source.error(at, "no line of yarn is indented like this")),
        }
    }
    Ok(entries)
}

fn heading<'t>(source: Source<'t>, at: usize, line: &'t str) -> Result<Entry<'t>, ReadError> {
    let mut patterns = Vec::new();
    let mut rest = line
        .strip_suffix(':')
        .ok_or_else(|| source.error(at, "a heading has to end with `:`"))?;
    loop {
        let (pattern, after) = word(source, at, rest, ',')?;
        patterns.push(pattern);
        match after.strip_prefix(',') {
            Some(after) => rest = after.trim_start_matches(' '),
            None if after.is_empty() => break,
            None => return Err(source.error(at, "expected `,` between the patterns of a heading")),
        }
    }
    Ok(Entry {
        at,
        patterns,
        version: None,
        needs: Vec::new(),
    })
}

fn pair<'t>(
    source: Source<'t>,
    at: usize,
    line: &'t str,
) -> Result<(Cow<'t, str>, Cow<'t, str>), ReadError> {
    let (key, rest) = word(source, at, line, ' ')?;
    let (value, rest) = word(source, at, rest.trim_start_matches(' '), '\0')?;
    if rest.is_empty() {
        Ok((key, value))
    } else {
        Err(source.error(at, "expected one key and one value"))
    }
}

/// A word in quotes, or what stands before `end`; and the rest.
fn word<'t>(
    source: Source<'t>,
    at: usize,
    text: &'t str,
    end: char,
) -> Result<(Cow<'t, str>, &'t str), ReadError> {
    if !text.starts_with('"') {
        let length = text.find(end).unwrap_or(text.len());
        return Ok((Cow::Borrowed(&text[..length]), &text[length..]));
    }
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => {
                let value = serde_json::from_str::<String>(&text[..=index])
                    .map_err(|_| source.error(at, "a wrong escape within this text"))?;
                return Ok((Cow::Owned(value), &text[index + 1..]));
            }
            _ => {}
        }
    }
    Err(source.error(at, "this text does not end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Inventory, ReadError> {
        yarn_v1(Source {
            file: "yarn.lock",
            text,
        })
    }

    #[test]
    fn headings_aliases_and_who_needs_whom() {
        let text = "# yarn lockfile v1\n\n\n\"@s/a@^1.0.0\", \"@s/a@~1.0.1\":\n  version \"1.0.2\"\n  resolved \"x\"\n\
            \n  dependencies:\n    b \"^2\"\n    \"@s/c\" \"*\"\n\nb@^2:\n  version \"2.0.0\"\n\nold@npm:real@1:\n  version \"1.1.1\"\n\
            \n\"@s/c@*\":\n  version \"3.0.0\"\n";
        let inventory = read(text).unwrap();
        let shown: Vec<_> = inventory
            .components
            .iter()
            .map(|c| {
                (
                    c.name.as_str(),
                    c.version.as_deref(),
                    c.path.as_str(),
                    c.needed_by.as_slice(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "@s/a",
                    Some("1.0.2"),
                    "@s/a@^1.0.0, @s/a@~1.0.1",
                    [].as_slice()
                ),
                ("b", Some("2.0.0"), "b@^2", &[0]),
                ("real", Some("1.1.1"), "old@npm:real@1", &[]),
                ("@s/c", Some("3.0.0"), "@s/c@*", &[0]),
            ]
        );
    }

    #[test]
    fn other_lines_are_refused_with_their_place() {
        for (text, expected) in [
            ("a@1\n", "yarn.lock:1:1: a heading has to end with `:`"),
            ("a:\n", "yarn.lock:1:1: a heading has to be `name@range:`"),
            (
                "  version \"1\"\n",
                "yarn.lock:1:3: this line is below no heading",
            ),
            (
                "a@1:\n  version \"1\n",
                "yarn.lock:2:3: this text does not end",
            ),
            (
                "a@1:\n   version \"1\"\n",
                "yarn.lock:2:4: no line of yarn is indented like this",
            ),
            (
                "a@1:\n  version \"1\"\n  version \"2\"\n",
                "yarn.lock:3:3: the key \"version\" stands twice",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), expected);
        }
    }
}
