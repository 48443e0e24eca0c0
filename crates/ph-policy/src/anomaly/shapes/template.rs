//! Expressions of template engines: not a placeholder, but something that is to be computed.

use super::after_word;

/// So long is an expression at most that is looked into.
const REACH: usize = 96;

/// What no placeholder names.
const TELLING: [&str; 19] = [
    "__class__",
    "__globals__",
    "__import__",
    "__builtins__",
    "__subclasses__",
    "__mro__",
    "__init__",
    "constructor.constructor",
    "child_process",
    "getruntime",
    "processbuilder",
    "java.lang",
    "freemarker.template",
    "popen(",
    "system(",
    "config.items",
    "request.application",
    "lipsum.",
    "cycler.",
];

/// Whether an expression begins at this brace, or at `<%=`.
pub(super) fn begins(text: &[u8], at: usize) -> bool {
    let rest = &text[at + 1..text.len().min(at + 1 + REACH)];
    let before = at.checked_sub(1).map(|at| text[at]);
    let inner = match (text[at], rest.first(), before) {
        (b'{', Some(b'{' | b'%'), _) => &rest[1..],
        (b'{', _, Some(b'$' | b'#' | b'*' | b'@')) => rest,
        (b'<', Some(b'%'), _) => &rest[1..],
        _ => return false,
    };
    // Lookups of Log4j.
    let names = ["jndi:", "lower:", "upper:", "env:", "sys:", "::-"].iter();
    if before == Some(b'$') && names.clone().any(|name| after_word(inner, name).is_some()) {
        return true;
    }
    let end = inner
        .windows(2)
        .position(|two| matches!(two, b"}}" | b"%}" | b"%>"));
    let end = end.or_else(|| inner.iter().position(|b| *b == b'}'));
    let inner = &inner[..end.unwrap_or(inner.len())];
    is_sum(inner) || TELLING.iter().any(|name| contains(inner, name))
}

/// `7*7`, `7*'7'`: what is computed to see whether it is.
fn is_sum(inner: &[u8]) -> bool {
    let inner = inner.trim_ascii();
    let inner = inner.strip_prefix(b"=").unwrap_or(inner).trim_ascii();
    let is_of_sum = |b: &u8| {
        b.is_ascii_digit() || matches!(b, b'*' | b'+' | b'-' | b' ' | b'\'' | b'"' | b'(' | b')')
    };
    let digits = |part: &[u8]| part.iter().any(u8::is_ascii_digit);
    let Some(times) = inner.iter().position(|b| *b == b'*') else {
        return false;
    };
    inner.iter().all(is_of_sum) && digits(&inner[..times]) && digits(&inner[times..])
}

fn contains(text: &[u8], wanted: &str) -> bool {
    text.windows(wanted.len())
        .any(|part| part.eq_ignore_ascii_case(wanted.as_bytes()))
}
