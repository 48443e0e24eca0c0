//! `--top`: how often each value of a field occurs among the records that match, and among the others.
//!
//! A value that is frequent among slow or failing calls says nothing yet: it may be frequent everywhere. So
//! the share among the other calls stands beside it.

use crate::ask::{Api, Params, Within};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::{Look, Paint, clean, cut, pad, pad_left};
use anyhow::{Result, anyhow};
use ph_store::query::Field;
use serde::Deserialize;
use std::collections::HashMap;

/// Values that are shown without `--limit`.
pub(super) const LIMIT: u32 = 20;
/// Values that the others are asked for: rarer ones show no share.
const OTHERS_MAX: u32 = 1_000;
/// What is compared with when nothing is asked: what went wrong.
const FAILED: &str = "kind=call level>=warn";

pub(super) struct Question<'a> {
    pub query: &'a str,
    pub field: &'a str,
    pub limit: u32,
    pub span: Within,
    pub json: bool,
}

#[derive(Deserialize)]
struct Counts {
    values: Vec<Value>,
    #[serde(default)]
    others: u64,
    #[serde(default)]
    without: u64,
    complete: bool,
}

#[derive(Deserialize)]
struct Value {
    value: String,
    count: u64,
}

impl Counts {
    /// Records that were counted.
    fn all(&self) -> u64 {
        self.values.iter().map(|v| v.count).sum::<u64>() + self.others + self.without
    }

    fn by_value(&self) -> HashMap<&str, u64> {
        self.values
            .iter()
            .map(|v| (v.value.as_str(), v.count))
            .collect()
    }
}

pub(super) fn top(api: &Api, question: &Question<'_>, printer: &Printer) -> Result<u8> {
    check_field(question.field)?;
    let is_everything = ph_store::query::parse(question.query).is_ok_and(|filter| filter.is_all());
    // Without a question: all calls, and which of them failed. With one: what it finds, and all other calls.
    let (shown, beside) = if is_everything {
        ("kind=call".to_owned(), FAILED.to_owned())
    } else {
        (
            question.query.to_owned(),
            format!("kind=call NOT ({})", question.query),
        )
    };
    let counts = count(api, question, &shown, question.limit)?;
    let other = count(api, question, &beside, OTHERS_MAX)?;
    let known: HashMap<&str, u64> = other.by_value();
    let comparison = Comparison {
        field: question.field,
        is_everything,
        counts: &counts,
        others: other.all(),
        known,
    };
    let text = if question.json {
        comparison.json()
    } else {
        comparison.table(Look::of_stdout())
    };
    printer.data(&text)?;
    if counts.complete && other.complete {
        return Ok(exit::DONE);
    }
    printer.say("warning: not every record was looked at, so the counts are too low\nhint: narrow it by `--since`");
    Ok(exit::COULD_NOT_CHECK)
}

fn check_field(name: &str) -> Result<()> {
    Field::parse(name).map(drop).map_err(|near| {
        let names: Vec<&str> = Field::names().collect();
        crate::ask::Refused {
            error: format!(
                "unknown field `{name}`: expected one of {}",
                names.join(", ")
            ),
            hint: near.map(|near| format!("did you mean `{near}`?")),
        }
        .into()
    })
}

fn count(api: &Api, question: &Question<'_>, query: &str, limit: u32) -> Result<Counts> {
    let params = Params::new()
        .with("field", question.field)
        .with("query", query)
        .with("limit", limit);
    let answer = api.json("/api/pilothouse/logs/top", &question.span.params(params))?;
    serde_json::from_value(answer).map_err(|e| anyhow!("the answer has an unknown form: {e}"))
}

struct Comparison<'a> {
    field: &'a str,
    is_everything: bool,
    counts: &'a Counts,
    /// Records on the other side.
    others: u64,
    known: HashMap<&'a str, u64>,
}

impl Comparison<'_> {
    /// How much more frequent a value is among what matches than among the others.
    fn lift(&self, count: u64, beside: u64) -> Option<f64> {
        let rate = |count: u64, all: u64| (all > 0).then(|| count as f64 / all as f64);
        let (here, there) = (rate(count, self.counts.all())?, rate(beside, self.others)?);
        (there > 0.0).then(|| here / there)
    }

    fn table(&self, look: Look) -> String {
        let all = self.counts.all();
        let last = if self.is_everything {
            "failed"
        } else {
            "of others"
        };
        let mut rows = vec![[
            self.field.to_owned(),
            if self.is_everything {
                "calls"
            } else {
                "records"
            }
            .to_owned(),
            "share".to_owned(),
            last.to_owned(),
            if self.is_everything { "" } else { "more often" }.to_owned(),
        ]];
        for value in &self.counts.values {
            let beside = self.known.get(value.value.as_str()).copied().unwrap_or(0);
            let (beside_text, lift) = if self.is_everything {
                (percent(beside, value.count), String::new())
            } else {
                let lift = match self.lift(value.count, beside) {
                    Some(lift) => format!(
                        "x{}",
                        if lift >= 9.95 {
                            format!("{lift:.0}")
                        } else {
                            format!("{lift:.1}")
                        }
                    ),
                    None => "only here".to_owned(),
                };
                (percent(beside, self.others), lift)
            };
            rows.push([
                clean(&value.value),
                value.count.to_string(),
                percent(value.count, all),
                beside_text,
                lift,
            ]);
        }
        for (text, count) in [
            ("(other values)", self.counts.others),
            ("(none)", self.counts.without),
        ] {
            if count > 0 {
                rows.push([
                    text.to_owned(),
                    count.to_string(),
                    percent(count, all),
                    String::new(),
                    String::new(),
                ]);
            }
        }
        let mut out = lay_out(&rows, look);
        out.push_str(&if self.is_everything {
            format!("{all} calls, {} of them failed\n", self.others)
        } else {
            format!("{all} records match, beside {} other calls\n", self.others)
        });
        out
    }

    fn json(&self) -> String {
        let mut out = String::new();
        for value in &self.counts.values {
            let beside = self.known.get(value.value.as_str()).copied().unwrap_or(0);
            let mut line = serde_json::json!({
                "version": 1,
                "field": self.field,
                "value": value.value,
                "count": value.count,
                "of": self.counts.all(),
            });
            let (key, of) = if self.is_everything {
                ("failed", None)
            } else {
                ("others", Some(self.others))
            };
            line[key] = beside.into();
            if let Some(of) = of {
                line["others_of"] = of.into();
                line["lift"] = self.lift(value.count, beside).into();
            }
            out.push_str(&format!("{line}\n"));
        }
        out
    }
}

fn percent(part: u64, of: u64) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    let percent = part as f64 * 100.0 / of as f64;
    if percent > 0.0 && percent < 0.95 {
        format!("{percent:.1}%")
    } else {
        format!("{percent:.0}%")
    }
}

/// The first column on the left, as wide as there is room; the others on the right of theirs.
fn lay_out(rows: &[[String; 5]], look: Look) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let numbers = widths[1..].iter().map(|width| width + 2).sum::<usize>();
    let room = widths[0].min(look.width.saturating_sub(numbers).max(10));
    let mut out = String::new();
    for (nth, row) in rows.iter().enumerate() {
        let mut line = pad(&cut(&row[0], room), room);
        for (text, width) in row[1..].iter().zip(&widths[1..]) {
            line.push_str("  ");
            line.push_str(&pad_left(text, *width));
        }
        let line = line.trim_end();
        out.push_str(&if nth == 0 {
            look.paint(Paint::Bold, line)
        } else {
            line.to_owned()
        });
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look {
        width: 80,
        color: false,
        cut: false,
    };

    fn counts(values: &[(&str, u64)], others: u64, without: u64) -> Counts {
        let values = values.iter().map(|(value, count)| Value {
            value: (*value).to_owned(),
            count: *count,
        });
        Counts {
            values: values.collect(),
            others,
            without,
            complete: true,
        }
    }

    #[test]
    fn what_slow_calls_have_in_common() {
        let slow = counts(&[("/etc/**", 90), ("*.rs", 20), ("new", 1)], 1, 8);
        let rest = counts(&[("*.rs", 6_000), ("/etc/**", 30)], 3_970, 0);
        let comparison = Comparison {
            field: "params.pattern",
            is_everything: false,
            counts: &slow,
            others: rest.all(),
            known: rest.by_value(),
        };
        let want = "\
params.pattern  records  share  of others  more often
/etc/**              90    75%       0.3%        x250
*.rs                 20    17%        60%        x0.3
new                   1   0.8%         0%   only here
(other values)        1   0.8%
(none)                8     7%
120 records match, beside 10000 other calls
";
        assert_eq!(comparison.table(LOOK), want);
        let first: serde_json::Value =
            serde_json::from_str(comparison.json().lines().next().unwrap_or_default())
                .expect("JSON");
        assert_eq!(first["value"], "/etc/**");
        assert_eq!(
            (&first["count"], &first["others"]),
            (&90.into(), &30.into())
        );
    }

    #[test]
    fn which_values_fail() {
        let calls = counts(&[("search", 100), ("read", 50)], 0, 0);
        let failed = counts(&[("search", 25)], 0, 0);
        let comparison = Comparison {
            field: "tool",
            is_everything: true,
            counts: &calls,
            others: failed.all(),
            known: failed.by_value(),
        };
        let want = "\
tool    calls  share  failed
search    100    67%     25%
read       50    33%      0%
150 calls, 25 of them failed
";
        assert_eq!(comparison.table(LOOK), want);
    }
}
