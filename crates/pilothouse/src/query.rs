//! `pilothouse query`: numbers, by PromQL.

mod chart;
mod number;
mod table;
mod value;

use crate::ask::{
    Answer, Api, Params, Refused, WhereArgs, Within, duration_text, read_duration, read_time,
    seconds,
};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::Look;
use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::Value as Json;
use value::{Data, Series};

#[derive(Args)]
pub(crate) struct QueryArgs {
    /// The question, as in `sum by (tool) (rate(mcp_tool_calls_total[5m]))`.
    #[arg(value_name = "PROMQL")]
    query: String,
    /// Answer for every step from then on, as a chart: `1h` ago, or a time in UTC.
    #[arg(long, value_name = "AGO|TIME", conflicts_with = "time")]
    since: Option<String>,
    /// End of the chart [default: now].
    #[arg(long, value_name = "AGO|TIME", requires = "since")]
    until: Option<String>,
    /// Distance of the chart's points [default: what fits the width].
    #[arg(long, value_name = "DURATION", requires = "since")]
    step: Option<String>,
    /// Answer for that time instead of now.
    #[arg(long, value_name = "AGO|TIME")]
    time: Option<String>,
    /// Print the answer as JSON, as the API gives it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  pilothouse query 'mcp_server_up'
  pilothouse query 'sum by (tool) (rate(mcp_tool_calls_total[5m]))' --since 1h
  pilothouse query 'topk(5, sum by (tool) (increase(mcp_tool_calls_total{outcome!=\"ok\"}[1d])))'";

pub(crate) fn query(args: &QueryArgs, printer: &Printer) -> Result<u8> {
    let look = Look::of_stdout();
    let question = Question::of(args, look)?;
    let api = Api::find(&args.place)?;
    let answer = api.get(question.path(), &question.params(&args.query))?;
    let body = checked(&answer, &args.query)?;
    for kind in ["warnings", "infos"] {
        let remarks = body[kind].as_array().into_iter().flatten();
        for remark in remarks.filter_map(Json::as_str) {
            printer.say(&format!("{}: {remark}", kind.trim_end_matches('s')));
        }
    }
    if args.json {
        printer.data(&format!("{body}\n"))?;
        return Ok(exit::DONE);
    }
    let data =
        Data::read(&body["data"]).ok_or_else(|| anyhow!("the answer has an unknown form"))?;
    match (data, question) {
        (Data::Text(text), _) => printer.data(&format!("{text}\n"))?,
        (Data::Series(series), _) if series.is_empty() => printer.say("no series match"),
        (Data::Series(series), Question::At(_)) => printer.data(&table::table(&series, look))?,
        (Data::Series(series), Question::Over { span, step_ms }) => {
            printer.data(&chart::chart(&series, span, step_ms, look))?;
        }
    }
    Ok(exit::DONE)
}

/// From when to when, in milliseconds of Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from_ms: i64,
    to_ms: i64,
}

/// What is asked.
enum Question {
    /// For one moment: milliseconds of Unix time, now without one.
    At(Option<i64>),
    /// For every step of a span.
    Over { span: Span, step_ms: i64 },
}

/// Prometheus gives no more points than this, and neither do we.
const POINTS_MAX: i64 = 11_000;
/// Samples are no nearer to one another by default.
const STEP_MIN_MS: i64 = 15_000;

impl Question {
    fn of(args: &QueryArgs, look: Look) -> Result<Self> {
        let Some(since) = &args.since else {
            return Ok(Self::At(args.time.as_deref().map(read_time).transpose()?));
        };
        let within = Within::of(Some(since), args.until.as_deref().or(Some("now")))?;
        let mut span = Span {
            from_ms: within.from_ms.unwrap_or(0),
            to_ms: within.to_ms.unwrap_or(0),
        };
        let step_ms = match &args.step {
            Some(step) => read_duration(step)
                .and_then(|step| i64::try_from(step.as_millis()).ok())
                .filter(|ms| *ms > 0)
                .ok_or_else(|| {
                    anyhow!("`{step}` is no step: expected a duration such as `30s` or `5m`")
                })?,
            None => step_for(span, chart::columns(look)),
        };
        if (span.to_ms - span.from_ms) / step_ms >= POINTS_MAX {
            return Err(Refused {
                error: format!(
                    "more than {POINTS_MAX} points: {} by {}",
                    duration_text(span.to_ms - span.from_ms),
                    duration_text(step_ms)
                ),
                hint: Some("take a larger `--step`, or leave it out".into()),
            }
            .into());
        }
        // The last point is the end that was asked for: what just happened is what most questions are about.
        span.from_ms = span.to_ms - (span.to_ms - span.from_ms) / step_ms * step_ms;
        Ok(Self::Over { span, step_ms })
    }

    fn path(&self) -> &'static str {
        match self {
            Self::At(_) => "/api/v1/query",
            Self::Over { .. } => "/api/v1/query_range",
        }
    }

    fn params(&self, query: &str) -> Params {
        let params = Params::new().with("query", query);
        match self {
            Self::At(time_ms) => params.with_some("time", time_ms.map(seconds)),
            Self::Over { span, step_ms } => params
                .with("start", seconds(span.from_ms))
                .with("end", seconds(span.to_ms))
                .with("step", seconds(*step_ms)),
        }
    }
}

/// The least round step that gives no more points than there are columns.
fn step_for(span: Span, columns: usize) -> i64 {
    const ROUND_S: [i64; 17] = [
        15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
        172_800, 604_800, 2_592_000,
    ];
    let columns = i64::try_from(columns).unwrap_or(1).max(1);
    let least_ms = ((span.to_ms - span.from_ms + columns - 1) / columns).max(STEP_MIN_MS);
    let round = ROUND_S.iter().map(|s| s * 1_000).find(|ms| *ms >= least_ms);
    round.unwrap_or(least_ms)
}

/// The body, when Prometheus's envelope says that all went well.
fn checked(answer: &Answer, query: &str) -> Result<Json> {
    let body: Json = serde_json::from_slice(&answer.body).map_err(|_| {
        anyhow!(
            "status {} and no JSON: is this an admin address?",
            answer.status
        )
    })?;
    if body["status"] == "success" {
        return Ok(body);
    }
    let Some(error) = body["error"].as_str() else {
        return Err(anyhow!("status {}", answer.status));
    };
    let hint = match body["errorType"].as_str() {
        Some("timeout") => Some("ask for less: a shorter span, a larger step, fewer series"),
        Some("unavailable") | Some("not_found") => {
            Some("is the store switched on? (`store.enabled`)")
        }
        _ => None,
    };
    Err(Refused {
        error: format!("{error}{}", pointer(error, query)),
        hint: hint
            .map(ToOwned::to_owned)
            .or_else(|| body["hint"].as_str().map(ToOwned::to_owned)),
    }
    .into())
}

/// The query with a mark below the place that the error names as `LINE:COLUMN: parse error`.
fn pointer(error: &str, query: &str) -> String {
    let place = error.split_once(": parse error").map(|(before, _)| before);
    let place = place.and_then(|before| before.rsplit(' ').next()?.split_once(':'));
    let Some((Ok(line), Ok(column))) =
        place.map(|(line, column)| (line.parse::<usize>(), column.parse::<usize>()))
    else {
        return String::new();
    };
    let Some(text) = line.checked_sub(1).and_then(|nth| query.lines().nth(nth)) else {
        return String::new();
    };
    // A place behind the end is where something is missing.
    let before = column.saturating_sub(1).min(text.chars().count());
    format!(
        "\n  {}\n  {}^",
        crate::terminal::clean(text),
        " ".repeat(before)
    )
}

/// A series by its labels: `up{job="x"}`, as in the query that would select it.
fn name_of(series: &Series) -> String {
    let labels: Vec<String> = series
        .labels
        .iter()
        .filter(|(name, _)| name != NAME)
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    let name = series.labels.iter().find(|(name, _)| name == NAME);
    let name = name.map_or("", |(_, name)| name.as_str());
    match (name, labels.is_empty()) {
        ("", true) => "{}".to_owned(),
        (name, true) => name.to_owned(),
        (name, false) => format!("{name}{{{}}}", labels.join(", ")),
    }
}

/// The label that holds the metric.
const NAME: &str = "__name__";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_point_into_the_query() {
        #[track_caller]
        fn check(error: &str, query: &str, want: &str) {
            assert_eq!(pointer(error, query), want);
        }
        let error = "invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis";
        check(error, "sum (x", "\n  sum (x\n      ^");
        check("1:9: parse error: unexpected end", "sum", "\n  sum\n     ^");
        check("2:2: parse error: no", "a\nbc", "\n  bc\n   ^");
        check("3:2: parse error: no", "a\nbc", "");
        check("execution: too many samples", "a", "");
    }

    #[test]
    fn steps_fit_the_chart() {
        #[track_caller]
        fn check(hours: i64, columns: usize, want_s: i64) {
            let span = Span {
                from_ms: 0,
                to_ms: hours * 3_600_000,
            };
            assert_eq!(
                step_for(span, columns),
                want_s * 1_000,
                "{hours} h in {columns}"
            );
        }
        check(1, 70, 60);
        check(1, 1_000, 15);
        check(24, 70, 1_800);
        check(24 * 30, 70, 43_200);
        check(0, 70, 15);
        check(24 * 365 * 100, 10, 315_360_000);
    }
}
