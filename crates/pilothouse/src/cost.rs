//! `pilothouse cost`: what servers need, and what it costs. One file per subcommand.

mod rightsize;
mod simulate;

use crate::printer::Printer;
use anyhow::Result;
use clap::{Args, Subcommand};

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
    /// Replay a load against settings of an autoscaler: pods, latency and cost, as they would have been.
    #[command(after_help = simulate::EXAMPLES)]
    Simulate(Box<simulate::SimulateArgs>),
}

pub(crate) fn cost(args: &CostArgs, printer: &Printer) -> Result<u8> {
    match &args.what {
        What::Rightsize(args) => rightsize::rightsize(args, printer),
        What::Simulate(args) => simulate::simulate(args, printer),
    }
}
