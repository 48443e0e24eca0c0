//! A file of times, one call a line, or of times with numbers of calls.

use super::{Arrivals, time};
use std::collections::BTreeMap;

/// More steps are refused: 48 days of seconds, two years of 15 s.
pub const STEPS_MAX: usize = 1 << 22;
/// Longer steps say nothing of scaling.
const STEP_S_MAX: i64 = 86_400;
/// More calls in one line than this are a mistake.
const COUNT_MAX: f64 = 1e9;

const TIMES: &[&str] = &[
    "timestamp",
    "time",
    "ts",
    "at",
    "date",
    "datetime",
    "arrival",
    "arrived_at",
];
const COUNTS: &[&str] = &["count", "counts", "calls", "requests", "arrivals", "value"];

/// What cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {problem}")]
pub struct ReadError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The load.
    pub arrivals: Arrivals,
    /// What was taken for what, for people.
    pub evidence: Vec<String>,
}

/// Reads comma-separated values: a header (`timestamp`, `time`, … names the times, `count`, `calls`, `requests`, …
/// numbers of calls), or none, then the first column is the times. Lines need not be in order.
///
/// Without numbers every line is one call, and a step is a second. With them a step is the distance of the lines, which
/// must be equal; where lines are missing there were no calls.
///
/// # Errors
/// Not UTF-8, a line whose time or number cannot be read, no call at all, or too long.
pub fn read(bytes: &[u8]) -> Result<Read, ReadError> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_text(bytes, error.valid_up_to()))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut columns: Option<Columns> = None;
    let mut rows: Vec<(i64, f64)> = Vec::new();
    let mut lines = 0;
    for (nth, line) in text.lines().enumerate() {
        lines = nth + 1;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let columns = match &columns {
            Some(columns) => columns,
            None => {
                let found = Columns::of(line);
                let is_header = found.is_header;
                let found = columns.insert(found);
                if is_header {
                    continue;
                }
                found
            }
        };
        rows.push(columns.row(line, nth + 1)?);
    }
    let columns = columns.unwrap_or_else(|| Columns::of(""));
    let problem = |problem: String| ReadError {
        line: lines.max(1),
        column: 1,
        problem,
    };
    let first = rows.iter().map(|row| row.0).min();
    let last = rows.iter().map(|row| row.0).max();
    let (Some(first), Some(last)) = (first, last) else {
        return Err(problem("there is no line with a time".to_owned()));
    };
    let step_s = match columns.count {
        None => 1,
        Some(_) => step(&rows).ok_or_else(|| {
            problem("numbers of calls need lines at equal distances, and at least two".to_owned())
        })?,
    };
    if step_s > STEP_S_MAX {
        return Err(problem(format!(
            "the lines are {step_s} s apart; {STEP_S_MAX} s, a day, are the most"
        )));
    }
    let steps = usize::try_from((last - first) / step_s).unwrap_or(usize::MAX);
    if steps >= STEPS_MAX {
        return Err(problem(format!(
            "from the first time to the last are {steps} steps of {step_s} s; {STEPS_MAX} are the most"
        )));
    }
    let mut counts = vec![0.0; steps + 1];
    for (at, count) in &rows {
        let nth = usize::try_from((at - first) / step_s).unwrap_or(0);
        counts[nth] += count;
    }
    let arrivals = Arrivals {
        // Small numbers are seconds since some beginning.
        start_s: (first >= 100_000_000).then_some(first),
        step_s,
        counts,
    };
    if arrivals.calls() <= 0.0 {
        return Err(problem(
            "there is no call in it: zero traffic says nothing of scaling".to_owned(),
        ));
    }
    let evidence = vec![columns.evidence(rows.len(), &arrivals)];
    Ok(Read { arrivals, evidence })
}

struct Columns {
    is_header: bool,
    time: usize,
    count: Option<usize>,
    names: (String, Option<String>),
}

impl Columns {
    /// - `line`: the first one.
    fn of(line: &str) -> Self {
        let names: Vec<String> = fields(line)
            .map(|field| field.1.to_ascii_lowercase())
            .collect();
        let is_header = names.first().is_some_and(|name| time::read(name).is_none())
            && names
                .iter()
                .any(|name| name.chars().any(char::is_alphabetic));
        if !is_header {
            return Self {
                is_header,
                time: 0,
                count: None,
                names: ("the first column".to_owned(), None),
            };
        }
        let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let time = find(TIMES).unwrap_or(0);
        let count = find(COUNTS).filter(|count| *count != time);
        Self {
            is_header,
            time,
            count,
            names: (
                format!("`{}`", names[time].escape_debug()),
                count.map(|count| format!("`{}`", names[count].escape_debug())),
            ),
        }
    }

    fn row(&self, line: &str, number: usize) -> Result<(i64, f64), ReadError> {
        let at = |column: usize, problem: String| ReadError {
            line: number,
            column,
            problem,
        };
        let field = |wanted: usize| fields(line).nth(wanted);
        let end = line.chars().count() + 1;
        let (column, text) =
            field(self.time).ok_or_else(|| at(end, "the time is missing".to_owned()))?;
        let time = time::read(text).ok_or_else(|| {
            at(
                column,
                format!(
                    "`{}` is no time: expected seconds of Unix time or `2026-11-23 12:00:00`",
                    short(text)
                ),
            )
        })?;
        let Some(wanted) = self.count else {
            return Ok((time, 1.0));
        };
        let (column, text) =
            field(wanted).ok_or_else(|| at(end, "the number of calls is missing".to_owned()))?;
        let count = text.parse::<f64>().ok();
        let count = count.filter(|count| (0.0..=COUNT_MAX).contains(count));
        let count = count.ok_or_else(|| {
            at(
                column,
                format!(
                    "`{}` is no number of calls: expected 0 or more",
                    short(text)
                ),
            )
        })?;
        Ok((time, count))
    }

    fn evidence(&self, rows: usize, arrivals: &Arrivals) -> String {
        let what = match &self.names.1 {
            None => "one call a line".to_owned(),
            Some(name) => format!("calls from {name}"),
        };
        format!(
            "{rows} lines, times from {}, {what}: {:.0} calls in {} s, steps of {} s",
            self.names.0,
            arrivals.calls(),
            arrivals.seconds(),
            arrivals.step_s
        )
    }
}

/// Fields with their columns (characters, from 1), without quotes around them.
fn fields(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(line);
    let mut column = 1;
    std::iter::from_fn(move || {
        let line = rest?;
        let mut is_quoted = false;
        let end = line.find(|c: char| {
            is_quoted ^= c == '"';
            c == ',' && !is_quoted
        });
        let (field, after) = match end {
            Some(end) => (&line[..end], Some(&line[end + 1..])),
            None => (line, None),
        };
        let at = column;
        column += field.chars().count() + 1;
        rest = after;
        Some((at, field.trim().trim_matches('"').trim()))
    })
}

/// The distance of lines, if it is a whole part of every distance, and most lines have it.
fn step(rows: &[(i64, f64)]) -> Option<i64> {
    let times: BTreeMap<i64, ()> = rows.iter().map(|row| (row.0, ())).collect();
    let times: Vec<i64> = times.into_keys().collect();
    let gaps = || times.windows(2).map(|pair| pair[1] - pair[0]);
    let least = gaps().min()?;
    gaps().all(|gap| gap % least == 0).then_some(least)
}

/// What is shown of something that cannot be read.
fn short(text: &str) -> String {
    text.chars()
        .take(40)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

fn not_text(bytes: &[u8], valid: usize) -> ReadError {
    let before = &bytes[..valid];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let column = std::str::from_utf8(&before[start..]).map_or(0, |text| text.chars().count()) + 1;
    ReadError {
        line,
        column,
        problem: "not UTF-8".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_a_line() {
        let text = "TIMESTAMP,ContextTokens\n2023-11-16 18:17:03.97,4808\n2023-11-16 18:17:06.0,1\n2023-11-16 18:17:03.1,2";
        let read = read(text.as_bytes()).unwrap();
        assert_eq!(read.arrivals.counts, [2.0, 0.0, 0.0, 1.0]);
        assert_eq!(read.arrivals.start_s, Some(1_700_158_623));
        assert!(
            read.evidence[0].contains("`timestamp`"),
            "{:?}",
            read.evidence
        );
    }

    #[test]
    fn numbers_of_calls_at_equal_distances() {
        let read = read(b"calls,\"time\"\n3,0\n1.5,30\n2,15\n4,75\n").unwrap();
        assert_eq!(read.arrivals.counts, [3.0, 2.0, 1.5, 0.0, 0.0, 4.0]);
        assert_eq!((read.arrivals.step_s, read.arrivals.start_s), (15, None));
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_place() {
        #[track_caller]
        fn check(text: &[u8], want: &str) {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(want), "{error}");
        }
        check(b"", "1:1: there is no line with a time");
        check(b"time\n", "1:1: there is no line with a time");
        check(b"time\n5\nx\n", "3:1: `x` is no time");
        check(b"5\n-3\n", "2:1: `-3` is no time");
        check(
            "a,time,count\n\u{e9}\u{e9},5,NaN\n".as_bytes(),
            "2:6: `NaN` is no number of calls",
        );
        check(b"time,count\n5,-1\n", "2:3: `-1` is no number");
        check(b"time,count\n5\n", "2:2: the number of calls is missing");
        check(b"time,count\n5,0\n6,0\n", "3:1: there is no call in it");
        check(
            b"time,count\n5,1\n",
            "2:1: numbers of calls need lines at equal distances",
        );
        check(
            b"time,count\n0,1\n10,1\n13,1\n",
            "4:1: numbers of calls need",
        );
        check(
            b"0\n9000000\n",
            "2:1: from the first time to the last are 9000000 steps",
        );
        check(
            b"time,count\n0,1\n864000,1\n",
            "3:1: the lines are 864000 s apart",
        );
        check(
            b"time,count\n17000000000000000000000000001586620,3\n5,1\n",
            "2:1: `17000000000000000000000000001586620` is no time",
        );
        check(b"5\nab\xff\n", "2:3: not UTF-8");
    }
}
