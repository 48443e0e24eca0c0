//! `ph-bench`: the upstreams, the telemetry sink and the load of `bench/run`.

use anyhow::Context as _;
use clap::Parser;
use ph_bench::limits;
use ph_bench::load;
use ph_bench::mcp_server::Eras;
use ph_bench::{
    cost, otlp_sink, output, past, redact, rules, slos, store_logs, store_series, upstream_http,
    upstream_stdio, vuln,
};
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use tokio::net::TcpListener;

/// Both ends of Pilothouse's benchmarks. A development tool.
#[derive(Parser)]
#[command(name = "ph-bench", version)]
enum Command {
    /// A fast MCP server over Streamable HTTP; prints its address as JSON.
    UpstreamHttp {
        #[command(flatten)]
        listen: Listen,
        /// Eras it speaks.
        #[arg(long, value_enum, default_value = "both")]
        eras: Eras,
    },
    /// The same server over stdin and stdout.
    UpstreamStdio {
        /// Eras it speaks.
        #[arg(long, value_enum, default_value = "both")]
        eras: Eras,
    },
    /// A collector that counts spans; prints its address as JSON.
    OtlpSink(Listen),
    /// Calls a server and prints a report as JSON; exit code 1 if a call failed.
    Load(Box<load::Options>),
    /// Measures what a decision about limits on calls costs; prints a report as JSON.
    Limits(limits::Options),
    /// Measures what looking for secrets costs; prints a report as JSON.
    Redact(redact::Options),
    /// Measures a store on disk; prints a report as JSON.
    #[command(subcommand)]
    Store(Store),
    /// Measures rounds of alerting rules; prints a report as JSON.
    Rules(rules::Options),
    /// Measures indexing many advisories and matching packages with them; prints a report as JSON.
    Vuln(vuln::Options),
    /// Measures the replay of an autoscaler; prints a report as JSON.
    Cost(cost::Options),
    /// Makes a data directory with a day of calls and metrics behind it; prints what is in it as JSON.
    Past(past::Options),
    /// Measures the table of service level objectives; prints a report as JSON.
    Slos(slos::Options),
}

#[derive(clap::Subcommand)]
enum Store {
    /// Records: a million of them, and searches.
    Logs(store_logs::Options),
    /// Samples of metrics: a day of many series, a month of a few.
    Series(store_series::Options),
}

#[derive(clap::Args)]
struct Listen {
    /// Address to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

fn main() -> anyhow::Result<ExitCode> {
    match Command::parse() {
        Command::UpstreamHttp { listen, eras } => {
            listen.serve(|listener| upstream_http::serve(listener, eras))?;
        }
        Command::UpstreamStdio { eras } => {
            // The descriptor itself: the standard library's line buffer would
            // cut a batch of answers into pieces.
            let output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
            upstream_stdio::serve(std::io::stdin().lock(), output, eras)?;
        }
        Command::OtlpSink(listen) => listen.serve(otlp_sink::serve)?,
        Command::Load(options) => {
            let report = load::run(&options)?;
            output::line(&report.to_json().to_string())?;
            if report.errors() > 0 {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Limits(options) => output::line(&format!("{:#}", limits::run(&options)?))?,
        Command::Redact(options) => output::line(&format!("{:#}", redact::run(&options)?))?,
        Command::Store(Store::Logs(options)) => {
            output::line(&format!("{:#}", store_logs::run(&options)?))?;
        }
        Command::Store(Store::Series(options)) => {
            output::line(&format!("{:#}", store_series::run(&options)?))?;
        }
        Command::Vuln(options) => output::line(&format!("{:#}", vuln::run(&options)?))?,
        Command::Past(options) => output::line(&format!("{:#}", past::run(&options)?))?,
        Command::Cost(options) => output::line(&format!("{:#}", cost::run(&options)?))?,
        Command::Slos(options) => output::line(&format!("{:#}", slos::run(&options)?))?,
        Command::Rules(options) => {
            let report = rules::run(&options)?;
            output::line(&format!("{report:#}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Listen {
    fn serve<F: Future<Output = std::io::Result<()>>>(
        &self,
        serve: impl FnOnce(TcpListener) -> F,
    ) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind(self.listen)
                .await
                .with_context(|| format!("cannot listen on {}", self.listen))?;
            output::line(&format!(r#"{{"listening":"{}"}}"#, listener.local_addr()?))?;
            Ok(serve(listener).await?)
        })
    }
}
