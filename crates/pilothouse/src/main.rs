//! The `pilothouse` binary: flags, output, exit codes. What it does is in the crates below.

mod alerts;
mod ask;
mod blocks;
mod check;
mod cli;
mod cost;
mod crash;
mod demo;
mod generate;
mod keys;
mod logs;
mod notify;
mod own;
mod policy;
mod printer;
mod query;
#[cfg(test)]
mod reference;
mod rule_files;
mod rules;
mod run;
mod secrets;
mod servers;
mod shell;
mod silence;
mod slo;
mod sources;
mod store;
mod terminal;
mod tools;
mod top;
mod trace;
mod vuln;
mod workbench;

use clap::Parser;
use cli::{Cli, Command};
use printer::Printer;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit codes, the same for every command.
pub(crate) mod exit {
    /// Done.
    pub(crate) const DONE: u8 = 0;
    /// A check failed, or something was found.
    pub(crate) const FOUND: u8 = 1;
    /// Wrong usage, or a failure.
    pub(crate) const FAILED: u8 = 2;
    /// Nothing, or not everything, could be looked at: neither found nor not found.
    pub(crate) const COULD_NOT_CHECK: u8 = 3;
}

fn main() -> ExitCode {
    // Hidden, and before anything else: this process is then only the reaper.
    if std::env::args_os().nth(1).is_some_and(|a| a == "__reaper") {
        return ph_wire::reaper::reaper_main(std::io::stdin().lock());
    }
    crash::install();
    let cli = Cli::parse();
    let printer = Printer::new();
    let done = match cli.command {
        Command::Run(args) => run::run(*args, &printer),
        Command::Check(args) => check::check(&args, &printer),
        Command::Generate(args) => generate::generate(&args, &printer),
        Command::Schema => check::schema(&printer),
        Command::Query(args) => query::query(&args, &printer),
        Command::Logs(args) => logs::logs(&args, &printer),
        Command::Trace(args) => trace::trace(&args, &printer),
        Command::Alerts(args) => alerts::alerts(&args, &printer),
        Command::Silence(args) => silence::silence(&args, &printer),
        Command::Blocks(args) => blocks::blocks(&args, &printer),
        Command::Keys(args) => keys::keys(&args, &printer),
        Command::Tools(args) => tools::tools(&args, &printer),
        Command::Top(args) => top::top(&args, &printer),
        Command::Servers(args) => servers::servers(&args, &printer),
        Command::Scale(args) => servers::scale(&args, &printer),
        Command::Restart(args) => servers::restart(&args, &printer),
        Command::Drain(args) => servers::drain(&args, &printer),
        Command::Replace(args) => servers::replace(&args, &printer),
        Command::Rules(args) => rules::rules(&args, &printer),
        Command::Slo(args) => slo::slo(&args, &printer),
        Command::Policy(args) => policy::policy(&args, &printer),
        Command::Vuln(args) => vuln::vuln(&args, &printer),
        Command::Cost(args) => cost::cost(&args, &printer),
        Command::Store(args) => store::store(&args, &printer),
        Command::Demo(args) => demo::demo(&args, &printer),
        Command::Own(args) => own::own(&args, &printer),
        Command::Completions(args) => shell::completions(&args, &printer),
        Command::Man(args) => shell::man(&args, &printer),
        Command::Workbench(args) => workbench::serve(args),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            printer.error(&error);
            let is_unknown = error.is::<ask::CouldNotAsk>();
            ExitCode::from(if is_unknown {
                exit::COULD_NOT_CHECK
            } else {
                exit::FAILED
            })
        }
    }
}
