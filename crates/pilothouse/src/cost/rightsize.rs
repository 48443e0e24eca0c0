//! `pilothouse cost rightsize`.

mod price;
mod recorded;
mod report;

use super::sheet::{Sheet, SheetArgs};
use super::simulate::{load, service_of};
use crate::ask::{Api, Refused, WhereArgs};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::clean;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use ph_cost::replay::Scenario;
use ph_cost::sizing::{
    self, Comparison, Coupling, CpuHpa, Pairing, Refusal, Resources, Samples, cpu_of, memory_of,
};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct RightsizeArgs {
    /// The server whose children are looked at [default: every server that was recorded]; with `--prometheus` a container.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// How far back to look.
    #[arg(long, value_name = "AGO", default_value = "30d")]
    since: String,
    /// Distance of two samples [default: 1m; with `--prometheus` 2m]. Longer than two scrapes, shorter than peaks last.
    #[arg(long, value_name = "DURATION", conflicts_with = "csv")]
    step: Option<String>,
    /// Read `pod,at_s,cpu_milli,memory_bytes[,cpu_peak_milli,memory_peak_bytes]` instead of asking anybody.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prometheus", "address", "data_dir"])]
    csv: Option<PathBuf>,
    /// A Prometheus that has the series of cAdvisor and kube-state-metrics: `http://HOST:PORT`.
    #[arg(long, value_name = "URL", conflicts_with_all = ["address", "data_dir"], requires = "name")]
    prometheus: Option<String>,
    /// Only containers of this namespace.
    #[arg(long, value_name = "NAME", requires = "prometheus")]
    namespace: Option<String>,
    /// Only pods whose name matches this expression.
    #[arg(long, value_name = "REGEX", requires = "prometheus")]
    pod: Option<String>,
    #[command(flatten)]
    asked: AskedArgs,
    /// `averageUtilization` of the HPA on CPU: its target is re-derived for the new request, and both are replayed.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    hpa_cpu: Option<u32>,
    /// `minReplicas` of the HPA.
    #[arg(long, value_name = "N", default_value_t = 2, requires = "hpa_cpu", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    hpa_min: u32,
    /// `maxReplicas` of the HPA.
    #[arg(long, value_name = "N", default_value_t = 10, requires = "hpa_cpu", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    hpa_max: u32,
    /// How to print it.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
    #[command(flatten)]
    sheet: SheetArgs,
    #[command(flatten)]
    place: WhereArgs,
}

/// What is asked for today. Prometheus knows it where kube-state-metrics runs.
#[derive(Args)]
struct AskedArgs {
    /// CPU request of today, as in a manifest: `500m`.
    #[arg(long, value_name = "QUANTITY", value_parser = cpu_of, allow_hyphen_values = true)]
    cpu_request: Option<u64>,
    /// CPU limit of today.
    #[arg(long, value_name = "QUANTITY", value_parser = cpu_of, allow_hyphen_values = true)]
    cpu_limit: Option<u64>,
    /// Memory request of today: `512Mi`.
    #[arg(long, value_name = "QUANTITY", value_parser = memory_of, allow_hyphen_values = true)]
    memory_request: Option<u64>,
    /// Memory limit of today.
    #[arg(long, value_name = "QUANTITY", value_parser = memory_of, allow_hyphen_values = true)]
    memory_limit: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal: numbers first, then how they came about.
    Table,
    /// Everything, for programs.
    Json,
    /// For a ticket.
    Markdown,
}

pub(crate) const EXAMPLES: &str = "\
Exits 1 when a container was refused: too little history, missing series, no numbers.

Examples:
  pilothouse cost rightsize
  pilothouse cost rightsize files --since 14d --format markdown
  pilothouse cost rightsize mcp-server --prometheus http://127.0.0.1:9090 --namespace tools --hpa-cpu 70
  pilothouse cost rightsize --csv use.csv --cpu-request 500m --cpu-limit 1 --memory-request 512Mi --memory-limit 1Gi";

/// A container, with what was recorded of it.
struct Recorded {
    name: String,
    source: String,
    samples: Samples,
    current: Resources,
    /// It is a server of ours, whose calls are recorded under its name.
    is_own: bool,
}

/// A container, with what is to be said of it.
#[derive(Serialize)]
struct Sized {
    name: String,
    source: String,
    current: Resources,
    #[serde(flatten)]
    said: Said,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Refused { refused: Refusal, why: String },
    Compared(Box<Compared>),
}

#[derive(Serialize)]
struct Compared {
    comparison: Comparison,
    hpa: Option<Coupling>,
    price: price::Price,
    /// The same over the calls that came, where they were recorded.
    calls: Option<Calls>,
}

/// Requests and autoscaler, over recorded calls.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Calls {
    Replayed {
        evidence: Vec<String>,
        pairing: Pairing,
    },
    /// Why not.
    Not(String),
}

pub(crate) fn rightsize(args: &RightsizeArgs, printer: &Printer) -> Result<u8> {
    if args.hpa_cpu.is_some() && args.hpa_max < args.hpa_min {
        return Err(Refused {
            error: format!(
                "--hpa-max {} is below --hpa-min {}",
                args.hpa_max, args.hpa_min
            ),
            hint: None,
        }
        .into());
    }
    let sheet = args.sheet.read(printer)?;
    let recorded = match &args.csv {
        Some(path) => vec![of_csv(args, path)?],
        None => recorded::ask(args)?,
    };
    let sized: Vec<Sized> = recorded
        .into_iter()
        .map(|one| sized(args, &sheet, one))
        .collect();
    let text = match args.format {
        Format::Table => report::table(&sized),
        Format::Markdown => report::markdown(&sized),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&sized)?),
    };
    printer.data(&text)?;
    for one in sized.iter().filter(|_| args.hpa_cpu.is_some()) {
        if let Said::Compared(compared) = &one.said
            && compared.hpa.is_none()
        {
            printer.say(&format!(
                "{}: the HPA's target is a share of the CPU request of today, which is not known; give `--cpu-request`",
                clean(&one.name)
            ));
        }
    }
    let is_refused = |one: &Sized| matches!(one.said, Said::Refused { .. });
    Ok(match sized.iter().any(is_refused) {
        true => exit::FOUND,
        false => exit::DONE,
    })
}

fn of_csv(args: &RightsizeArgs, path: &std::path::Path) -> Result<Recorded> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    let samples = Samples::read_csv(&text).map_err(|error| Refused {
        error: format!("{}:{error}", path.display()),
        hint: Some("the first line is `pod,at_s,cpu_milli,memory_bytes`, and `,cpu_peak_milli,memory_peak_bytes` where there are peaks".into()),
    })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Recorded {
        name: args.name.clone().unwrap_or_else(|| stem.into_owned()),
        source: path.display().to_string(),
        samples,
        current: Resources::default(),
        is_own: false,
    })
}

fn sized(args: &RightsizeArgs, sheet: &Sheet, recorded: Recorded) -> Sized {
    let asked = &args.asked;
    let known = recorded.current;
    let current = Resources {
        cpu_request_milli: asked.cpu_request.or(known.cpu_request_milli),
        cpu_limit_milli: asked.cpu_limit.or(known.cpu_limit_milli),
        memory_request_bytes: asked.memory_request.or(known.memory_request_bytes),
        memory_limit_bytes: asked.memory_limit.or(known.memory_limit_bytes),
    };
    let said = match sizing::compare(&recorded.samples, current) {
        Err(refused) => Said::Refused {
            why: refused.to_string(),
            refused,
        },
        Ok(comparison) => {
            let hpa = coupling(args, &recorded.samples, current, &comparison);
            let calls = hpa
                .as_ref()
                .filter(|_| recorded.is_own)
                .and_then(|coupling| {
                    over_calls(args, sheet, &recorded.name, current, &comparison, coupling)
                        .unwrap_or_else(|why| Some(Calls::Not(format!("{why:#}"))))
                });
            Said::Compared(Box::new(Compared {
                price: price::Price::of(sheet, current, comparison.take),
                comparison,
                hpa,
                calls,
            }))
        }
    };
    Sized {
        name: recorded.name,
        source: recorded.source,
        current,
        said,
    }
}

fn coupling(
    args: &RightsizeArgs,
    samples: &Samples,
    current: Resources,
    comparison: &Comparison,
) -> Option<Coupling> {
    let hpa = CpuHpa {
        target_percent: args.hpa_cpu?,
        min: args.hpa_min,
        max: args.hpa_max,
    };
    let old_milli = current.cpu_request_milli?;
    sizing::couple(samples, hpa, old_milli, comparison.take.cpu_request_milli?)
}

/// The HPA with the resources of today and with those to take, over the calls of the same time.
fn over_calls(
    args: &RightsizeArgs,
    sheet: &Sheet,
    server: &str,
    current: Resources,
    comparison: &Comparison,
    coupling: &Coupling,
) -> Result<Option<Calls>> {
    let Some(target_percent) = args.hpa_cpu else {
        return Ok(None);
    };
    let load = load::recorded(&Api::find(&args.place)?, server, &args.since)?;
    let scenario = Scenario {
        service: service_of(&load.seen),
        price: sheet.pod_price(),
        ..Scenario::default()
    };
    let hpa = CpuHpa {
        target_percent,
        min: args.hpa_min,
        max: args.hpa_max,
    };
    let both = (current, comparison.take);
    let paired = sizing::pairs(
        &load.arrivals,
        &scenario,
        hpa,
        both,
        coupling.target_percent,
    )?;
    let mut evidence = load.evidence;
    evidence.extend(load.seen.evidence);
    Ok(paired.map(|pairing| Calls::Replayed { evidence, pairing }))
}
