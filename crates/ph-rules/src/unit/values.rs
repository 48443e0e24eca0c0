//! `0+10x5 _ stale`, as samples are written.

use std::ops::Range;

use ph_promql::STALE_NAN_BITS;

use super::metric::Wrong;

/// Samples of one series. Six weeks, a sample every minute.
const VALUES_MAX: usize = 100_000;

/// Reads the values of a series; none where there is no sample.
pub(super) fn parse(text: &str) -> Result<Vec<Option<f64>>, Wrong> {
    let mut values = Vec::new();
    for (at, word) in words(text) {
        take(word, at.clone(), &mut values).map_err(|what| (at.clone(), what.to_owned()))?;
        if values.len() > VALUES_MAX {
            return Err((at, format!("more than {VALUES_MAX} values")));
        }
    }
    Ok(values)
}

fn words(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(|c: char| !c.is_whitespace())?;
        let word = &text[start..];
        let len = word.find(char::is_whitespace).unwrap_or(word.len());
        at = start + len;
        Some((start..at, &text[start..at]))
    })
}

fn take(word: &str, _at: Range<usize>, values: &mut Vec<Option<f64>>) -> Result<(), &'static str> {
    if word.starts_with("{{") {
        return Err("native histograms are not supported");
    }
    let (base, times) = match word.rsplit_once('x') {
        Some((base, times)) => (base, Some(times.parse::<usize>().map_err(|_| EXPECTED)?)),
        None => (word, None),
    };
    if times.is_some_and(|times| times > VALUES_MAX) {
        return Err("too many values");
    }
    match (base, times) {
        ("_", times) => values.extend(std::iter::repeat_n(None, times.unwrap_or(1))),
        ("stale", None) => values.push(Some(f64::from_bits(STALE_NAN_BITS))),
        (number, None) => values.push(Some(float(number).ok_or(EXPECTED)?)),
        (base, Some(times)) => {
            let (first, step) = first_and_step(base).ok_or(EXPECTED)?;
            let mut value = first;
            for _ in 0..=times {
                values.push(Some(value));
                // Added again and again, as Prometheus does it.
                value += step;
            }
        }
    }
    Ok(())
}

const EXPECTED: &str = "expected `1`, `_`, `stale`, `1x5`, `_x5` or `1+2x5`";

/// `a`, `a+b` or `a-b`. A sign after `e` belongs to a number.
fn first_and_step(base: &str) -> Option<(f64, f64)> {
    if let Some(number) = float(base) {
        return Some((number, 0.0));
    }
    let signs = base
        .char_indices()
        .skip(1)
        .filter(|(_, c)| matches!(c, '+' | '-'));
    for (at, sign) in signs {
        if let (Some(first), Some(step)) = (float(&base[..at]), float(&base[at + 1..])) {
            return Some((first, if sign == '-' { -step } else { step }));
        }
    }
    None
}

fn float(text: &str) -> Option<f64> {
    let is_number = text
        .trim_start_matches(['+', '-'])
        .starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let word = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let is_word = word == "inf" || word == "nan";
    (is_number || is_word).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(parse("1 2.5 -3e2"), Ok(some(&[1.0, 2.5, -300.0])));
        assert_eq!(parse("0+10x3"), Ok(some(&[0.0, 10.0, 20.0, 30.0])));
        assert_eq!(parse("5-1x2"), Ok(some(&[5.0, 4.0, 3.0])));
        assert_eq!(parse("-2-1x1 7x1"), Ok(some(&[-2.0, -3.0, 7.0, 7.0])));
        assert_eq!(parse("1e-3+1e+2x0"), Ok(some(&[0.001])));
        assert_eq!(parse("_ _x2 1"), Ok(vec![None, None, None, Some(1.0)]));
        assert_eq!(
            parse("stale").unwrap()[0].unwrap().to_bits(),
            STALE_NAN_BITS
        );
        assert_eq!(parse("Inf -Inf").unwrap()[1], Some(f64::NEG_INFINITY));
        for (text, at) in [
            ("1 x", 2),
            ("1 {{sum:1}}", 2),
            ("1x", 0),
            ("1+x3", 0),
            ("1x9999999", 0),
            ("a", 0),
        ] {
            assert_eq!(parse(text).unwrap_err().0.start, at, "{text}");
        }
    }
}
