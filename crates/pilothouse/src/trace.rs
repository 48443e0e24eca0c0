//! `pilothouse trace`: one trace as a tree.

mod tree;

pub(crate) use tree::tree;

use crate::ask::{Answer, Api, Params, Refused, WhereArgs, Within};
use crate::exit;
use crate::logs::{checked, find};
use crate::printer::Printer;
use crate::terminal::Look;
use anyhow::{Result, anyhow, bail};
use clap::Args;
use ph_store::trace::Trace;
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

#[derive(Args)]
pub(crate) struct TraceArgs {
    /// The trace: its id, or the first digits of it as `pilothouse logs` shows them. With `--slowest`: which calls.
    #[arg(value_name = "ID|QUERY", required_unless_present = "slowest")]
    trace: Option<String>,
    /// The trace of the slowest call, of all or of those that match QUERY.
    #[arg(long)]
    slowest: bool,
    /// Only calls from then on: `15m`, `2h`, `7d` ago, or a time in UTC.
    #[arg(long, value_name = "AGO|TIME")]
    since: Option<String>,
    /// Only calls until then.
    #[arg(long, value_name = "AGO|TIME")]
    until: Option<String>,
    /// Show every span in a row of its own.
    #[arg(long)]
    unfold: bool,
    /// Print the tree as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  pilothouse trace 4bf92f3577b34da6a3ce929d0e0e4736
  pilothouse trace 4bf92f35
  pilothouse trace --slowest --since 1d
  pilothouse trace --slowest 'tool=searchFiles outcome=timeout'";

/// Digits of an id that name one trace well enough.
const PREFIX_MIN: usize = 4;
const ID_LEN: usize = 32;

#[derive(Deserialize)]
struct Found {
    trace: Json,
    records: Vec<Box<RawValue>>,
    complete: bool,
}

pub(crate) fn trace(args: &TraceArgs, printer: &Printer) -> Result<u8> {
    let span = Within::of(args.since.as_deref(), args.until.as_deref())?;
    let named = args.trace.as_deref().unwrap_or_default();
    if args.slowest {
        checked(named)?;
    } else {
        check_id(named)?;
    }
    let api = Api::find(&args.place)?;
    let id = match (args.slowest, named.len()) {
        (true, _) => slowest(&api, named, span, printer)?,
        (false, ID_LEN) => named.to_ascii_lowercase(),
        (false, _) => whole_id(&api, &named.to_ascii_lowercase(), span)?,
    };
    let answer = api.get(&format!("/api/pilothouse/traces/{id}"), &Params::new())?;
    if answer.status == 404 {
        return Err(not_found(&answer));
    }
    let found: Found = serde_json::from_value(answer.json()?)
        .map_err(|e| anyhow!("the answer has an unknown form: {e}"))?;
    if args.json {
        printer.data(&format!("{}\n", found.trace))?;
    } else {
        let trace = Trace::build(found.records.iter().map(|record| record.get().as_bytes()));
        printer.data(&tree(&trace, &id, !args.unfold, Look::of_stdout()))?;
    }
    if found.complete {
        return Ok(exit::DONE);
    }
    printer.say("warning: not all of its records were read, so some may be missing");
    Ok(exit::COULD_NOT_CHECK)
}

fn check_id(text: &str) -> Result<()> {
    let is_hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex && (PREFIX_MIN..=ID_LEN).contains(&text.len()) {
        return Ok(());
    }
    Err(Refused {
        error: format!("`{text}` is no trace id: expected {ID_LEN} hexadecimal digits, or the first {PREFIX_MIN} or more of them"),
        hint: Some("`pilothouse logs` shows the ids of calls, `pilothouse trace --slowest` needs none".into()),
    }
    .into())
}

fn not_found(answer: &Answer) -> anyhow::Error {
    let refused = answer.json().err();
    refused.unwrap_or_else(|| anyhow!("there is no such trace"))
}

fn id_of(record: &RawValue) -> Option<String> {
    let record: Json = serde_json::from_str(record.get()).ok()?;
    record["trace_id"].as_str().map(ToOwned::to_owned)
}

/// The only trace whose id begins so.
fn whole_id(api: &Api, prefix: &str, span: Within) -> Result<String> {
    const LOOKED_AT: u32 = 1_000;
    let found = find(
        api,
        &format!("trace_id={prefix}*"),
        span,
        "newest",
        LOOKED_AT,
    )?;
    let mut ids: Vec<String> = found
        .records
        .iter()
        .filter_map(|record| id_of(record))
        .collect();
    ids.sort();
    ids.dedup();
    match ids.as_slice() {
        [only] => Ok(only.clone()),
        [] => bail!("no trace begins with `{prefix}`"),
        several => Err(Refused {
            error: format!("{} traces begin with `{prefix}`", several.len()),
            hint: Some(format!(
                "give more digits: {}",
                several
                    .iter()
                    .take(4)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
        }
        .into()),
    }
}

fn slowest(api: &Api, query: &str, span: Within, printer: &Printer) -> Result<String> {
    let is_all = query.trim().is_empty();
    let calls = if is_all {
        "kind=call".to_owned()
    } else {
        format!("kind=call ({query})")
    };
    // A stream lasts as long as its client wants it to: that is no slowness.
    let found = find(api, &format!("{calls} NOT stream=true"), span, "slowest", 1)?;
    found.exit_code(printer);
    let first = found.records.first().and_then(|record| id_of(record));
    first.ok_or_else(|| {
        Refused {
            error: "no call matches".into(),
            hint: Some("look further back with `--since`, or ask for less".into()),
        }
        .into()
    })
}
