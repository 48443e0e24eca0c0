//! `pilothouse vuln`: what servers are made of, and what is known to be wrong with it. One file per subcommand.

mod db;
mod place;
mod scan;

use crate::printer::Printer;
use anyhow::Result;
use clap::{Args, Subcommand};

#[derive(Args)]
pub(crate) struct VulnArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Fetch, import and look at the advisories on this machine.
    #[command(after_help = db::EXAMPLES)]
    Db(db::DbArgs),
    /// Say what a folder, a server or an image holds that an advisory names.
    #[command(after_help = scan::EXAMPLES)]
    Scan(Box<scan::ScanArgs>),
}

pub(crate) fn vuln(args: &VulnArgs, printer: &Printer) -> Result<u8> {
    match &args.what {
        What::Db(args) => db::db(args, printer),
        What::Scan(args) => scan::scan(args, printer),
    }
}
