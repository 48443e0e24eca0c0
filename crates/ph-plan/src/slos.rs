//! Service level objectives: what is promised of a server, and how it is counted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ph_base::ServerName;
use ph_base::diagnostic::{Problem, nearest};
use serde_json::{Value as Json, json};

use crate::choices::choice;
use crate::mapping::{MapItem, key_as_value, name};
use crate::node::{Entry, Node};
use crate::plan::{Plan, hours, ms, secs};
use crate::reader::Reader;
use crate::section::section;
use crate::value::{REFERENCE, STRING, Value, anchored, not_as_expected};

section! {
    /// One service level objective: which share of which events has to be good.
    pub struct Slo {
        /// What is promised; needed. `availability`: health checks and calls are answered.
        /// `latency`: calls are answered within `threshold`. `error_rate`: calls end without a
        /// server error. `throughput`: whenever `rate` calls per second are asked for, as many are
        /// served.
        objective: Objective = Objective::Availability;
        /// The server that is meant; without it all servers together.
        server: Option<ServerName> = None;
        /// The tools that are meant, `*` standing for any text; without it all calls.
        tool: Option<Glob> = None;
        /// The clients that are meant, by the name that they give themselves, `*` standing for any
        /// text; without it all clients.
        client: Option<Glob> = None;
        /// Percent of the events that have to be good. Without it 99.5 for `availability`, 95 for
        /// `latency`, 99 for `error_rate` and `throughput`.
        target: Option<f64> = None, in 1.0..=99.999;
        /// Time within which a call has to be answered, for `latency`.
        threshold: Duration = secs(1), in ms(1)..=hours(1);
        /// Calls per second that have to be served, for `throughput`.
        rate: f64 = 100.0, in 0.1..=1_000_000.0;
        /// The time over which is counted: days up to now, as `30d`, or `month`, the calendar month in UTC.
        window: Window = Window::Days(30);
        /// Whether a result with `isError` is good or bad, for `error_rate`.
        tool_errors: ToolErrors = ToolErrors::Good;
        /// Least events within the longer window of an alert before the budget's burning is told:
        /// one failure of ten calls in a night is no fire.
        min_events: u32 = 50, in 0..=1_000_000_000;
    }
}

impl MapItem for Slo {}

choice! {
    /// What is promised.
    pub enum Objective {
        /// Health checks and calls are answered.
        Availability = "availability",
        /// Calls are answered in time.
        Latency = "latency",
        /// Calls end without a server error.
        ErrorRate = "error_rate",
        /// So many calls per second are served when they are asked for.
        Throughput = "throughput",
    }
}

choice! {
    /// Whether a result with `isError` is good or bad.
    pub enum ToolErrors {
        /// The server did its work: the tool has answered.
        Good = "good",
        /// A tool that fails is a failure.
        Bad = "bad",
    }
}

/// The time over which an objective is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// So many days up to now, 1 to 90.
    Days(u32),
    /// The calendar month in UTC, from its first day.
    Month,
}

impl Window {
    /// The longest window, in days.
    pub const DAYS_MAX: u32 = 90;

    /// Reads `30d` or `month`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "month" {
            return Some(Self::Month);
        }
        let days = text.strip_suffix('d')?;
        let is_number = !days.starts_with('0') && days.bytes().all(|b| b.is_ascii_digit());
        let days = days.parse().ok().filter(|_| is_number)?;
        (1..=Self::DAYS_MAX)
            .contains(&days)
            .then_some(Self::Days(days))
    }

    /// Days of the window; a month counts as 30 wherever one number has to do for all months.
    #[must_use]
    pub const fn days(self) -> u32 {
        match self {
            Self::Days(days) => days,
            Self::Month => 30,
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days(days) => write!(f, "{days}d"),
            Self::Month => f.write_str("month"),
        }
    }
}

impl Value for Window {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, WINDOW)?;
        Self::parse(resolved.text.as_str())
            .or_else(|| not_as_expected(node, &resolved, WINDOW, reader))
    }

    fn schema(_limits: &()) -> Json {
        let pattern = format!("month|[1-8][0-9]?d|9d|90d|{REFERENCE}");
        json!({"type": "string", "pattern": anchored(&pattern)})
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

const WINDOW: &str = "`1d` to `90d`, or `month`";

/// A text in which `*` stands for any text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob {
    value: String,
    /// As written, when there is a reference in it: what it resolves to is not shown.
    reference: Option<String>,
}

impl Glob {
    /// Reads a pattern: 1 to 128 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
        fits.then(|| Self {
            value: text.to_owned(),
            reference: None,
        })
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// The pattern as it may be shown.
    pub(crate) fn shown(&self) -> &str {
        self.reference.as_ref().unwrap_or(&self.value)
    }

    /// Whether the whole of `text` is as the pattern says. Linear in pattern and text together, and
    /// without memory of its own: of each part the first place that fits is as good as any.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, others)) = self.value.split_once('*') else {
            return self.value == text;
        };
        let (middle, last) = others.rsplit_once('*').unwrap_or(("", others));
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        for part in middle.split('*') {
            match rest.find(part) {
                None => return false,
                Some(at) => rest = &rest[at + part.len()..],
            }
        }
        rest.ends_with(last)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Glob").field(&self.shown()).finish()
    }
}

impl Value for Glob {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, STRING)?;
        let text = &resolved.text;
        let reference = text.is_reference().then(|| text.written().to_owned());
        Self::parse(text.as_str())
            .map(|glob| Self { reference, ..glob })
            .or_else(|| not_as_expected(node, &resolved, GLOB, reader))
    }

    fn schema(_limits: &()) -> Json {
        json!({"type": ["string", "number", "boolean"], "minLength": 1})
    }

    fn show(&self) -> Json {
        self.shown().into()
    }
}

const GLOB: &str = "a name, in which `*` stands for any text, of 1 to 128 bytes";

name!(
    /// The name of a service level objective; also a label of its metrics.
    SloName,
    "a mapping of service level objectives by name",
    "a name of an objective: 1 to 64 letters, digits, `.`, `_` or `-`",
    r"[A-Za-z0-9._-]{1,64}",
    '.' | '_' | '-'
);

impl fmt::Display for SloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

key_as_value!(ServerName);

impl Slo {
    /// Percent of the events that have to be good.
    #[must_use]
    pub fn target_percent(&self) -> f64 {
        self.target.unwrap_or(match self.objective {
            Objective::Availability => 99.5,
            Objective::Latency => 95.0,
            Objective::ErrorRate | Objective::Throughput => 99.0,
        })
    }
}

/// Objectives of one plan: what each call is counted for has a bound.
pub(crate) const SLOS_MAX: usize = 100;

impl Plan {
    /// The objectives that hold: those of the text, or the four that hold without a word.
    #[must_use]
    pub fn slos_in_force(&self) -> BTreeMap<SloName, Slo> {
        self.slos.clone().unwrap_or_else(standard)
    }
}

fn standard() -> BTreeMap<SloName, Slo> {
    let of = |name: &str, objective| {
        let slo = Slo {
            objective,
            ..Slo::default()
        };
        (SloName(name.to_owned()), slo)
    };
    BTreeMap::from([
        of("availability", Objective::Availability),
        of("latency", Objective::Latency),
        of("error-rate", Objective::ErrorRate),
        of("throughput", Objective::Throughput),
    ])
}

/// What no single field can judge.
pub(crate) fn check(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    let written = root.entry("slos").filter(|_| !reader.has_error());
    let (Some(block), Some(slos)) = (written, &plan.slos) else {
        return;
    };
    reader.within(block, |reader| {
        if slos.len() > SLOS_MAX {
            let (what, max) = ("service level objectives", SLOS_MAX);
            reader.report(&block.key_at, Problem::TooLarge { what, max });
        }
        for (name, slo) in slos {
            if let Some(entry) = block.value.entry(name.as_str()) {
                reader.within(entry, |reader| check_slo(plan, slo, entry, reader));
            }
        }
    });
}

fn check_slo(plan: &Plan, slo: &Slo, entry: &Entry, reader: &mut Reader<'_>) {
    if entry.value.entry("objective").is_none() {
        let fields = &["objective"];
        reader.report(&entry.key_at, Problem::MissingField { fields });
        return;
    }
    for (got, only) in [
        ("threshold", Objective::Latency),
        ("rate", Objective::Throughput),
        ("tool_errors", Objective::ErrorRate),
    ] {
        if let Some(written) = entry.value.entry(got).filter(|_| slo.objective != only) {
            let with = match slo.objective {
                Objective::Availability => "objective: availability",
                Objective::Latency => "objective: latency",
                Objective::ErrorRate => "objective: error_rate",
                Objective::Throughput => "objective: throughput",
            };
            let hint = format!("`{got}` is for `objective: {}`", only.as_str());
            reader.report_with(&written.key_at, Problem::Conflict { got, with }, Some(hint));
        }
    }
    check_server(plan, slo, entry, reader);
}

/// A server that is named has to be there.
fn check_server(plan: &Plan, slo: &Slo, entry: &Entry, reader: &mut Reader<'_>) {
    let (Some(written), Some(server)) = (entry.value.entry("server"), &slo.server) else {
        return;
    };
    if plan.servers.contains_key(server) {
        return;
    }
    let known: Vec<&str> = plan.servers.keys().map(ServerName::as_str).collect();
    let hint = nearest(server.as_str(), &known).map(|near| format!("did you mean `{near}`?"));
    let (got, expected) = (
        server.as_str().to_owned(),
        "the name of a server in `servers`".to_owned(),
    );
    reader.within(written, |reader| {
        reader.report_with(&written.value.at, Problem::BadValue { got, expected }, hint);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows() {
        for text in ["1d", "7d", "28d", "30d", "90d", "month"] {
            let window = Window::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(window.to_string(), text);
        }
        for bad in [
            "", "d", "0d", "007d", "91d", "30", "1h", "+1d", "Month", "1.5d",
        ] {
            assert_eq!(Window::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn without_a_word_four_hold() {
        let names = |slos: Option<BTreeMap<SloName, Slo>>| {
            let plan = Plan {
                slos,
                ..Plan::default()
            };
            let targets = plan.slos_in_force();
            let shown = targets
                .iter()
                .map(|(name, slo)| format!("{name} {}", slo.target_percent()));
            shown.collect::<Vec<_>>()
        };
        let four = [
            "availability 99.5",
            "error-rate 99",
            "latency 95",
            "throughput 99",
        ];
        assert_eq!(names(None), four);
        assert_eq!(names(Some(BTreeMap::new())), [""; 0]);
    }

    #[test]
    fn globs() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("a*a", "a", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "acb", false),
            ("**", "x", true),
            ("*b*", "abc", true),
        ] {
            let glob = Glob::parse(pattern).unwrap_or_else(|| panic!("{pattern}"));
            assert_eq!(glob.matches(text), fits, "{pattern} on {text}");
        }
    }
}
