//! Numbers and `printf` as Go writes them.

use std::fmt::Write as _;

use super::run::{RunError, Value};

/// A float as Go's `%e`, `%f` and `%g` write it; without a precision the shortest that reads back.
pub(super) fn float(v: f64, verb: char, precision: Option<usize>) -> String {
    if v.is_nan() {
        return "NaN".to_owned();
    }
    if v.is_infinite() {
        return if v > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    match verb.to_ascii_lowercase() {
        'f' => match precision {
            Some(digits) => format!("{v:.digits$}"),
            None => format!("{v}"),
        },
        'e' => exponential(v, precision, verb),
        _ => general(v, precision, verb),
    }
}

fn exponential(v: f64, precision: Option<usize>, verb: char) -> String {
    let written = match precision {
        Some(digits) => format!("{v:.digits$e}"),
        None => format!("{v:e}"),
    };
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let letter = if verb.is_ascii_uppercase() { 'E' } else { 'e' };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}{letter}{sign}{:02}", exponent.abs())
}

/// `%g`: as `%e` for small and large exponents, without zeros at the end.
fn general(v: f64, precision: Option<usize>, verb: char) -> String {
    let significant = precision.map(|digits| digits.max(1));
    let written = match significant {
        Some(digits) => format!("{v:.*e}", digits - 1),
        None => format!("{v:e}"),
    };
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let mantissa = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        mantissa
    };
    let digits = mantissa.chars().filter(char::is_ascii_digit).count();
    let digits = i32::try_from(digits).unwrap_or(i32::MAX);
    let threshold = match significant.and_then(|digits| i32::try_from(digits).ok()) {
        None => 6,
        Some(asked) if asked > digits && digits > exponent => digits,
        Some(asked) => asked,
    };
    if exponent < -4 || exponent >= threshold {
        let letter = if verb.is_ascii_uppercase() { 'E' } else { 'e' };
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}{letter}{sign}{:02}", exponent.abs());
    }
    let after = usize::try_from(digits - 1 - exponent).unwrap_or_default();
    format!("{v:.after$}")
}

/// One `%…` of a format.
struct Directive {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    verb: char,
}

/// Widths and precisions beyond are not taken.
const WIDTH_MAX: usize = 1_000;

/// `printf`.
pub(super) fn printf(format: &str, args: &[Value<'_>]) -> Result<String, RunError> {
    let mut out = String::new();
    let mut args = args.iter();
    let mut rest = format;
    let mut ran_out = false;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let (directive, len) = directive(&rest[at + 1..])?;
        rest = &rest[at + 1 + len..];
        match directive.verb {
            '%' => out.push('%'),
            '!' => out.push_str("%!(NOVERB)"),
            verb => match args.next() {
                Some(value) => padded(&mut out, &shown(&directive, value), &directive),
                None => {
                    ran_out = true;
                    let _ = write!(out, "%!{verb}(MISSING)");
                }
            },
        }
    }
    out.push_str(rest);
    let extra: Vec<String> = args
        .map(|value| format!("{}={}", value.go_type(), value.printed()))
        .collect();
    if !ran_out && !extra.is_empty() {
        let _ = write!(out, "%!(EXTRA {})", extra.join(", "));
    }
    Ok(out)
}

fn directive(rest: &str) -> Result<(Directive, usize), RunError> {
    let mut directive = Directive {
        plus: false,
        minus: false,
        sharp: false,
        space: false,
        zero: false,
        width: 0,
        precision: None,
        verb: '!',
    };
    let mut chars = rest.char_indices().peekable();
    while let Some((_, c)) = chars.peek() {
        match c {
            '+' => directive.plus = true,
            '-' => directive.minus = true,
            '#' => directive.sharp = true,
            ' ' => directive.space = true,
            '0' => directive.zero = true,
            _ => break,
        }
        chars.next();
    }
    let number = |chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>| {
        let mut number = 0_usize;
        while let Some(digit) = chars.peek().and_then(|(_, c)| c.to_digit(10)) {
            number = number * 10 + usize::try_from(digit).unwrap_or_default();
            if number > WIDTH_MAX {
                return Err(RunError::new(format!(
                    "error calling printf: a width of more than {WIDTH_MAX}"
                )));
            }
            chars.next();
        }
        Ok(number)
    };
    directive.width = number(&mut chars)?;
    if chars.next_if(|(_, c)| *c == '.').is_some() {
        directive.precision = Some(number(&mut chars)?);
    }
    match chars.next() {
        Some((_, '*' | '[')) => Err(RunError::new(
            "error calling printf: `*` and `[n]` are not supported".to_owned(),
        )),
        Some((at, verb)) => {
            directive.verb = verb;
            Ok((directive, at + verb.len_utf8()))
        }
        None => Ok((directive, rest.len())),
    }
}

fn shown(directive: &Directive, value: &Value<'_>) -> String {
    let verb = directive.verb;
    match (verb, value) {
        ('v', Value::Float(v)) => signed(directive, float(*v, 'g', directive.precision)),
        ('v', Value::Int(v)) => signed(directive, v.to_string()),
        ('v', value) => value.printed(),
        ('T', value) => value.go_type().to_owned(),
        ('s', Value::Text(text)) => cut(text, directive.precision),
        ('q', Value::Text(text)) => quoted(text),
        ('x', Value::Text(text)) => text.bytes().map(|b| format!("{b:02x}")).collect(),
        ('X', Value::Text(text)) => text.bytes().map(|b| format!("{b:02X}")).collect(),
        ('d', Value::Int(v)) => signed(directive, v.to_string()),
        ('b', Value::Int(v)) => radix(*v, |v| format!("{v:b}")),
        ('o', Value::Int(v)) => radix(*v, |v| format!("{v:o}")),
        ('x', Value::Int(v)) => radix(*v, |v| format!("{v:x}")),
        ('X', Value::Int(v)) => radix(*v, |v| format!("{v:X}")),
        ('e' | 'E' | 'f' | 'F', Value::Float(v)) => {
            let precision = Some(directive.precision.unwrap_or(6));
            signed(directive, float(*v, verb, precision))
        }
        ('g' | 'G', Value::Float(v)) => signed(directive, float(*v, verb, directive.precision)),
        ('t', Value::Bool(v)) => v.to_string(),
        (verb, value) => format!("%!{verb}({}={})", value.go_type(), value.printed()),
    }
}

fn radix(v: i64, write: impl Fn(u64) -> String) -> String {
    let sign = if v < 0 { "-" } else { "" };
    format!("{sign}{}", write(v.unsigned_abs()))
}

fn signed(directive: &Directive, number: String) -> String {
    let is_signed = number.starts_with(['-', '+']);
    match (is_signed, directive.plus, directive.space) {
        // Only infinity says plus by itself.
        (true, false, _) if number.starts_with('+') && !number.ends_with('f') => {
            number[1..].to_owned()
        }
        (false, true, _) => format!("+{number}"),
        (false, false, true) => format!(" {number}"),
        _ => number,
    }
}

fn cut(text: &str, precision: Option<usize>) -> String {
    match precision {
        Some(max) => text.chars().take(max).collect(),
        None => text.to_owned(),
    }
}

/// A text in double quotes as Go quotes it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_control() && u32::from(c) < 0x80 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn padded(out: &mut String, text: &str, directive: &Directive) {
    let missing = directive.width.saturating_sub(text.chars().count());
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
    let zero = directive.zero && !directive.minus && is_number && !text.ends_with(['f', 'N']);
    if directive.minus {
        out.push_str(text);
        out.extend(std::iter::repeat_n(' ', missing));
    } else if zero {
        let sign = usize::from(text.starts_with(['+', '-']));
        out.push_str(&text[..sign]);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(&text[sign..]);
    } else {
        out.extend(std::iter::repeat_n(' ', missing));
        out.push_str(text);
    }
    let _ = directive.sharp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        let cases: &[(f64, char, Option<usize>, &str)] = &[
            (0.0, 'g', None, "0"),
            (1.0, 'g', None, "1"),
            (0.5, 'g', None, "0.5"),
            (1_000_000.0, 'g', None, "1e+06"),
            (123_456_789.0, 'g', None, "1.23456789e+08"),
            (999_999.0, 'g', None, "999999"),
            (0.000_01, 'g', None, "1e-05"),
            (0.000_1, 'g', None, "0.0001"),
            (100.0, 'g', Some(4), "100"),
            (1_234_567.0, 'g', Some(4), "1.235e+06"),
            (0.123_45, 'g', Some(4), "0.1235"),
            (12.345_6, 'g', Some(4), "12.35"),
            (10_000.0, 'g', Some(4), "1e+04"),
            (2.0, 'f', Some(2), "2.00"),
            (1e21, 'f', None, "1000000000000000000000"),
            (1234.5, 'e', Some(3), "1.234e+03"),
            (f64::INFINITY, 'g', None, "+Inf"),
            (f64::NAN, 'f', Some(1), "NaN"),
            (-0.25, 'g', None, "-0.25"),
        ];
        for (v, verb, precision, want) in cases {
            assert_eq!(
                float(*v, *verb, *precision),
                *want,
                "{v} {verb} {precision:?}"
            );
        }
    }

    #[test]
    fn printf_as_go_does_it() {
        let text = |text: &str| Value::Text(text.to_owned().into());
        let check = |format: &str, args: &[Value<'_>], want: &str| {
            assert_eq!(printf(format, args).unwrap(), want, "{format}");
        };
        check("%.2f%%", &[Value::Float(5.678)], "5.68%");
        check("%q and %s", &[text("a\"b"), text("c")], "\"a\\\"b\" and c");
        check("%d", &[Value::Float(1.5)], "%!d(float64=1.5)");
        check("%d", &[], "%!d(MISSING)");
        check("x", &[Value::Int(3)], "x%!(EXTRA int=3)");
        check(
            "[%6.1f|%-6s|%06d]",
            &[Value::Float(2.0), text("ab"), Value::Int(-7)],
            "[   2.0|ab    |-00007]",
        );
        check(
            "%v %v",
            &[Value::Float(1e6), Value::Bool(true)],
            "1e+06 true",
        );
        check("%", &[], "%!(NOVERB)");
        assert!(printf("%5000d", &[Value::Int(1)]).is_err());
    }
}
