//! `pilothouse vuln`: what servers are made of, and what is known to be wrong with it. One file per subcommand.

mod apply;
mod cases;
mod db;
mod exposure;
mod list;
mod moves;
mod patch;
mod place;
mod report;
pub(crate) mod scan;
mod show;
mod test;
mod verify;

use crate::printer::Printer;
use anyhow::Result;
use clap::{Args, Subcommand};
pub(crate) use place::PlaceArgs;

#[derive(Args)]
pub(crate) struct VulnArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List what was found in servers: the most urgent first, with the time that is left.
    #[command(after_help = LIFE_EXAMPLES)]
    List(list::ListArgs),
    /// Show one case: where it is, what happened to it, what can be done.
    Show(show::ShowArgs),
    /// Say that a vulnerability is real, and how bad it is here.
    Assess(moves::AssessArgs),
    /// Say that a vulnerability is lived with, why, and until when.
    Accept(moves::AcceptArgs),
    /// Move a case on: patch, test, fail-test, roll-back, dismiss, reopen, deployed, ….
    Move(moves::MoveArgs),
    /// Write down what was found, what became of it, and how long that took.
    Report(report::ReportArgs),
    /// Fetch, import and look at the advisories on this machine.
    #[command(after_help = db::EXAMPLES)]
    Db(db::DbArgs),
    /// Say what a folder, a server or an image holds that an advisory names.
    #[command(after_help = scan::EXAMPLES)]
    Scan(Box<scan::ScanArgs>),
    /// Say where the source uses what an advisory names, and which tools lead there.
    #[command(after_help = exposure::EXAMPLES)]
    Exposure(Box<exposure::ExposureArgs>),
    /// Say the smallest upgrade that ends each finding, and the commands that make it, or make it on a copy.
    #[command(after_help = patch::EXAMPLES)]
    Patch(Box<patch::PatchArgs>),
    /// Look whether a package has moved, in lockfiles and installed trees.
    #[command(after_help = verify::EXAMPLES)]
    Verify(Box<verify::VerifyArgs>),
    /// Send hostile input to a test instance of a server, and see what it does.
    #[command(after_help = test::EXAMPLES)]
    Test(Box<test::TestArgs>),
}

const LIFE_EXAMPLES: &str = "\
A case is one vulnerability of one package in one server. Nobody can say that it is deployed: a scan of
what the server runs says so.

Examples:
  pilothouse vuln list --server files
  pilothouse vuln assess 3 --reason 'tool input reaches merge()'
  pilothouse vuln move CVE-2019-10744 patch --reason 'update to 4.17.21'
  pilothouse vuln accept 4 --until 14d --reason 'only a test server'
  pilothouse vuln move 3 deployed
  pilothouse vuln report --since 30d > report.md";

pub(crate) fn vuln(args: &VulnArgs, printer: &Printer) -> Result<u8> {
    match &args.what {
        What::List(args) => list::list(args, printer),
        What::Show(args) => show::show(args, printer),
        What::Assess(args) => moves::assess(args, printer),
        What::Accept(args) => moves::accept(args, printer),
        What::Move(args) => moves::go(args, printer),
        What::Report(args) => report::report(args, printer),
        What::Db(args) => db::db(args, printer),
        What::Scan(args) => scan::scan(args, printer),
        What::Exposure(args) => exposure::exposure(args, printer),
        What::Patch(args) => patch::patch(args, printer),
        What::Verify(args) => verify::verify(args, printer),
        What::Test(args) => test::test(args, printer),
    }
}
