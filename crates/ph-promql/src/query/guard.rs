//! What the parser takes and Prometheus does not, and what would make the parser panic.

use super::cursor::unquote;
use super::func::{self, Found};
use super::token::{Kind, Token};
use crate::error::ParseError;
use crate::matcher::{MatchOp, Matcher};

/// No duration is longer, seconds: that of 64 bit nanoseconds.
const DURATION_SECONDS_MAX: f64 = 9_223_372_036.0;
/// A query has not more regular expressions: each takes some milliseconds to compile.
const PATTERNS_MAX: usize = 100;

/// Looks at the words alone.
pub(super) fn check(query: &str, tokens: &[Token<'_>]) -> Result<(), ParseError> {
    if tokens.is_empty() {
        return Err(ParseError::at(query, 0, "no expression found in input"));
    }
    let mut in_brackets = false;
    let mut patterns = 0;
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| &tokens[i]);
        let after = tokens.get(i + 1);
        match token.kind {
            Kind::Sign if token.is("[") => in_brackets = true,
            Kind::Sign if token.is("]") => in_brackets = false,
            _ => {}
        }
        pattern(query, tokens, i, &mut patterns)?;
        offset(query, tokens, i)?;
        experimental(query, token, before, after, in_brackets)?;
        if is_duration(tokens, i, in_brackets) {
            duration(query, token, in_brackets)?;
        }
    }
    Ok(())
}

/// A pattern must compile, and to small code: the parser would take far larger ones, and all of them.
fn pattern(
    query: &str,
    tokens: &[Token<'_>],
    i: usize,
    patterns: &mut usize,
) -> Result<(), ParseError> {
    let token = &tokens[i];
    let after_operator = i > 0 && (tokens[i - 1].is("=~") || tokens[i - 1].is("!~"));
    if token.kind != Kind::String || !after_operator {
        return Ok(());
    }
    *patterns += 1;
    if *patterns > PATTERNS_MAX {
        let text = format!("the query has more than {PATTERNS_MAX} regular expressions");
        return Err(ParseError::at(query, token.at, text));
    }
    let bytes = unquote(token.text);
    let Ok(pattern) = std::str::from_utf8(&bytes) else {
        return Err(ParseError::at(
            query,
            token.at,
            "the regular expression is not UTF-8",
        ));
    };
    match Matcher::new("", MatchOp::Re, pattern) {
        Ok(_) => Ok(()),
        Err(error) => Err(ParseError::at(query, token.at, error.to_string())),
    }
}

/// Makes the parser's complaint one with a place, as good as can be.
pub(super) fn explain(query: &str, tokens: &[Token<'_>], said: &str) -> ParseError {
    let named = tokens.iter().find(|token| {
        token.kind == Kind::Word && !token.in_braces && said.contains(&format!("'{}'", token.text))
    });
    ParseError::at(query, named.map_or(0, |token| token.at), said)
}

/// Syntax behind Prometheus's feature flags, of which the parser knows nothing or half.
fn experimental(
    query: &str,
    token: &Token<'_>,
    before: Option<&Token<'_>>,
    after: Option<&Token<'_>>,
    in_brackets: bool,
) -> Result<(), ParseError> {
    let unsupported = |what: String| Err(ParseError::unsupported_at(query, token.at, what));
    let ends_operand = |token: &Token<'_>| match token.kind {
        Kind::Sign => [")", "]", "}"].contains(&token.text),
        Kind::Word => !["by", "and", "or", "unless", "on"]
            .iter()
            .any(|word| token.is_word(word)),
        _ => true,
    };
    let is_called = after.is_some_and(|after| after.is("("));
    let is_modifier = token.is_word("anchored") || token.is_word("smoothed");
    match token.kind {
        Kind::Sign if token.is("</") || token.is(">/") => {
            unsupported(format!("the histogram operator `{}`", token.text))
        }
        Kind::Word if is_modifier && !token.in_braces && before.is_some_and(ends_operand) => {
            unsupported(format!("the extended range modifier `{}`", token.text))
        }
        Kind::Word | Kind::Sign if in_brackets && !"[]:".contains(token.text) => {
            unsupported(format!("`{}` in a duration expression", token.text))
        }
        Kind::Word if is_called && !before.is_some_and(|before| before.is("@")) => {
            match func::find(&token.text.to_ascii_lowercase()) {
                Found::Experimental => {
                    unsupported(format!("the experimental function `{}`", token.text))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// What stands after `offset` is a duration, with a sign or without, and nothing that is to be computed.
fn offset(query: &str, tokens: &[Token<'_>], i: usize) -> Result<(), ParseError> {
    if !tokens[i].is_word("offset") || tokens[i].in_braces {
        return Ok(());
    }
    let signs = |token: &&Token<'_>| token.is("+") || token.is("-");
    let rest = &tokens[i + 1..];
    let first = rest.iter().skip_while(signs).take(2).collect::<Vec<_>>();
    match first[..] {
        [open, _] if open.is("(") => {}
        [word, open] if word.kind == Kind::Word && open.is("(") => {}
        _ => return Ok(()),
    }
    // `sum(offset(…))` asks for a function of that name, and there is none.
    let what = "a duration expression after `offset`";
    Err(ParseError::unsupported_at(query, tokens[i].at, what))
}

/// Whether the word stands where the parser makes a duration of it.
fn is_duration(tokens: &[Token<'_>], i: usize, in_brackets: bool) -> bool {
    let token = &tokens[i];
    let is_number = token.kind == Kind::Number || token.is_word("inf") || token.is_word("nan");
    if token.kind == Kind::Duration {
        return true;
    }
    let signed = i >= 2 && (tokens[i - 1].is("+") || tokens[i - 1].is("-"));
    let before = if signed {
        i.checked_sub(2)
    } else {
        i.checked_sub(1)
    };
    is_number && (in_brackets || before.is_some_and(|i| tokens[i].is_word("offset")))
}

/// A duration must be one, and fit.
fn duration(query: &str, token: &Token<'_>, in_brackets: bool) -> Result<(), ParseError> {
    let bad = |text: &str| {
        Err(ParseError::at(
            query,
            token.at,
            format!("{text}: `{}`", token.text),
        ))
    };
    let seconds = match token.kind {
        Kind::Duration => match duration_seconds(token.text) {
            Some(seconds) => seconds,
            None => return bad("not a valid duration string"),
        },
        Kind::Number if token.text.starts_with("0x") || token.text.starts_with("0X") => {
            match i64::from_str_radix(&token.text[2..], 16) {
                #[expect(clippy::cast_precision_loss, reason = "only compared to a bound")]
                Ok(seconds) => seconds as f64,
                Err(_) => return bad("bad number or duration syntax"),
            }
        }
        _ => match token.text.parse::<f64>() {
            Ok(seconds) => seconds,
            Err(_) => return bad("bad number or duration syntax"),
        },
    };
    if !(seconds.is_finite() && seconds < DURATION_SECONDS_MAX) {
        return bad("duration out of range");
    }
    if in_brackets && seconds < 0.001 {
        return bad("duration must be greater than 0");
    }
    Ok(())
}

/// `1h30m`: each unit once, from large to small.
fn duration_seconds(text: &str) -> Option<f64> {
    const UNITS: &[(&str, f64)] = &[
        ("y", 31_536_000.0),
        ("w", 604_800.0),
        ("d", 86_400.0),
        ("h", 3_600.0),
        ("ms", 0.001),
        ("m", 60.0),
        ("s", 1.0),
    ];
    let (mut rest, mut total, mut last) = (text, 0.0, f64::INFINITY);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u32 = rest[..digits].parse().ok()?;
        let (unit, seconds) = UNITS
            .iter()
            .find(|(unit, _)| rest[digits..].starts_with(unit))?;
        if *seconds >= last {
            return None;
        }
        last = *seconds;
        total += f64::from(number) * seconds;
        rest = &rest[digits + unit.len()..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use crate::query::parse;

    #[test]
    fn durations_that_make_the_parser_panic_are_refused() {
        for text in [
            "a[1e30]",
            "a offset inf",
            "a offset nan",
            "a offset -inf",
            "a[99999999999y]",
            "a[1h99999999999s]",
            "a[1m1h]",
            "a[0s]",
            "a[0]",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.unsupported, "{text}: {error}");
        }
    }

    #[test]
    fn experimental_syntax_is_named() {
        for (text, named) in [
            ("rate(a[5m] anchored)", "anchored"),
            ("a smoothed", "smoothed"),
            ("a{b='c'} smoothed", "smoothed"),
            ("a[5m*2]", "*"),
            ("a[step()]", "step"),
            ("a offset (1m+1m)", "duration expression"),
            ("a >/ 5", ">/"),
            ("a offset -step()", "duration expression"),
            ("a @ 100 smoothed", "smoothed"),
            ("info(a, {b=~'.*'})", "info"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.unsupported, "{text}: {error}");
            assert!(error.to_string().contains(named), "{text}: {error}");
        }
        assert!(parse("sum({anchored=\"smoothed\"})").is_ok());
    }
}
