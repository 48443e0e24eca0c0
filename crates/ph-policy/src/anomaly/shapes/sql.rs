//! SQL that breaks out of a value.

use super::{after_whole_word, after_word, begins_word, is_of_word, skip_space};

/// So far behind a quote is looked for what it does.
const REACH: usize = 64;

fn near(text: &[u8], from: usize) -> &[u8] {
    &text[from.min(text.len())..text.len().min(from + REACH)]
}

/// Whether a quote ends a value, and something that is always true, or a comment, follows.
pub(super) fn breaks_out(text: &[u8], at: usize) -> bool {
    let rest = near(text, at + 1);
    let rest = skip_space(rest);
    if let Some(end) = rest.strip_prefix(b"--") {
        // A dash in prose has something on both of its sides.
        return text[at] == b'\'' && skip_space(end).is_empty();
    }
    let rest = rest.strip_prefix(b")").map_or(rest, skip_space);
    let operator = ["or", "and", "||", "&&"].iter();
    let Some(rest) = operator
        .filter_map(|word| after_whole_word(rest, word))
        .next()
    else {
        return false;
    };
    is_always_true(skip_space(rest))
}

/// `1=1`, `'a'='a'`, `"x" like "x"`, `true--`, `1--`, `sleep(5)`.
fn is_always_true(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"(").map_or(text, skip_space);
    let text = after_whole_word(text, "not").map_or(text, skip_space);
    let (left, rest) = value(text);
    let rest = skip_space(rest);
    if left.is_empty() {
        return false;
    }
    if rest.starts_with(b"--") || rest.starts_with(b"#") {
        return true;
    }
    let operator = ["=", "like", "<>", "!=", ">", "<"].iter();
    let Some(rest) = operator.filter_map(|word| after_word(rest, word)).next() else {
        return after_word(left, "sleep").is_some() && rest.starts_with(b"(");
    };
    let (right, _) = value(skip_space(rest));
    let is_number = |v: &[u8]| v.first().is_some_and(u8::is_ascii_digit);
    left.eq_ignore_ascii_case(right) || (is_number(left) && is_number(right))
}

/// A value without its quotes, the last of which may be the one that the text is put into; and what follows it.
fn value(text: &[u8]) -> (&[u8], &[u8]) {
    let text = match text {
        [b'\'' | b'"', rest @ ..] => rest,
        text => text,
    };
    let end = text
        .iter()
        .position(|b| !is_of_word(*b))
        .unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    match rest {
        [b'\'' | b'"', rest @ ..] => (value, rest),
        rest => (value, rest),
    }
}

/// `union select`, `union all select`, with comments for spaces.
pub(super) fn is_union(text: &[u8], at: usize) -> bool {
    let Some(rest) = after_whole_word(near(text, at), "union").filter(|_| begins_word(text, at))
    else {
        return false;
    };
    let rest = skip_space(rest);
    let rest = after_whole_word(rest, "all").map_or(rest, skip_space);
    let rest = rest.strip_prefix(b"(").map_or(rest, skip_space);
    after_whole_word(rest, "select").is_some()
}

/// A statement of its own behind a semicolon.
pub(super) fn is_second_statement(text: &[u8], at: usize) -> bool {
    let rest = skip_space(near(text, at + 1));
    let two = |first: &str, second: &[&str]| {
        let rest = after_whole_word(rest, first).map(skip_space);
        rest.is_some_and(|rest| {
            second
                .iter()
                .any(|word| after_whole_word(rest, word).is_some())
        })
    };
    two("drop", &["table", "database", "schema", "view", "user"])
        || two("truncate", &["table"])
        || two("delete", &["from"])
        || two("insert", &["into"])
        || two("alter", &["table", "user", "role"])
        || two("create", &["table", "user", "role", "function"])
        || two("grant", &["all", "select"])
        || two("waitfor", &["delay"])
        || (after_whole_word(rest, "update").is_some() && has_word(rest, "set"))
        || (["exec", "execute"].iter()).any(|word| {
            after_whole_word(rest, word).is_some_and(|rest| {
                let rest = skip_space(rest);
                after_word(rest, "xp_")
                    .or(after_word(rest, "sp_"))
                    .is_some()
            })
        })
}

fn has_word(text: &[u8], word: &str) -> bool {
    text.split(|b| b.is_ascii_whitespace())
        .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// Names that stand in nothing but attacks, by the byte at which they are seen.
const NAMES: [(&str, usize); 6] = [
    ("xp_cmdshell", 2),
    ("pg_sleep(", 2),
    ("load_file(", 4),
    ("pg_read_file(", 2),
    ("information_schema.", 11),
    ("utl_http.", 3),
];

pub(super) fn is_telling_name(text: &[u8], at: usize) -> bool {
    NAMES.iter().any(|(name, seen)| {
        let from = at.checked_sub(*seen);
        from.is_some_and(|from| {
            after_word(&text[from..], name).is_some() && begins_word(text, from)
        })
    })
}
