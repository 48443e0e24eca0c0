//! PT002: texts that tell the model what to do beyond calling the tool.
//!
//! False positives: tools that are about prompts, keys or files of that kind (a linter of prompts, a manager of SSH
//! keys), and descriptions that ask to be called in a certain order. English only.

use super::super::definition::start;
use super::super::printable::hidden;
use super::text::{Texts, plain_letter};
use super::{Findings, INSTRUCTION, Offered, Severity};
use regex::Regex;
use std::sync::LazyLock;

/// Longest text that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// How much is shown around what was found, in characters.
const AROUND: usize = 50;

/// What is looked for in a text in lower case with single blanks.
const PHRASES: [(Severity, &str); 12] = [
    (
        Severity::Critical,
        r"\b(?:ignore|disregard|forget|override|bypass) (?:(?:all|any|the|your|every|these|those|of) )*(?:previous|prior|above|earlier|preceding|other|existing|system|safety) (?:\w+ )?(?:instructions?|prompts?|rules?|messages?|guidelines?|directives?|polic(?:y|ies))",
    ),
    (
        Severity::Critical,
        r"\b(?:do not|don't|dont|never|must not|without|avoid|should not) (?:ever )?(?:tell|telling|mention|mentioning|inform|informing|notify|notifying|alert|alerting|show|showing|reveal|revealing|disclose|disclosing|warn|warning|let|explain|explaining|report|reporting)(?: (?:this|it|that|any|anything|about|of|them|these|the|step|steps|fact))* ?(?:to )?(?:the |your )?(?:users?|humans?|operators?|anyone|anybody|person|people|customer)\b",
    ),
    (
        Severity::Critical,
        r"<(?:important|system|secret|instructions?|hidden|admin|critical|override|assistant|developer|prompt)\s?/?>",
    ),
    (
        Severity::High,
        r"\b(?:pass|send|include|put|provide|append|add|copy|attach|forward|paste|exfiltrate|leak) (?:(?:its|the|their|all|whole|full|entire|of|your|complete|file|raw) )*(?:contents?|conversation|chat history|history|previous messages?|system prompt|messages|credentials?|secrets?|tokens?|passwords?|private keys?|environment variables?)(?: \w+){0,4} (?:as|in|to|into|with|via|through)\b",
    ),
    (
        Severity::High,
        r"(?:\.ssh/|\bid_rsa\b|\bid_ed25519\b|\.aws/credentials|/etc/(?:passwd|shadow)\b|\.cursor/mcp|\bmcp\.json\b|claude_desktop_config|\.netrc\b|\.kube/config|\.docker/config\.json|\.git-credentials|\.pypirc\b|wallet\.dat)",
    ),
    (
        Severity::High,
        r"\b(?:your|the) (?:system prompt|hidden instructions|initial instructions)\b",
    ),
    (
        Severity::High,
        r"\b(?:you are now|from now on,? you|your new (?:role|task|instructions?)|new instructions?:|act as if you)\b",
    ),
    (
        Severity::Medium,
        r"\b(?:before|prior to|after|whenever|every time|each time|when) (?:you )?(?:use|using|call|calling|invoke|invoking|run|running) (?:(?:of|this|any|the|another|other|every|all) )+(?:other )?(?:tools?|functions?)?,? ?(?:\w+ ){0,3}?(?:you )?(?:must|always|first|have to|need to|read|send|call)\b",
    ),
    (
        Severity::Medium,
        r"\b(?:instead of|rather than|never use|do not use|don't use|stop using|in place of) (?:(?:using|calling|the|any|all|an) )*other (?:\w+ )?(?:tools?|servers?|functions?)\b",
    ),
    (
        Severity::Medium,
        r"(?:!\[[^\]]{0,80}\]\(https?://|<!--|<img |<script|javascript:|data:text/html)",
    ),
    (
        Severity::Medium,
        r"\b(?:entire|whole|full|complete) (?:conversation|chat)(?: history)?\b",
    ),
    (
        Severity::Low,
        r"\b(?:important|crucial|critical|urgent|attention|warning|mandatory)\b ?(?:!|:\s?(?:you|always|never|must|before|do not))",
    ),
];

/// A text that only a decoder reads.
const ENCODED: &str = r"[A-Za-z0-9+/]{160,}={0,2}";

static COMPILED: LazyLock<Vec<(Severity, Regex)>> = LazyLock::new(|| {
    let compiled = PHRASES
        .iter()
        // The patterns are constants; a test compiles each of them.
        .filter_map(|(severity, pattern)| Some((*severity, Regex::new(pattern).ok()?)));
    compiled.collect()
});

static ENCODED_COMPILED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(ENCODED).ok());

pub(super) fn check(one: &Offered<'_>, texts: &Texts, findings: &mut Findings) {
    for text in &texts.0 {
        let start = start(&text.text, TEXT_BYTES_MAX);
        let plain = plain(start);
        for (severity, phrase) in COMPILED.iter() {
            if let Some(found) = phrase.find(&plain) {
                let evidence = around(&plain, found.start(), found.end());
                findings.add(one, &INSTRUCTION, *severity, &text.pointer, &evidence);
            }
        }
        let encoded = ENCODED_COMPILED.as_ref().and_then(|e| e.find(start));
        // Names and keys of this length are none.
        if let Some(found) = encoded.filter(|f| has_both_cases(f.as_str())) {
            let evidence = format!(
                "{} characters of encoded text: {}",
                found.len(),
                found.as_str()
            );
            findings.add(
                one,
                &INSTRUCTION,
                Severity::Medium,
                &text.pointer,
                &evidence,
            );
        }
    }
}

fn has_both_cases(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_uppercase())
        && text.contains(|c: char| c.is_ascii_lowercase())
        && text.contains(|c: char| c.is_ascii_digit())
}

/// The text as a model may read it: nothing hidden, one alphabet, lower case, single blanks.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| hidden(*c).is_none()) {
        let c = match c {
            '\u{2018}' | '\u{2019}' | '\u{02bc}' => '\'',
            c if c.is_whitespace() => ' ',
            c => plain_letter(c),
        };
        if c == ' ' && out.ends_with(' ') {
            continue;
        }
        out.extend(c.to_lowercase());
    }
    out
}

fn around(text: &str, start: usize, end: usize) -> String {
    let before = text[..start].char_indices().rev().nth(AROUND - 1);
    let from = before.map_or(0, |(at, _)| at);
    let after = text[end..].char_indices().nth(AROUND);
    let to = after.map_or(text.len(), |(at, _)| end + at);
    let open = if from > 0 { "…" } else { "" };
    let close = if to < text.len() { "…" } else { "" };
    format!("{open}{}{close}", &text[from..to])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(COMPILED.len(), PHRASES.len());
        assert!(ENCODED_COMPILED.is_some());
    }
}
