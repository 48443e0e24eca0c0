//! Flags, each with its help.

use crate::alerts::AlertsArgs;
use crate::blocks::BlocksArgs;
use crate::cost::CostArgs;
use crate::demo::DemoArgs;
use crate::generate::GenerateArgs;
use crate::keys::KeysArgs;
use crate::logs::LogsArgs;
use crate::own::SelfArgs;
use crate::policy::PolicyArgs;
use crate::query::QueryArgs;
use crate::rules::RulesArgs;
use crate::servers::{DrainArgs, ReplaceArgs, RestartArgs, ScaleArgs, ServersArgs};
use crate::shell::{CompletionsArgs, ManArgs};
use crate::silence::SilenceArgs;
use crate::slo::SloArgs;
use crate::store::StoreArgs;
use crate::tools::ToolsArgs;
use crate::top::TopArgs;
use crate::trace::TraceArgs;
use crate::vuln::VulnArgs;
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Run any MCP server in production, without changing a line of it.
#[derive(Parser)]
#[command(
    name = "pilothouse",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Stand in front of MCP servers and record every call.
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Read a configuration with its rules and say everything that is wrong; try its alerts on what was recorded.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Box<CheckArgs>),
    /// Make files for Prometheus, Alertmanager and Grafana from a configuration.
    #[command(after_help = crate::generate::EXAMPLES)]
    Generate(Box<GenerateArgs>),
    /// Print the JSON Schema of `pilothouse.yaml`.
    Schema,
    /// Show what is broken, since when and for whom, as the console's first page does.
    #[command(after_help = crate::top::EXAMPLES)]
    Top(TopArgs),
    /// Ask for numbers by PromQL: a table, or with `--since` a chart.
    #[command(after_help = crate::query::EXAMPLES)]
    Query(Box<QueryArgs>),
    /// Search the records of calls, servers and spans.
    #[command(after_help = crate::logs::EXAMPLES)]
    Logs(Box<LogsArgs>),
    /// Show one trace as a tree: where did the time go?
    #[command(after_help = crate::trace::EXAMPLES)]
    Trace(Box<TraceArgs>),
    /// List the alerts that fire or are pending.
    #[command(after_help = crate::alerts::EXAMPLES)]
    Alerts(AlertsArgs),
    /// Tell nobody of some alerts for a while.
    #[command(after_help = crate::silence::EXAMPLES)]
    Silence(SilenceArgs),
    /// List clients that are refused for what was abnormal, and let them in again.
    #[command(after_help = crate::blocks::EXAMPLES)]
    Blocks(BlocksArgs),
    /// Make, list, rotate and revoke API keys.
    #[command(after_help = crate::keys::EXAMPLES)]
    Keys(KeysArgs),
    /// Look at the tools of servers: whether they are still what was accepted, and what is suspicious about them.
    #[command(after_help = crate::tools::EXAMPLES)]
    Tools(ToolsArgs),
    /// List the servers that run and their replicas.
    Servers(ServersArgs),
    /// Set how many replicas of a server run.
    #[command(after_help = crate::servers::SCALE_EXAMPLES)]
    Scale(ScaleArgs),
    /// Put new children in the place of a server's, one after the other, without losing a call.
    Restart(RestartArgs),
    /// Give a server no new calls, or give it them again.
    Drain(DrainArgs),
    /// Let another version of a server take its place, step by step, or back.
    #[command(after_help = crate::servers::REPLACE_EXAMPLES)]
    Replace(Box<ReplaceArgs>),
    /// Check rule files of Prometheus and run their unit tests.
    #[command(after_help = crate::rules::EXAMPLES)]
    Rules(RulesArgs),
    /// Show how service levels stand: what is promised, what is left of the error budget.
    #[command(after_help = crate::slo::EXAMPLES)]
    Slo(Box<SloArgs>),
    /// Say which rule of the configuration decides who may have what.
    #[command(after_help = crate::policy::EXAMPLES)]
    Policy(Box<PolicyArgs>),
    /// Find what servers are made of that is known to be vulnerable.
    Vuln(Box<VulnArgs>),
    /// Say what servers need and what it costs, with the arithmetic.
    Cost(Box<CostArgs>),
    /// Look after what is kept on disk.
    Store(Box<StoreArgs>),
    /// Live through an incident, from the alert to the fix: about three minutes, all of it real, nothing else needed.
    #[command(after_help = crate::demo::EXAMPLES)]
    Demo(DemoArgs),
    /// Look after this program itself.
    #[command(name = "self")]
    Own(SelfArgs),
    /// Print what a shell needs to complete commands and flags.
    #[command(after_help = crate::shell::COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Write the man pages into a folder, one for each command.
    Man(ManArgs),
    /// Serve the built-in MCP server: files, SQLite and HTTP tools, each step traced.
    Workbench(WorkbenchArgs),
}

const RUN_EXAMPLES: &str = "\
Examples:
  pilothouse run -- npx -y @modelcontextprotocol/server-everything
  pilothouse run --url https://mcp.example.com/mcp
  pilothouse run --config pilothouse.yaml
  pilothouse run --config ~/.config/claude/claude_desktop_config.json";

#[derive(Args)]
pub(crate) struct RunArgs {
    /// Configuration: `pilothouse.yaml`, or an `mcpServers` file of a desktop client.
    /// Without it, a command and a URL: `./pilothouse.yaml`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "server"])]
    pub config: Option<PathBuf>,
    /// A Streamable HTTP server to stand in front of.
    #[arg(long, value_name = "URL", conflicts_with = "server")]
    pub url: Option<String>,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Loopback address of the admin listener, which has metrics and the record; port 0 takes a
    /// free one [default: 127.0.0.1 and the port after that of --listen].
    #[arg(long, value_name = "ADDR:PORT")]
    pub admin: Option<SocketAddr>,
    /// Directory of logs and state [default: $XDG_STATE_HOME/pilothouse].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Also write the log lines to standard output.
    #[arg(long)]
    pub log_stdout: bool,
    /// Threads that carry calls [default: one per core, at most 8].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// The command of a stdio server, after `--`.
    #[arg(last = true, value_name = "COMMAND")]
    pub server: Vec<String>,
}

const CHECK_EXAMPLES: &str = "\
Exits 1 when something is wrong. What alerts would have done is told and changes nothing.

Examples:
  pilothouse check
  pilothouse check pilothouse.yaml --since 30d
  pilothouse check --since 0s --json";

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The file to read.
    #[arg(value_name = "FILE", default_value = "pilothouse.yaml")]
    pub file: PathBuf,
    /// Try alerts on what was recorded from then on; 0s: do not.
    #[arg(long, value_name = "AGO", default_value = "7d")]
    pub since: String,
    /// Data directory with what was recorded, also that of a daemon that runs
    /// [default: that of the configuration, else $XDG_STATE_HOME/pilothouse].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print the result as one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub(crate) struct WorkbenchArgs {
    /// Serve Streamable HTTP here instead of stdio.
    #[arg(long, value_name = "ADDR:PORT")]
    pub http: Option<SocketAddr>,
    /// Files below this directory can be listed and read.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub root: PathBuf,
    /// SQLite file for `query`; a small demonstration database without it.
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// A host that `httpGet` may ask, instead of the loopback names; can be given several times.
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
    /// How long `searchFiles` takes to look at a file, one at a time, as on a network disk: `10ms`.
    #[arg(long, value_name = "DURATION")]
    pub stat_delay: Option<String>,
}
