//! `pilothouse logs`: records, by a short query.

mod line;
mod top;

pub(crate) use line::milliseconds;

use crate::ask::{Api, Params, Refused, WhereArgs, Within};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::Look;
use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::collections::HashSet;

#[derive(Args)]
pub(crate) struct LogsArgs {
    /// What records must be like, as in `tool=searchFiles duration>=2s status!=200 "permission denied"`.
    #[arg(
        value_name = "QUERY",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    query: String,
    /// Only from then on: `15m`, `2h`, `7d` ago, or a time in UTC.
    #[arg(long, value_name = "AGO|TIME")]
    since: Option<String>,
    /// Only until then.
    #[arg(long, value_name = "AGO|TIME", conflicts_with = "follow")]
    until: Option<String>,
    /// Go on with what comes; with `--since` after what was.
    #[arg(long, short, conflicts_with_all = ["sort", "top"])]
    follow: bool,
    /// `-duration`: the slowest first. `time`: the earliest first. `-time`: the latest first. Without it: the latest,
    /// with the very last at the end.
    #[arg(
        long,
        value_name = "ORDER",
        allow_hyphen_values = true,
        conflicts_with = "top"
    )]
    sort: Option<Sort>,
    /// Records, or with `--top` values.
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: Option<u32>,
    /// Count the values of this field instead: what do the records that match have in common?
    #[arg(long, value_name = "FIELD")]
    top: Option<String>,
    /// Print the records as they are kept, one JSON object in a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  pilothouse logs 'level>=warn' --since 1h
  pilothouse logs 'tool=searchFiles duration>=2s status!=200 \"permission denied\"'
  pilothouse logs 'kind=call' --sort -duration --limit 20
  pilothouse logs 'duration>=2s OR outcome=*error' --top params.pattern
  pilothouse logs --follow 'server=files'";

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    #[value(name = "-duration")]
    Slowest,
    #[value(name = "time")]
    Oldest,
    #[value(name = "-time")]
    Newest,
}

/// Without `--limit`.
const LIMIT: u32 = 100;
/// Records of one answer.
const PAGE_MAX: u32 = 1_000;

pub(crate) fn logs(args: &LogsArgs, printer: &Printer) -> Result<u8> {
    checked(&args.query)?;
    let span = Within::of(args.since.as_deref(), args.until.as_deref())?;
    let api = Api::find(&args.place)?;
    if let Some(field) = &args.top {
        let question = top::Question {
            query: &args.query,
            field,
            limit: args.limit.unwrap_or(top::LIMIT),
            span,
            json: args.json,
        };
        return top::top(&api, &question, printer);
    }
    let show = Show {
        json: args.json,
        look: Look::of_stdout(),
        printer,
    };
    if args.follow {
        return follow(&api, args, span, &show);
    }
    let found = search(&api, args, span)?;
    for record in &found.records {
        if !show.record(record)? {
            return Ok(exit::DONE);
        }
    }
    if found.records.is_empty() {
        printer.say("no records match");
    }
    Ok(found.exit_code(printer))
}

/// The query, read here: what is wrong with it is shown with its place.
pub(crate) fn checked(query: &str) -> Result<()> {
    ph_store::query::parse(query).map(drop).map_err(|error| {
        let rendered = error.render(query);
        let (error, hint) = match rendered.split_once("\nhint: ") {
            Some((error, hint)) => (error.to_owned(), Some(hint.to_owned())),
            None => (rendered, None),
        };
        Refused { error, hint }.into()
    })
}

/// What a search found.
pub(crate) struct Found {
    pub records: Vec<Box<RawValue>>,
    pub scanned: u64,
    pub total: u64,
    pub complete: bool,
}

impl Found {
    /// Done, or, where not everything was looked at, neither found nor not found.
    pub(crate) fn exit_code(&self, printer: &Printer) -> u8 {
        if self.complete {
            return exit::DONE;
        }
        printer.say(&format!(
            "warning: only {} of {} records were looked at, so some may be missing\nhint: narrow it by `--since`, or by server=, tool= or status=",
            self.scanned, self.total
        ));
        exit::COULD_NOT_CHECK
    }
}

#[derive(serde::Deserialize)]
struct Page {
    records: Vec<Box<RawValue>>,
    scanned: u64,
    total: u64,
    complete: bool,
    next: Option<String>,
}

/// Page after page, up to the limit.
fn search(api: &Api, args: &LogsArgs, span: Within) -> Result<Found> {
    let order = match args.sort {
        Some(Sort::Slowest) => "slowest",
        Some(Sort::Oldest) => "oldest",
        Some(Sort::Newest) | None => "newest",
    };
    let mut found = find(api, &args.query, span, order, args.limit.unwrap_or(LIMIT))?;
    if args.sort.is_none() {
        found.records.reverse();
    }
    Ok(found)
}

/// - `order`: `newest`, `oldest` or `slowest`.
pub(crate) fn find(api: &Api, query: &str, span: Within, order: &str, limit: u32) -> Result<Found> {
    let mut found = Found {
        records: Vec::new(),
        scanned: 0,
        total: 0,
        complete: true,
    };
    let mut cursor: Option<String> = None;
    loop {
        let left = limit
            - u32::try_from(found.records.len())
                .unwrap_or(limit)
                .min(limit);
        let params = Params::new()
            .with("query", query)
            .with("order", order)
            .with("limit", left.min(PAGE_MAX))
            .with_some("cursor", cursor.as_ref());
        let answer = api.get("/api/pilothouse/logs", &span.params(params))?;
        let page: Page = if answer.status == 200 {
            serde_json::from_slice(&answer.body)?
        } else {
            return Err(answer
                .json()
                .err()
                .unwrap_or_else(|| anyhow!("status {}", answer.status)));
        };
        found.scanned += page.scanned;
        found.total = found.total.max(page.total);
        found.complete &= page.complete;
        let count = page.records.len();
        found.records.extend(page.records);
        cursor = page.next;
        let is_enough = found.records.len() >= limit as usize;
        if is_enough || count == 0 || cursor.is_none() || !found.complete {
            return Ok(found);
        }
    }
}

/// Lines that were already shown are not shown again, for so many of them.
const REMEMBERED_MAX: usize = 10_000;

fn follow(api: &Api, args: &LogsArgs, span: Within, show: &Show<'_>) -> Result<u8> {
    // What comes while the past is read is in both.
    let mut shown: HashSet<String> = HashSet::new();
    if args.since.is_some() {
        let found = search(api, args, span)?;
        for record in &found.records {
            if !show.record(record)? {
                return Ok(exit::DONE);
            }
        }
        let last = found.records.iter().rev().take(REMEMBERED_MAX);
        shown.extend(last.map(|record| record.get().to_owned()));
        found.exit_code(show.printer);
    }
    let params = Params::new().with("query", &args.query);
    api.follow(
        "/api/pilothouse/logs/follow",
        &params,
        &mut |event, data| {
            if event == b"missed" {
                let missed: Json = serde_json::from_slice(data).unwrap_or_default();
                let text = format!(
                    "warning: {} records were missed: they came too fast",
                    missed["missed"]
                );
                show.printer.say(&text);
                return Ok(true);
            }
            let Ok(text) = std::str::from_utf8(data) else {
                return Ok(true);
            };
            if shown.remove(text) {
                return Ok(true);
            }
            let record: Box<RawValue> = match serde_json::from_str(text) {
                Ok(record) => record,
                Err(_) => return Ok(true),
            };
            show.record(&record)
        },
    )?;
    show.printer.say("the daemon has ended the stream");
    Ok(exit::DONE)
}

/// How records are shown.
struct Show<'a> {
    json: bool,
    look: Look,
    printer: &'a Printer,
}

impl Show<'_> {
    /// `false` when nobody reads any more.
    fn record(&self, record: &RawValue) -> Result<bool> {
        let text = if self.json {
            format!("{}\n", record.get())
        } else {
            line::line(record.get(), self.look)
        };
        Ok(self.printer.data_wanted(&text)?)
    }
}
