//! `pilothouse vuln show`: one case, with what happened to it and what can be done.

use super::cases::{Holder, day, long, time_left};
use crate::ask::WhereArgs;
use crate::exit;
use crate::printer::Printer;
use crate::terminal::clean;
use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use ph_server::CaseInfo;
use ph_vuln::Exposed;

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// Its number, or an id of its advisory.
    #[arg(value_name = "CASE")]
    case: String,
    /// Print it as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) fn show(args: &ShowArgs, printer: &Printer) -> Result<u8> {
    let case = Holder::find(&args.place)?.case(&args.case)?;
    if args.json {
        printer.data(&format!("{}\n", serde_json::to_string_pretty(&case)?))?;
    } else {
        printer.data(&text(&case))?;
    }
    Ok(exit::DONE)
}

/// So many places are shown; the JSON has more.
const PLACES_SHOWN: usize = 3;

/// How near it is to a caller, and what that stands on.
fn exposed(of: &Exposed, now: u64, line: &mut dyn FnMut(&str, String)) {
    line("exposure", of.line());
    let tools: Vec<_> = of
        .tools
        .iter()
        .map(|tool| {
            let input = if tool.takes_input {
                " with what the caller sent"
            } else {
                ""
            };
            format!("{}{input}", tool.named())
        })
        .collect();
    line("tools", tools.join(", "));
    let traffic = of.traffic.as_ref();
    line(
        "traffic",
        traffic.map_or(String::new(), |seen| seen.line(now)),
    );
    for place in of.places.iter().take(PLACES_SHOWN) {
        line(
            "used at",
            format!("{}:{}  {}", place.file, place.line, place.text),
        );
    }
    line("transport", of.transport.clone().unwrap_or_default());
    line("not seen", of.unseen.join("; "));
}

fn text(case: &CaseInfo) -> String {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
    let mut out = format!(
        "Case {}: {} in {} of {}\n{}\n\n",
        case.id,
        clean(&case.advisory),
        clean(&case.package),
        clean(&case.server),
        clean(&case.summary)
    );
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("{name:<12} {}\n", clean(&value)));
        }
    };
    let mut severity = format!("{} {:.1} ({})", case.severity, case.score, case.score_from);
    if case.exploited {
        severity.push_str(", known to be exploited");
    }
    line("severity", severity);
    let epss = case.epss.map(|epss| format!("{:.1}%", epss * 100.0));
    line("EPSS", epss.unwrap_or_default());
    line("also", case.ids.join(", "));
    line("version", case.versions.join(", "));
    line("where", case.places.join("; "));
    line("patched in", case.fixed_in.join(", "));
    line("uncertain", case.uncertain.clone().unwrap_or_default());
    if let Some(exposure) = &case.exposure {
        exposed(exposure, now, &mut line);
    }
    line("state", format!("{} since {}", case.state, day(case.since)));
    line(
        "time",
        format!(
            "{}; {} of {} used since {}",
            time_left(case, now),
            long(case.used_seconds),
            long(case.allowed_seconds),
            day(case.first_detected)
        ),
    );
    line("why not", case.justification.clone().unwrap_or_default());
    if let Some(proof) = &case.proof {
        let instead = match proof.versions.as_slice() {
            [] => "the package is gone".to_owned(),
            versions => format!("{} instead", versions.join(", ")),
        };
        let text = format!("{}, {}: {instead}", day(proof.at), proof.artefact);
        line("proof", text);
    }
    line("read", case.references.join(" "));
    out.push('\n');
    for entry in &case.history {
        let way = if entry.from == entry.to {
            entry.to.clone()
        } else {
            format!("{} → {}", entry.from, entry.to)
        };
        out.push_str(&format!(
            "{}  {} by {}: {way}: {}\n",
            day(entry.at),
            clean(&entry.what),
            clean(&entry.actor),
            clean(&entry.reason)
        ));
        if let Some(evidence) = &entry.evidence {
            out.push_str(&format!("{:22}shown by {}\n", "", clean(evidence)));
        }
    }
    let moves: Vec<_> = case
        .moves
        .iter()
        .map(|(by, to)| format!("{by} (to {to})"))
        .collect();
    out.push_str(&format!("\npossible: {}\n", moves.join(", ")));
    out
}
