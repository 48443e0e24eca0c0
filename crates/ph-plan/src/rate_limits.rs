//! Limits on calls: how many, how fast, how many at once, and for whom they are counted apart.

use std::fmt;
use std::time::Duration;

use ph_base::diagnostic::Problem;
use serde_json::{Value as Json, json};

use crate::choices::{LimitKey, RefuseWith};
use crate::mapping::{MapItem, name};
use crate::node::Node;
use crate::plan::Plan;
use crate::reader::Reader;
use crate::section::section;
use crate::slos::Glob;
use crate::units::{parse_duration, show_duration};
use crate::value::{REFERENCE, Value, anchored, not_as_expected};

section! {
    /// A limit on calls. It needs at least one of `rate`, `concurrency` and `daily`. A call is one
    /// JSON-RPC request; a batch of several is several.
    pub struct RateLimit {
        /// What calls are counted apart by, in any combination; none: all calls together. One that
        /// names `tool` is for `tools/call` only.
        per: Vec<LimitKey> = vec![LimitKey::Client];
        /// Servers it is for, with `*`; none given: all.
        servers: Vec<Glob> = Vec::new();
        /// Methods it is for, with `*`; none given: all.
        methods: Vec<Glob> = Vec::new();
        /// Tools it is for, with `*`: then it is for `tools/call` only.
        tools: Vec<Glob> = Vec::new();
        /// Calls in a time: `10/min`, `5/s`, `1000/h`, `100/30s`.
        rate: Option<Rate> = None;
        /// Calls that may come at once before `rate` holds them back; the calls of `rate` if absent.
        burst: Option<u32> = None, in 1..=1_000_000;
        /// Calls at the same time. Streams that a client holds open to listen do not count.
        concurrency: Option<u32> = None, in 1..=1_000_000;
        /// Calls in a day, from midnight to midnight UTC.
        daily: Option<u32> = None, in 1..=4_000_000_000;
        /// Whether it refuses nothing, and only counts what it would have refused.
        dry_run: bool = false;
        /// HTTP status of a refusal. `200` is for clients that do not show their users the
        /// JSON-RPC error in an answer of another status.
        refuse_with: RefuseWith = RefuseWith::Status429;
    }
}

impl MapItem for RateLimit {}

/// Most limits of a plan: each call is measured by all of them.
const LIMITS_MAX: usize = 32;

/// Limits that limit nothing, and too many of them.
pub(crate) fn check_limits(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    let Some(block) = root.entry("limits").filter(|_| !reader.has_error()) else {
        return;
    };
    if plan.limits.len() > LIMITS_MAX {
        let (what, max) = ("limits", LIMITS_MAX);
        reader.within(block, |reader| {
            reader.report(&block.key_at, Problem::TooLarge { what, max });
        });
    }
    for (name, limit) in &plan.limits {
        let Some(entry) = block.value.entry(name.as_str()) else {
            continue;
        };
        let limits_nothing =
            limit.rate.is_none() && limit.concurrency.is_none() && limit.daily.is_none();
        let (at, fields): (_, &'static [&'static str]) = match entry.value.entry("burst") {
            Some(burst) if limit.burst.is_some() && limit.rate.is_none() => {
                (&burst.key_at, &["rate"])
            }
            _ if limits_nothing => (&entry.key_at, &["rate", "concurrency", "daily"]),
            _ => continue,
        };
        reader.within(block, |reader| {
            reader.within(entry, |reader| {
                reader.report(at, Problem::MissingField { fields });
            });
        });
    }
}

impl RateLimit {
    /// Calls that may come at once; 0 without a rate.
    #[must_use]
    pub fn burst_or_rate(&self) -> u32 {
        let calls = self.rate.map_or(0, |rate| rate.calls);
        self.burst.unwrap_or(calls)
    }
}

name!(
    /// The name of a limit: a metric label, and what a refused client is told.
    LimitName,
    "a mapping of limits by name",
    "a limit's name: 1 to 64 letters, digits, `_` or `-`",
    r"[A-Za-z0-9_-]{1,64}",
    '_' | '-'
);

/// Calls in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub calls: u32,
    /// In what time: 1 ms to a day.
    pub every: Duration,
}

/// Most calls of a rate.
const CALLS_MAX: u32 = 1_000_000;

const RATE: &str = "calls in a time, such as `10/min`, `5/s`, `1000/h` or `100/30s`";

const RATE_UNITS: [(&str, u64); 12] = [
    ("s", 1),
    ("sec", 1),
    ("second", 1),
    ("m", 60),
    ("min", 60),
    ("minute", 60),
    ("h", 3600),
    ("hr", 3600),
    ("hour", 3600),
    ("d", 86_400),
    ("day", 86_400),
    ("1d", 86_400),
];

impl Rate {
    /// Reads `10/min`, `100/30s`; `None` for anything else, for no calls and for a time beyond a day.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (calls, every) = text.split_once('/')?;
        let (calls, every) = (calls.trim(), every.trim());
        let digits = calls.chars().all(|c| c.is_ascii_digit());
        let calls: u32 = calls.parse().ok().filter(|_| digits)?;
        let unit = RATE_UNITS.iter().find(|(name, _)| *name == every);
        let every = match unit {
            Some((_, seconds)) => Duration::from_secs(*seconds),
            None => parse_duration(every).ok()?,
        };
        let is_bounded = (1..=CALLS_MAX).contains(&calls)
            && (Duration::from_millis(1)..=Duration::from_secs(86_400)).contains(&every);
        is_bounded.then_some(Self { calls, every })
    }
}

/// As it is best read: `10/min`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let every = match self.every.as_millis() {
            1_000 => "s".to_owned(),
            60_000 => "min".to_owned(),
            3_600_000 => "h".to_owned(),
            86_400_000 => "day".to_owned(),
            _ => show_duration(self.every),
        };
        write!(f, "{}/{every}", self.calls)
    }
}

impl Value for Rate {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, RATE)?;
        Self::parse(resolved.text.as_str())
            .or_else(|| not_as_expected(node, &resolved, RATE, reader))
    }

    fn schema(_limits: &()) -> Json {
        json!({"type": "string", "pattern": anchored(&format!(r" *[0-9]{{1,7}} */.+|{REFERENCE}"))})
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn rate(text: &str, want: Option<(u32, u64)>) {
        let got = Rate::parse(text).map(|r| (r.calls, r.every.as_secs()));
        assert_eq!(got, want, "{text:?}");
    }

    #[test]
    fn rates() {
        rate("10/min", Some((10, 60)));
        rate("100/m", Some((100, 60)));
        rate("5/s", Some((5, 1)));
        rate("1000/hour", Some((1000, 3600)));
        rate("7/day", Some((7, 86_400)));
        rate("100 / 30s", Some((100, 30)));
        rate("100/5m", Some((100, 300)));
        for bad in [
            "",
            "10",
            "/min",
            "10/",
            "0/s",
            "-1/s",
            "1.5/s",
            "10/week",
            "10/0s",
            "10/2d",
            "2000000/s",
            "+1/s",
            "10/min/min",
        ] {
            rate(bad, None);
        }
        for text in ["10/min", "5/s", "1000/h", "7/day", "100/30s", "3/90s"] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), text);
        }
    }
}
