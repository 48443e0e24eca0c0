//! What alerts would have done with what was recorded.

use crate::alerts::lasting;
use crate::ask::{duration_text, read_duration, state_dir, time_of_day};
use crate::cli::CheckArgs;
use crate::printer::Printer;
use crate::terminal::clean;
use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use ph_plan::Plan;
use ph_promql::{Interrupt, Labels, Limits, MatchOp, Matcher, Select, SeriesSource};
use ph_rules::backtest::{Episode, Span, episodes};
use ph_rules::{Rule, RuleKind};
use ph_server::RuleSet;
use ph_store::RealDisk;
use ph_store::series::SeriesReader;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// All alerts together may take so long; what is left then is not tried, and that is said.
const TIME_MAX: Duration = Duration::from_secs(30);
/// Samples that one expression may hold at once.
const SAMPLES_MAX: usize = 20_000_000;
/// Episodes that are told one by one.
const TOLD_MAX: usize = 5;

/// What came of it.
pub(super) enum Recorded {
    /// Nothing was tried; why, where that is worth a word.
    Nothing(Option<String>),
    /// Every alert of the configuration.
    Tried {
        /// How far back.
        span_text: String,
        /// In the order of the files.
        alerts: Vec<Tried>,
    },
}

/// One alert.
pub(super) struct Tried {
    file: String,
    group: String,
    name: String,
    /// When it would have fired, or why that is not known.
    found: Result<Vec<Episode>, String>,
    /// Selectors of a rule of the operator's own that no recorded series matches.
    unmatched: Vec<String>,
}

/// Tries the alerts of `rules`.
pub(super) fn try_out(args: &CheckArgs, plan: &Plan, rules: &RuleSet) -> Result<Recorded> {
    let since = read_duration(&args.since)
        .ok_or_else(|| anyhow!("`--since {}` is no duration such as `7d`", args.since))?;
    if since.is_zero() {
        return Ok(Recorded::Nothing(None));
    }
    let Some(dir) = directory(args, plan) else {
        let why = "nothing was recorded yet, so no alert was tried";
        return Ok(Recorded::Nothing(Some(why.to_owned())));
    };
    let opened = SeriesReader::open_read_only(&RealDisk, &dir);
    let (reader, _) = opened.with_context(|| format!("cannot read `{}`", dir.display()))?;
    let to_ms = Timestamp::now().as_millisecond();
    let since_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let from_ms = to_ms.saturating_sub(since_ms);
    // Before anything was recorded everything would seem to be missing.
    let from_ms = first_ms(&reader, from_ms, to_ms).unwrap_or(from_ms);
    let trying = Trying {
        reader,
        from_ms,
        to_ms,
        until: Instant::now() + TIME_MAX,
    };
    let mut alerts = Vec::new();
    for new in rules.groups() {
        let interval = new.group.interval.unwrap_or(plan.rules.interval);
        for rule in &new.group.rules {
            if let RuleKind::Alert { .. } = rule.kind {
                alerts.push(Tried {
                    file: new.file.clone(),
                    group: new.group.name.clone(),
                    name: rule.name().to_owned(),
                    found: trying.episodes(rule, interval),
                    unmatched: trying.unmatched(rule, &new.file),
                });
            }
        }
    }
    Ok(Recorded::Tried {
        span_text: span_text(since_ms),
        alerts,
    })
}

/// When the first target, we ourselves as a rule, was seen in that time.
fn first_ms(reader: &SeriesReader, from_ms: i64, to_ms: i64) -> Option<i64> {
    let up = Matcher::new("__name__", MatchOp::Eq, "up").ok()?;
    let wish = Select {
        matchers: &[up],
        from_ms,
        to_ms,
        range_ms: None,
        step_ms: None,
        function: None,
        resolution_ms: 0,
        samples_max: SAMPLES_MAX,
        series_max: 100_000,
    };
    let found = reader.select(&wish).ok()?;
    let firsts = found.iter().filter_map(|series| series.samples.first());
    firsts.map(|sample| sample.t_ms).min()
}

/// Where samples are; none where nothing is.
fn directory(args: &CheckArgs, plan: &Plan) -> Option<PathBuf> {
    let configured = plan.data_dir.as_ref().map(|dir| dir.as_path().to_owned());
    let dir = args.data_dir.clone().or(configured);
    let dir = dir.or_else(|| state_dir().ok())?;
    Some(dir.join("store/series")).filter(|dir: &PathBuf| Path::is_dir(dir))
}

struct Trying {
    reader: SeriesReader,
    from_ms: i64,
    to_ms: i64,
    until: Instant,
}

impl Trying {
    fn episodes(&self, rule: &Rule, interval: Duration) -> Result<Vec<Episode>, String> {
        let check = || match Instant::now() < self.until {
            true => Ok(()),
            false => Err(Interrupt::Timeout),
        };
        let limits = Limits {
            samples_max: SAMPLES_MAX,
            check: Some(&check),
            ..Limits::default()
        };
        let span = Span {
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            step_ms: i64::try_from(interval.as_millis()).unwrap_or(i64::MAX),
        };
        episodes(rule, &self.reader, span, &limits).map_err(|error| error.to_string())
    }

    /// Of our own rules some are about what not everybody has.
    fn unmatched(&self, rule: &Rule, file: &str) -> Vec<String> {
        if file.starts_with("pilothouse:") {
            return Vec::new();
        }
        let has = |selector: &[Matcher]| {
            let sets = [selector.to_vec()];
            let found = self.reader.series(&sets, self.from_ms, self.to_ms, 1);
            !found.is_empty()
        };
        let selectors = rule.expr.selectors().into_iter();
        selectors
            .filter(|one| !has(one))
            .map(|one| text(&one))
            .collect()
    }
}

/// A selector as a person wrote it, about.
fn text(selector: &[Matcher]) -> String {
    let (mut name, mut others) = (String::new(), Vec::new());
    for matcher in selector {
        if matcher.name() == "__name__" && matcher.op() == MatchOp::Eq {
            name = matcher.value().to_owned();
        } else {
            others.push(matcher.to_string());
        }
    }
    if others.is_empty() {
        name
    } else {
        format!("{name}{{{}}}", others.join(","))
    }
}

impl Recorded {
    pub(super) fn all(&self) -> &[Tried] {
        match self {
            Self::Nothing(_) => &[],
            Self::Tried { alerts, .. } => alerts,
        }
    }

    pub(super) fn tell(&self, printer: &Printer) -> Result<()> {
        let (span, alerts) = match self {
            Self::Nothing(why) => {
                why.iter()
                    .for_each(|why| printer.say(&format!("note: {why}")));
                return Ok(());
            }
            Self::Tried { span_text, alerts } => (span_text, alerts),
        };
        let (mut quiet, mut untried) = (0_usize, Vec::new());
        for alert in alerts {
            for selector in &alert.unmatched {
                printer.say(&format!(
                    "warning: {}: alert {}: nothing that was recorded in the last {span} matches `{}`",
                    alert.file,
                    alert.name,
                    clean(selector)
                ));
            }
            match &alert.found {
                Ok(found) if found.is_empty() => quiet += 1,
                Ok(found) => printer.data(&alert.story(found, span))?,
                Err(why) => untried.push(format!(
                    "warning: {}: alert {} was not tried: {why}",
                    alert.file, alert.name
                )),
            }
        }
        untried.iter().for_each(|warning| printer.say(warning));
        let quiet = match quiet {
            0 => return Ok(()),
            1 => "1 alert".to_owned(),
            count => format!("{count} alerts"),
        };
        printer.data(&format!(
            "{quiet} would not have fired in the last {span}\n"
        ))?;
        Ok(())
    }
}

impl Tried {
    fn story(&self, found: &[Episode], span: &str) -> String {
        let times = match found.len() {
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        let mut out = format!(
            "{} would have fired {times} in the last {span}\n",
            self.name
        );
        // The youngest are those that people remember.
        let left_out = found.len().saturating_sub(TOLD_MAX);
        if left_out > 0 {
            out.push_str(&format!("  ... and {left_out} before\n"));
        }
        for episode in &found[left_out..] {
            let begin = time_of_day(episode.begin_ms);
            let begin = begin.split('.').next().unwrap_or_default();
            let lasted = match episode.end_ms {
                Some(end_ms) => format!("for {}", lasting(end_ms - episode.begin_ms)),
                None => "and still does".to_owned(),
            };
            let labels = if episode.labels.is_empty() {
                String::new()
            } else {
                format!("  {}", clean(&episode.labels.to_string()))
            };
            out.push_str(&format!(
                "  {begin} UTC {lasted}, up to {}{labels}\n",
                number(episode.peak)
            ));
        }
        out
    }

    pub(super) fn json(&self) -> Json {
        let time = |ms: i64| {
            Timestamp::from_millisecond(ms)
                .map(|at| at.to_string())
                .ok()
        };
        let episode = |one: &Episode| {
            json!({
                "begin": time(one.begin_ms), "end": one.end_ms.and_then(time),
                "peak": one.peak, "labels": map(&one.labels),
            })
        };
        let found = self.found.as_ref().ok();
        json!({
            "file": self.file, "group": self.group, "name": self.name,
            "episodes": found.map(|all| all.iter().map(episode).collect::<Vec<_>>()),
            "error": self.found.as_ref().err(), "unmatched": self.unmatched,
        })
    }
}

fn map(labels: &Labels) -> serde_json::Map<String, Json> {
    let pairs = labels.iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

/// Three digits are enough to know what was going on.
fn number(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        format!("{value}")
    } else {
        format!("{value:.3}")
    }
}

/// `7 days`, `90m`.
fn span_text(ms: i64) -> String {
    const DAY_MS: i64 = 86_400_000;
    match (ms % DAY_MS, ms / DAY_MS) {
        (0, 1) => "day".to_owned(),
        (0, days) => format!("{days} days"),
        _ => duration_text(ms),
    }
}
