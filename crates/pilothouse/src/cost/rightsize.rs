//! `pilothouse cost rightsize`.

mod cluster;
mod report;

use super::sheet::SheetArgs;
use super::simulate::load;
use crate::ask::{Api, Refused, WhereArgs, Within, read_duration};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::clean;
use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use cluster::cluster;
use ph_cost::sizing::{CpuHpa, Resources, Samples, cpu_of, memory_of};
use ph_ledger::{Grain, Observed, Said, Sized, WhatIf, sized};
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
        None => ask(args)?,
    };
    let what_if = args.what_if();
    let source = sheet.source();
    let calls = |server: &str| -> Result<_, String> {
        let api = Api::find(&args.place).map_err(|why| format!("{why:#}"))?;
        load::recorded(&api, server, &args.since).map_err(|why| format!("{why:#}"))
    };
    let sized: Vec<Sized> = recorded
        .into_iter()
        .map(|one| sized(&what_if, &sheet.plan, &source, one, &calls))
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

fn ask(args: &RightsizeArgs) -> Result<Vec<Observed>> {
    match &args.prometheus {
        Some(url) => Ok(vec![cluster(args, url)?]),
        None => {
            let grain = grain(args, "1m")?;
            let api = Api::find(&args.place)?;
            ph_ledger::servers(&api, grain, args.name.as_deref())
        }
    }
}

/// When, and how fine.
fn grain(args: &RightsizeArgs, default: &str) -> Result<Grain> {
    let within = Within::of(Some(&args.since), Some("now"))?;
    let step = args.step.as_deref().unwrap_or(default);
    let step_s = read_duration(step)
        .and_then(|step| i64::try_from(step.as_secs()).ok())
        .filter(|step_s| (15..=3_600).contains(step_s))
        .ok_or_else(|| anyhow!("`{step}` is no step: expected 15s to 1h"))?;
    let (from_ms, to_ms) = (within.from_ms.unwrap_or(0), within.to_ms.unwrap_or(0));
    Ok(Grain::new(from_ms, to_ms, step_s)?)
}

impl RightsizeArgs {
    fn what_if(&self) -> WhatIf {
        let asked = &self.asked;
        WhatIf {
            asked: Resources {
                cpu_request_milli: asked.cpu_request,
                cpu_limit_milli: asked.cpu_limit,
                memory_request_bytes: asked.memory_request,
                memory_limit_bytes: asked.memory_limit,
            },
            hpa: self.hpa_cpu.map(|target_percent| CpuHpa {
                target_percent,
                min: self.hpa_min,
                max: self.hpa_max,
            }),
        }
    }
}

fn of_csv(args: &RightsizeArgs, path: &std::path::Path) -> Result<Observed> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    let samples = Samples::read_csv(&text).map_err(|error| Refused {
        error: format!("{}:{error}", path.display()),
        hint: Some("the first line is `pod,at_s,cpu_milli,memory_bytes`, and `,cpu_peak_milli,memory_peak_bytes` where there are peaks".into()),
    })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Observed {
        name: args.name.clone().unwrap_or_else(|| stem.into_owned()),
        source: path.display().to_string(),
        samples,
        current: Resources::default(),
        is_own: false,
    })
}
