//! `pilothouse cost`: what servers need, and what it costs. One file per subcommand.

mod attribution;
mod logs;
mod past;
mod report;
mod rightsize;
mod sheet;
mod simulate;

use crate::printer::Printer;
use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The longest bill, list of measures or description of logs, in bytes.
const BYTES_MAX: u64 = 4 << 20;

#[derive(Args)]
pub(crate) struct CostArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Recommend requests and limits from what was used, with the arithmetic and a replay of the recorded time.
    #[command(after_help = rightsize::EXAMPLES)]
    Rightsize(Box<rightsize::RightsizeArgs>),
    /// Compare what keeping logs costs now and by another plan, and write that plan for a store.
    #[command(after_help = logs::EXAMPLES)]
    Logs(logs::LogsArgs),
    /// Show the bill of a month, and what measures take off it one after the other.
    #[command(after_help = report::EXAMPLES)]
    Report(report::ReportArgs),
    /// Say whose cost it was: by server, tool and client, from what was recorded.
    #[command(after_help = attribution::EXAMPLES)]
    Attribution(attribution::AttributionArgs),
    /// Replay a load against settings of an autoscaler: pods, latency and cost, as they would have been.
    #[command(after_help = simulate::EXAMPLES)]
    Simulate(Box<simulate::SimulateArgs>),
}

pub(crate) fn cost(args: &CostArgs, printer: &Printer) -> Result<u8> {
    match &args.what {
        What::Rightsize(args) => rightsize::rightsize(args, printer),
        What::Logs(args) => logs::logs(args, printer),
        What::Report(args) => report::report(args, printer),
        What::Attribution(args) => attribution::attribution(args, printer),
        What::Simulate(args) => simulate::simulate(args, printer),
    }
}

/// What somebody has written down about cost.
fn read_file(file: &Path) -> Result<String> {
    let name = file.display();
    let mut text = String::new();
    File::open(file)
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text))
        .with_context(|| format!("cannot read `{name}`"))?;
    ensure!(
        text.len() as u64 <= BYTES_MAX,
        "`{name}` is larger than 4 MiB"
    );
    Ok(text)
}
