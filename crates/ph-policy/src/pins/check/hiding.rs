//! PT001: characters that nobody sees.
//!
//! False positives: joiners within words of languages that need them (they are not counted between letters of such
//! scripts), and soft hyphens of copied texts.

use super::super::printable::{Hidden, hidden};
use super::text::Texts;
use super::{Findings, HIDDEN, Offered, Severity};
use std::collections::BTreeSet;

/// Blanks in a row that push what follows out of sight.
const BLANKS_MAX: usize = 64;
/// Line breaks in a row that do.
const BREAKS_MAX: usize = 12;
/// Tag characters or variation selectors in a row that can be a message.
const MESSAGE_MIN: usize = 4;

pub(super) fn check(one: &Offered<'_>, texts: &Texts, findings: &mut Findings) {
    for text in &texts.0 {
        if let Some((severity, evidence)) = look(&text.text) {
            findings.add(one, &HIDDEN, severity, &text.pointer, &evidence);
        } else if let Some(evidence) = pushed_away(&text.text) {
            findings.add(one, &HIDDEN, Severity::Medium, &text.pointer, &evidence);
        }
    }
}

fn look(text: &str) -> Option<(Severity, String)> {
    let mut kinds = BTreeSet::new();
    let mut count = 0;
    let mut message = String::new();
    let mut first = None;
    let mut before = ' ';
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let joins = matches!(c, '\u{200c}' | '\u{200d}')
            && needs_joiners(before)
            && chars.peek().is_some_and(|(_, next)| needs_joiners(*next));
        before = c;
        let Some(kind) = hidden(c).filter(|_| !joins) else {
            continue;
        };
        kinds.insert(kind);
        count += 1;
        first.get_or_insert(at);
        message.extend(spelled(c));
    }
    let first = first?;
    let words: Vec<_> = kinds.iter().map(|k| k.words()).collect();
    let mut evidence = format!("{count} of {}", words.join(", "));
    let is_message = message.len() >= MESSAGE_MIN;
    if is_message {
        evidence.push_str(&format!(", which spell `{message}`"));
    } else {
        let start = text[..first]
            .char_indices()
            .rev()
            .nth(15)
            .map_or(0, |(at, _)| at);
        let around: String = text[start..].chars().take(60).collect();
        evidence.push_str(&format!(": {around}"));
    }
    let severity = if is_message {
        Severity::Critical
    } else if kinds.len() >= 3
        || kinds.contains(&Hidden::Tag)
        || kinds.contains(&Hidden::Direction)
        || kinds.contains(&Hidden::Control)
    {
        Severity::High
    } else {
        Severity::Medium
    };
    Some((severity, evidence))
}

/// What a tag character or a variation selector stands for.
fn spelled(c: char) -> Option<char> {
    let byte = match u32::from(c) {
        code @ 0xE_0020..=0xE_007E => code - 0xE_0000,
        code @ 0xE_0100..=0xE_01EF => code - 0xE_0100 + 16,
        _ => return None,
    };
    char::from_u32(byte).filter(|c| c.is_ascii_graphic() || *c == ' ')
}

/// Letters whose words are written with joiners, and pictures that are made of several.
fn needs_joiners(c: char) -> bool {
    matches!(u32::from(c),
        0x0600..=0x08FF | 0x0900..=0x0DFF | 0x1000..=0x109F | 0x1780..=0x17FF
        | 0x2600..=0x27BF | 0x1_F300..=0x1_FAFF | 0xFE0F)
}

fn pushed_away(text: &str) -> Option<String> {
    let (mut blanks, mut breaks) = (0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '\n' => breaks += 1,
            ' ' | '\t' | '\u{a0}' | '\r' => blanks += 1,
            _ => {
                if blanks > BLANKS_MAX || breaks > BREAKS_MAX {
                    let rest: String = text[at..].chars().take(80).collect();
                    return Some(format!("behind {} blanks: {rest}", blanks + breaks));
                }
                (blanks, breaks) = (0, 0);
            }
        }
    }
    None
}
