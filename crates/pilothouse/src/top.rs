//! `pilothouse top`: the console's first page in a terminal.

mod figures;
mod grid;
mod overview;
mod page;

use crate::ask::{Api, WhereArgs};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::Look;
use anyhow::Result;
use clap::Args;
use overview::Overview;

#[derive(Args)]
pub(crate) struct TopArgs {
    /// Print it once as a table, and end. It is printed so, too, where standard output is no terminal.
    #[arg(long)]
    once: bool,
    /// Print it once as one JSON object, and end.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const EXAMPLES: &str = "\
Shows what the console's first page shows, by the same questions: service levels, alerts, servers, what changed
in the last hour.

Examples:
  pilothouse top
  pilothouse top --once
  pilothouse top --json | jq '.servers[] | select(.up == false)'";

pub(crate) fn top(args: &TopArgs, printer: &Printer) -> Result<u8> {
    once(args, printer)
}

fn once(args: &TopArgs, printer: &Printer) -> Result<u8> {
    let api = Api::find_daemon(&args.place, "servers that run")?;
    let overview = Overview::ask(&api)?;
    let daemon = api.daemon("servers that run")?;
    if args.json {
        printer.data(&format!("{}\n", overview.json(&daemon)))?;
    } else {
        let look = Look::of_stdout();
        let rows = page::overview(&overview, &daemon, "", look);
        let lines = rows.iter().map(|row| format!("{}\n", row.text.trim_end()));
        printer.data(&lines.collect::<String>())?;
    }
    Ok(exit::DONE)
}
