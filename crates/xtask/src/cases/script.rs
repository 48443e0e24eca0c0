//! The language of Prometheus's test scripts: what to load, what to ask, what to expect.
//! Times are Unix milliseconds, and a script begins at 0.

use anyhow::{Context as _, Result, bail};

use super::series::{Line, parse_line};

/// One command of a script.
#[derive(Debug)]
pub(super) enum Command {
    Clear,
    Load(Load),
    Eval(Box<Eval>),
}

#[derive(Debug)]
pub(super) struct Load {
    pub(super) step_ms: i64,
    /// Native histograms are made of the classic ones as well.
    pub(super) makes_native: bool,
    /// Lines of when each sample's counter began to count: a feature of Prometheus's that is experimental.
    pub(super) has_start_timestamps: bool,
    pub(super) lines: Vec<Result<Line>>,
}

/// A query, when to ask it, and what should come of it.
#[derive(Debug, Default)]
pub(super) struct Eval {
    /// From 1.
    pub(super) line: usize,
    pub(super) query: String,
    pub(super) start_ms: i64,
    /// The end and the step of a range query.
    pub(super) range: Option<(i64, i64)>,
    pub(super) expect: Expect,
    /// The series or the number expected, as they are written.
    pub(super) results: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Expect {
    pub(super) fail: Option<Text>,
    pub(super) ordered: bool,
    pub(super) string: Option<String>,
    /// Of an instant query that gives a matrix: when its samples begin, and their distance.
    pub(super) matrix: Option<(i64, i64)>,
    pub(super) remarks: Vec<Remark>,
}

/// An expectation on remarks.
#[derive(Debug)]
pub(super) struct Remark {
    pub(super) is_warning: bool,
    /// None: no remark of this severity may be there.
    pub(super) wanted: Option<Text>,
}

/// How a message should read.
#[derive(Debug, PartialEq)]
pub(super) enum Text {
    Any,
    Is(String),
    Matches(String),
}

pub(super) fn parse(script: &str) -> Result<Vec<Command>> {
    let lines: Vec<&str> = script
        .lines()
        .map(|line| {
            if line.trim_start().starts_with('#') {
                ""
            } else {
                line.trim()
            }
        })
        .collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        if line.is_empty() {
            continue;
        }
        let block: Vec<&str> = lines[at..]
            .iter()
            .copied()
            .take_while(|line| !line.is_empty())
            .collect();
        let word = line.split_whitespace().next().unwrap_or_default();
        match word {
            "clear" => commands.push(Command::Clear),
            "load" | "load_with_nhcb" => {
                at += block.len();
                let step = line[word.len()..].trim();
                commands.push(Command::Load(Load {
                    step_ms: duration_ms(step).with_context(|| format!("line {at}: {line}"))?,
                    makes_native: word != "load",
                    has_start_timestamps: block.iter().any(|line| is_start_timestamps(line)),
                    lines: block.iter().map(|line| parse_line(line)).collect(),
                }));
            }
            _ if word.starts_with("eval") => {
                let number = at;
                at += block.len();
                let eval = eval(line, &block).with_context(|| format!("line {number}: {line}"))?;
                let line = number;
                commands.push(Command::Eval(Box::new(Eval { line, ..eval })));
            }
            _ => bail!("line {at}: unknown command `{line}`"),
        }
    }
    Ok(commands)
}

/// `series{…}@st …`
fn is_start_timestamps(line: &str) -> bool {
    let labels_end = line.rfind('}').map_or(0, |at| at + 1);
    line[labels_end..]
        .split_whitespace()
        .next()
        .is_some_and(|word| word.ends_with("@st"))
}

fn eval(line: &str, block: &[&str]) -> Result<Eval> {
    let (command, rest) = line.split_once(char::is_whitespace).context("no query")?;
    let mut eval = Eval::default();
    match command.strip_prefix("eval").unwrap_or_default() {
        "" => {}
        "_fail" => eval.expect.fail = Some(Text::Any),
        "_ordered" => eval.expect.ordered = true,
        "_warn" => eval.expect.remarks.push(Remark {
            is_warning: true,
            wanted: Some(Text::Any),
        }),
        "_info" => eval.expect.remarks.push(Remark {
            is_warning: false,
            wanted: Some(Text::Any),
        }),
        _ => bail!("unknown command `{command}`"),
    }
    let (kind, rest) = word(rest);
    let rest = match kind {
        "instant" => {
            let rest = after(rest, "at")?;
            let (time, rest) = word(rest);
            eval.start_ms = duration_ms(time)?;
            rest
        }
        "range" => {
            let (start, rest) = word(after(rest, "from")?);
            let (end, rest) = word(after(rest, "to")?);
            let (step, rest) = word(after(rest, "step")?);
            eval.start_ms = duration_ms(start)?;
            eval.range = Some((duration_ms(end)?, duration_ms(step)?));
            rest
        }
        other => bail!("unknown kind of evaluation `{other}`"),
    };
    eval.query = rest.to_owned();
    for line in block {
        if !expectation(line, &mut eval.expect)? {
            eval.results.push((*line).to_owned());
        }
    }
    Ok(eval)
}

/// Reads a line that says what to expect; `false` when it is a result.
fn expectation(line: &str, expect: &mut Expect) -> Result<bool> {
    if let Some(message) = line.strip_prefix("expected_fail_message ") {
        expect.fail = Some(Text::Is(message.trim().to_owned()));
        return Ok(true);
    }
    if let Some(pattern) = line.strip_prefix("expected_fail_regexp ") {
        expect.fail = Some(Text::Matches(pattern.trim().to_owned()));
        return Ok(true);
    }
    let Some(rest) = line.strip_prefix("expect ") else {
        return Ok(false);
    };
    let (kind, rest) = word(rest);
    let remark = |is_warning, wanted| Remark { is_warning, wanted };
    match kind {
        "fail" => expect.fail = Some(text(rest)),
        "ordered" => expect.ordered = true,
        "warn" => expect.remarks.push(remark(true, Some(text(rest)))),
        "info" => expect.remarks.push(remark(false, Some(text(rest)))),
        "no_warn" => expect.remarks.push(remark(true, None)),
        "no_info" => expect.remarks.push(remark(false, None)),
        "string" => {
            let quoted = rest.trim();
            let inner = quoted.get(1..quoted.len().saturating_sub(1));
            expect.string = Some(inner.unwrap_or_default().to_owned());
        }
        "range" => {
            let (start, rest) = word(after(after(rest, "vector")?, "from")?);
            let (_, rest) = word(after(rest, "to")?);
            let (step, _) = word(after(rest, "step")?);
            expect.matrix = Some((duration_ms(start)?, duration_ms(step)?));
        }
        other => bail!("unknown expectation `{other}`"),
    }
    Ok(true)
}

fn text(rest: &str) -> Text {
    let rest = rest.trim();
    if let Some(message) = rest.strip_prefix("msg:") {
        Text::Is(message.trim().to_owned())
    } else if let Some(pattern) = rest.strip_prefix("regex:") {
        Text::Matches(pattern.trim().to_owned())
    } else {
        Text::Any
    }
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn after<'a>(text: &'a str, expected: &str) -> Result<&'a str> {
    match word(text) {
        (found, rest) if found == expected => Ok(rest),
        (found, _) => bail!("expected `{expected}`, found `{found}`"),
    }
}

/// `1h30m`, or a number of seconds; may be negative.
pub(super) fn duration_ms(text: &str) -> Result<i64> {
    const UNITS: [(&str, f64); 7] = [
        ("ms", 1.0),
        ("y", 31_536_000_000.0),
        ("w", 604_800_000.0),
        ("d", 86_400_000.0),
        ("h", 3_600_000.0),
        ("m", 60_000.0),
        ("s", 1_000.0),
    ];
    #[expect(
        clippy::cast_possible_truncation,
        reason = "times in scripts are small"
    )]
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok((seconds * 1000.0).round() as i64);
    }
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits]
            .parse()
            .with_context(|| format!("no duration: `{text}`"))?;
        let unit = UNITS
            .iter()
            .find(|(unit, _)| rest[digits..].starts_with(unit));
        let (unit, ms) = unit.with_context(|| format!("no duration: `{text}`"))?;
        total += number * ms;
        rest = &rest[digits + unit.len()..];
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "times in scripts are small"
    )]
    Ok((sign * total) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration_ms("1h30m").unwrap(), 5_400_000);
        assert_eq!(duration_ms("50").unwrap(), 50_000);
        assert_eq!(duration_ms("-1m").unwrap(), -60_000);
        assert_eq!(duration_ms("5ms").unwrap(), 5);
        assert!(duration_ms("5x").is_err());
    }

    #[test]
    fn a_script_is_commands() {
        let script = "\
# comment
load 5m
  a{x=\"1\"} 1+2x3

clear

eval range from 0 to 10m step 5m sum(a)
  expect no_warn
  expect fail msg: it is bad
  {} 1 2
";
        let commands = parse(script).unwrap();
        assert_eq!(commands.len(), 3);
        let Command::Eval(eval) = &commands[2] else {
            panic!("no evaluation");
        };
        assert_eq!(eval.query, "sum(a)");
        assert_eq!(eval.range, Some((600_000, 300_000)));
        assert_eq!(eval.expect.fail, Some(Text::Is("it is bad".to_owned())));
        assert_eq!(eval.results, ["{} 1 2"]);
        assert!(eval.expect.remarks[0].is_warning && eval.expect.remarks[0].wanted.is_none());
    }
}
