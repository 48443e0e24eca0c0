//! PT003 and PT004: names of other tools, in texts and as names; PT007: names that are none.
//!
//! False positives: servers that are made for each other, and several instances of one server, which offer the same
//! tools under the same names.

use super::text::{Texts, plain_letter};
use super::{CROSS_REFERENCE, Findings, ODD_NAME, Offered, SHADOWED, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// Shortest name that is looked for in texts.
const NAME_BYTES_MIN: usize = 4;
/// Most other tools that a finding names.
const OTHERS_MAX: usize = 3;

/// The names of all tools that are offered together.
pub(super) struct Names<'a> {
    /// Tool → servers that have it.
    exact: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// How names are read → tools that are read so.
    read_as: BTreeMap<String, Vec<(&'a str, &'a str)>>,
    servers: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn of(offered: &[Offered<'a>]) -> Self {
        let mut names = Self {
            exact: BTreeMap::new(),
            read_as: BTreeMap::new(),
            servers: BTreeSet::new(),
        };
        for one in offered {
            let name = &*one.tool.name;
            names.exact.entry(name).or_default().insert(one.server);
            let read_as = names.read_as.entry(skeleton(name)).or_default();
            read_as.push((one.server, name));
            names.servers.insert(one.server);
        }
        names
    }

    pub(super) fn check(&self, one: &Offered<'_>, texts: &Texts, findings: &mut Findings) {
        self.check_references(one, texts, findings);
        self.check_shadows(one, findings);
        let name = &*one.tool.name;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        if name.is_empty() || name.len() > 128 || !name.chars().all(is_plain) {
            let severity = if name.is_ascii() {
                Severity::Low
            } else {
                Severity::Medium
            };
            findings.add(one, &ODD_NAME, severity, "/name", name);
        }
    }

    fn check_references(&self, one: &Offered<'_>, texts: &Texts, findings: &mut Findings) {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        for text in texts.0.iter().filter(|t| t.pointer != "/name") {
            let mut rest = text.text.as_str();
            let mut before = "";
            while let Some(start) = rest.find(is_word) {
                let from = &rest[start..];
                let end = from.find(|c| !is_word(c)).unwrap_or(from.len());
                let (word, after) = from.split_at(end);
                let is_quoted = rest[..start].ends_with(['`', '"', '\'']);
                let says_tool = |next: &str| {
                    next.trim_start_matches(['`', '"', '\''])
                        .trim_start()
                        .starts_with("tool")
                };
                let is_meant = is_telling(word) || is_quoted || says_tool(after);
                if let Some(servers) = self.others(one, word).filter(|_| is_meant) {
                    let evidence = format!("`{word}` is a tool of {servers}: {}", text.text);
                    findings.add(
                        one,
                        &CROSS_REFERENCE,
                        Severity::High,
                        &text.pointer,
                        &evidence,
                    );
                    break;
                }
                let speaks_of_server = word != one.server
                    && self.servers.contains(word)
                    && word.len() >= NAME_BYTES_MIN
                    && (after.trim_start().starts_with("server")
                        || after.trim_start().starts_with("MCP")
                        || before == "server");
                if speaks_of_server {
                    let evidence = format!("`{word}` is another server: {}", text.text);
                    findings.add(
                        one,
                        &CROSS_REFERENCE,
                        Severity::Medium,
                        &text.pointer,
                        &evidence,
                    );
                    break;
                }
                (before, rest) = (word, after);
            }
        }
    }

    /// The servers that have a tool of this name, when the server itself has none.
    fn others(&self, one: &Offered<'_>, word: &str) -> Option<String> {
        let servers = self.exact.get(word)?;
        if word.len() < NAME_BYTES_MIN || servers.contains(one.server) {
            return None;
        }
        let some: Vec<_> = servers.iter().take(OTHERS_MAX).copied().collect();
        Some(some.join(", "))
    }

    fn check_shadows(&self, one: &Offered<'_>, findings: &mut Findings) {
        let name = &*one.tool.name;
        let Some(alike) = self.read_as.get(&skeleton(name)) else {
            return;
        };
        let mut same = Vec::new();
        let mut read_as = Vec::new();
        for (server, other) in alike {
            match (*server == one.server, *other == name) {
                (false, true) => same.push(*server),
                (_, false) => read_as.push(format!("{server}/{other}")),
                (true, true) => {}
            }
        }
        if !read_as.is_empty() {
            let is_ascii = name.is_ascii() && read_as.iter().all(|other| other.is_ascii());
            let severity = if is_ascii {
                Severity::Low
            } else {
                Severity::High
            };
            read_as.truncate(OTHERS_MAX);
            let evidence = format!("`{name}` is read as {}", read_as.join(", "));
            findings.add(one, &SHADOWED, severity, "/name", &evidence);
        }
        if !same.is_empty() {
            same.truncate(OTHERS_MAX);
            let evidence = format!("`{name}` is a tool of {}, too", same.join(", "));
            findings.add(one, &SHADOWED, Severity::Medium, "/name", &evidence);
        }
    }
}

/// A word that is no word of a language: a tool's name, rather.
fn is_telling(word: &str) -> bool {
    let inner = word.get(1..).unwrap_or_default();
    word.contains(['_', '-']) && word.contains(|c: char| c.is_ascii_alphabetic())
        || inner.contains(|c: char| c.is_ascii_uppercase())
            && inner.contains(|c: char| c.is_ascii_lowercase())
}

/// How a name is read: without its separators, case, and letters that look like others.
fn skeleton(name: &str) -> String {
    let letters = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | '.' | ' ' | '/'));
    let shown = letters.filter(|c| super::super::printable::hidden(*c).is_none());
    let plain = shown.flat_map(|c| plain_letter(c).to_lowercase());
    plain
        .map(|c| match c {
            '0' => 'o',
            '1' => 'l',
            c => c,
        })
        .collect()
}
