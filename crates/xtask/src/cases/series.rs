//! Series in test scripts: labels, and values in the expanding notation (`1+2x3` is 1 3 5 7).

use anyhow::{Context as _, Result, bail};
use ph_promql::{Labels, METRIC_NAME, STALE_NAN_BITS};

/// A line of values may not expand to more.
const VALUES_MAX: usize = 1_000_000;

/// Labels and the values at each step.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) labels: Labels,
    pub(super) values: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Float(f64),
    /// A native histogram. The engine has none, so what it holds does not matter.
    Native,
}

/// `name{label="value"} values…`
pub(super) fn parse_line(line: &str) -> Result<Line> {
    let (labels, rest) = parse_labels(line).with_context(|| format!("series `{line}`"))?;
    let values = parse_values(rest).with_context(|| format!("series `{line}`"))?;
    Ok(Line { labels, values })
}

fn parse_labels(line: &str) -> Result<(Labels, &str)> {
    let end = line
        .find(|c: char| c == '{' || c.is_whitespace())
        .unwrap_or(line.len());
    let mut pairs: Vec<(String, String)> = Vec::new();
    if end > 0 {
        pairs.push((METRIC_NAME.to_owned(), line[..end].to_owned()));
    }
    let mut rest = &line[end..];
    if let Some(inside) = rest
        .strip_prefix('{')
        .filter(|inside| !inside.starts_with('{'))
    {
        rest = inside.trim_start();
        loop {
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (name, after) = name(rest)?;
            match after.trim_start().strip_prefix('=') {
                Some(after) => {
                    let (value, after) = quoted(after.trim_start())?;
                    pairs.push((name, value));
                    rest = after;
                }
                // A quoted word alone is the metric's name.
                None => {
                    pairs.push((METRIC_NAME.to_owned(), name));
                    rest = after;
                }
            }
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
    }
    Ok((Labels::from_pairs(pairs), rest.trim()))
}

fn name(text: &str) -> Result<(String, &str)> {
    if text.starts_with(['"', '\'']) {
        return quoted(text);
    }
    let end = text
        .find(|c: char| !(c == '_' || c == ':' || c.is_ascii_alphanumeric()))
        .unwrap_or(text.len());
    if end == 0 {
        bail!("no label name at `{text}`");
    }
    Ok((text[..end].to_owned(), &text[end..]))
}

fn quoted(text: &str) -> Result<(String, &str)> {
    let quote = text
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\'' | '`'));
    let quote = quote.with_context(|| format!("no string at `{text}`"))?;
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote != '`' => match chars.next().map(|(_, c)| c) {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some(c) => value.push(c),
                None => bail!("no end of the string `{text}`"),
            },
            c if c == quote => return Ok((value, &text[at + 1..])),
            c => value.push(c),
        }
    }
    bail!("no end of the string `{text}`")
}

pub(super) fn parse_values(text: &str) -> Result<Vec<Value>> {
    let mut values = Vec::new();
    for word in words(text)? {
        let (pattern, times) = match word.rsplit_once('x') {
            Some((pattern, times)) if times.bytes().all(|b| b.is_ascii_digit()) => {
                (pattern, Some(times.parse::<usize>()?))
            }
            _ => (word.as_str(), None),
        };
        if values.len() + times.unwrap_or(0) > VALUES_MAX {
            bail!("more than {VALUES_MAX} values");
        }
        if pattern.starts_with("{{") {
            values.extend(std::iter::repeat_n(Value::Native, times.unwrap_or(0) + 1));
        } else if pattern == "_" {
            values.extend(std::iter::repeat_n(Value::None, times.unwrap_or(1)));
        } else if pattern == "stale" {
            let stale = Value::Float(f64::from_bits(STALE_NAN_BITS));
            values.extend(std::iter::repeat_n(stale, times.unwrap_or(0) + 1));
        } else {
            // `1x4` is one value and the same four times more.
            let (first, step) = split_step(pattern)?;
            let mut value = first;
            values.push(Value::Float(value));
            for _ in 0..times.unwrap_or(0) {
                value += step;
                values.push(Value::Float(value));
            }
        }
    }
    Ok(values)
}

/// Words by white space, native histograms as one word.
fn words(text: &str) -> Result<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for word in text.split_whitespace() {
        match words.last_mut().filter(|_| open) {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => words.push(word.to_owned()),
        }
        let last = words.last().map_or("", String::as_str);
        open = last.matches("{{").count() > last.matches("}}").count();
    }
    if open {
        bail!("a native histogram has no end");
    }
    Ok(words)
}

/// `1+2` or `1-2`, or only `1`.
fn split_step(pattern: &str) -> Result<(f64, f64)> {
    let is_sign = |at: usize, c: char| {
        let before = pattern[..at].chars().next_back();
        (c == '+' || c == '-') && at > 0 && !matches!(before, Some('e' | 'E' | '+' | '-'))
    };
    let sign = pattern.char_indices().find(|(at, c)| is_sign(*at, *c));
    let number = |text: &str| {
        text.parse::<f64>()
            .with_context(|| format!("no value: `{pattern}`"))
    };
    match sign {
        Some((at, _)) => Ok((number(&pattern[..at])?, number(&pattern[at..])?)),
        None => Ok((number(pattern)?, 0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(text: &str) -> Vec<String> {
        let values = parse_values(text).unwrap();
        let shown = |value: &Value| match value {
            Value::None => "_".to_owned(),
            Value::Float(value) => value.to_string(),
            Value::Native => "native".to_owned(),
        };
        values.iter().map(shown).collect()
    }

    #[test]
    fn values_expand() {
        assert_eq!(floats("1+2x3"), ["1", "3", "5", "7"]);
        assert_eq!(floats("1-2x2 5"), ["1", "-1", "-3", "5"]);
        assert_eq!(
            floats("-1e-3 1x2 _x2 _"),
            ["-0.001", "1", "1", "1", "_", "_", "_"]
        );
        assert_eq!(
            floats("{{schema:0 sum:1}}x1 NaN"),
            ["native", "native", "NaN"]
        );
    }

    #[test]
    fn labels_are_read() {
        let line = parse_line(r#"up{job="a b", x="\"}"} 1 2"#).unwrap();
        assert_eq!(line.labels.to_string(), r#"up{job="a b", x="\"}"}"#);
        assert_eq!(line.values.len(), 2);
        assert_eq!(parse_line("{} 1").unwrap().labels.len(), 0);
        let quoted = parse_line(r#"{"a.b", c="d"} 1"#).unwrap();
        assert_eq!(quoted.labels.metric_name(), Some("a.b"));
    }
}
