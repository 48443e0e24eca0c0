//! Secrets that Pilothouse was given, found as they are and as texts write them.

use super::kind::SecretKind;
use super::{GIVEN_BYTES_MIN, Span};
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::BTreeSet;

/// Finds given secrets.
#[derive(Debug, Default)]
pub(super) struct Given {
    finder: Option<AhoCorasick>,
    /// For texts that end within one.
    all: Vec<String>,
}

/// Most secrets, further ones are left out: a configuration has 64 children with a few each.
const SECRETS_MAX: usize = 4096;
/// Longest secret that is looked for, in bytes: a longer one by its beginning.
const SECRET_BYTES_MAX: usize = 4096;
/// Shortest beginning of a secret that is known at the end of a cut text.
const BEGINNING_MIN: usize = 4;

impl Given {
    pub(super) fn new(secrets: &[String]) -> Self {
        let mut all = BTreeSet::new();
        for secret in secrets {
            for line in secret.lines() {
                // A secret of several lines (a key) may come line by line.
                all.extend(spellings(line.trim()));
            }
        }
        let all: Vec<String> = all.into_iter().take(SECRETS_MAX).collect();
        let finder = (!all.is_empty())
            .then(|| {
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostLongest)
                    .build(&all)
                    .ok()
            })
            .flatten();
        Self { finder, all }
    }

    pub(super) fn find(&self, text: &str, open: bool, out: &mut Vec<Span>) {
        let Some(finder) = &self.finder else {
            return;
        };
        let span = |from, to| Span {
            from,
            to,
            kind: SecretKind::Given,
            name: None,
        };
        out.extend(finder.find_iter(text).map(|m| span(m.start(), m.end())));
        if open {
            let begun = self.all.iter().filter_map(|secret| begun(text, secret));
            out.extend(begun.max().map(|len| span(text.len() - len, text.len())));
        }
    }
}

/// How much of `secret` stands at the end of `text`.
fn begun(text: &str, secret: &str) -> Option<usize> {
    (BEGINNING_MIN..secret.len().min(text.len()))
        .rev()
        .filter(|len| secret.is_char_boundary(*len))
        .find(|len| text.ends_with(&secret[..*len]))
}

/// A secret as it is, in JSON, and in an address.
fn spellings(secret: &str) -> Vec<String> {
    let mut end = secret.len().min(SECRET_BYTES_MAX);
    while !secret.is_char_boundary(end) {
        end -= 1;
    }
    let secret = &secret[..end];
    if secret.len() < GIVEN_BYTES_MIN {
        return Vec::new();
    }
    let json = secret.replace('\\', "\\\\").replace('"', "\\\"");
    let mut percent = String::with_capacity(secret.len());
    for b in secret.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
            percent.push(char::from(b));
        } else {
            percent.push_str(&format!("%{b:02X}"));
        }
    }
    vec![secret.to_owned(), json, percent]
}
