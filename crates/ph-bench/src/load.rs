//! The load generator: calls one tool again and again and checks every answer.
//!
//! *Closed loop*: each connection sends its next call when the last one was
//! answered; it shows throughput. *Open loop*: calls are due at a fixed rate and
//! their latency counts from the moment they were due, whether or not a
//! connection was free then; it shows what a user waits (no coordinated
//! omission). Ids and texts differ from call to call, so an answer that went to
//! the wrong caller is an error.
//!
//! A run has phases: open the sessions, warm up, measure, close the sessions.
//! With `gate` it stops before and after the measured phase until its caller
//! says so, who reads the gateway's CPU clock in between.

mod check;
mod client;
mod closed;
mod open;
mod request;
mod tally;

use anyhow::{Context as _, bail, ensure};
use client::Client;
use request::Plan;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
pub use tally::Report;

/// How long a single answer may take, and how long the last calls of a phase
/// are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections of one generator.
const CONNECTIONS_MAX: usize = 4096;

/// What to send where.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Endpoint: `http://127.0.0.1:PORT/PATH`.
    #[arg(long)]
    pub url: String,
    /// Whether to open a session or to call statelessly.
    #[arg(long, value_enum, default_value = "legacy")]
    pub era: Era,
    /// Connections; in the legacy era each has a session of its own.
    #[arg(long, default_value_t = 16)]
    pub connections: usize,
    /// Length of the text that `echo` sends and gets back.
    #[arg(long, default_value_t = 100)]
    pub echo_bytes: usize,
    /// Call `blob` for an answer of this length instead of `echo`.
    #[arg(long)]
    pub blob_bytes: Option<usize>,
    /// Call `records` for JSON lines in a text, about this long.
    #[arg(long, conflicts_with = "blob_bytes")]
    pub records_bytes: Option<usize>,
    /// Calls per second in open loop; closed loop without it.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Length of the measured phase.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// Length of the phase before, whose calls are checked but not timed.
    #[arg(long, default_value_t = 0.0)]
    pub warmup_seconds: f64,
    /// End a closed loop after this many measured calls, if it is not over before.
    #[arg(long)]
    pub calls_max: Option<u64>,
    /// A further header of each request, `NAME: VALUE`; repeatable.
    #[arg(long)]
    pub header: Vec<String>,
    /// Do not DELETE the sessions at the end.
    #[arg(long)]
    pub keep_sessions: bool,
    /// Print an event and wait for a line on stdin before and after the measured phase.
    #[arg(long)]
    pub gate: bool,
}

/// How the client opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Era {
    /// `initialize`, then calls with the session's id.
    Legacy,
    /// Calls that carry their protocol version.
    Modern,
}

/// Runs all phases; blocks until the last answer is in.
///
/// # Errors
/// When the options make no sense or a session cannot be opened. Calls that
/// fail are no error here: they are in the report.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    ensure!(
        (1..=CONNECTIONS_MAX).contains(&options.connections),
        "`connections` is not between 1 and {CONNECTIONS_MAX}"
    );
    let plan = Arc::new(plan(options)?);
    let pace = Pace::of(options)?;
    let mut report = Report::default();
    let mut clients = (0..options.connections)
        .map(|_| Client::open(&plan, &mut report.sent))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|failure| anyhow::anyhow!("cannot open a session: {}", failure.label()))?;

    let ids = Arc::<Ids>::default();
    if options.warmup_seconds > 0.0 {
        let length = Length::seconds(options.warmup_seconds)?;
        clients = pace.phase(clients, length, &ids, &mut report)?;
        report.forget_times();
    }
    gate(options, "ready")?;
    let length = Length {
        calls_max: options.calls_max.unwrap_or(u64::MAX),
        ..Length::seconds(options.seconds)?
    };
    clients = pace.phase(clients, length, &ids, &mut report)?;
    gate(options, "ran")?;
    if !options.keep_sessions {
        for client in clients {
            client.close(&mut report);
        }
    }
    Ok(report)
}

/// How long a phase lasts.
#[derive(Clone, Copy)]
struct Length {
    time: Duration,
    calls_max: u64,
}

impl Length {
    fn seconds(seconds: f64) -> anyhow::Result<Self> {
        let time = Duration::try_from_secs_f64(seconds).context("not a length in seconds")?;
        ensure!(time <= Duration::from_secs(3600), "longer than an hour");
        Ok(Self {
            time,
            calls_max: u64::MAX,
        })
    }
}

enum Pace {
    Closed,
    Open { per_second: f64 },
}

impl Pace {
    fn of(options: &Options) -> anyhow::Result<Self> {
        match options.rate {
            None => Ok(Self::Closed),
            Some(_) if options.calls_max.is_some() => {
                bail!("an open loop is ended by time, not by calls")
            }
            Some(rate) if rate.is_finite() && rate > 0.0 => Ok(Self::Open { per_second: rate }),
            Some(rate) => bail!("`{rate}` is not a rate"),
        }
    }

    fn phase(
        &self,
        clients: Vec<Client>,
        length: Length,
        ids: &Arc<Ids>,
        report: &mut Report,
    ) -> anyhow::Result<Vec<Client>> {
        match self {
            Self::Closed => closed::phase(clients, length, ids, report),
            Self::Open { per_second } => open::phase(clients, length, *per_second, ids, report),
        }
    }
}

/// Request ids of one run: ten digits, no two alike.
struct Ids(AtomicU64);

impl Default for Ids {
    fn default() -> Self {
        Self(AtomicU64::new(1_000_000_000))
    }
}

impl Ids {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

fn plan(options: &Options) -> anyhow::Result<Plan> {
    let rest = options
        .url
        .strip_prefix("http://")
        .context("the URL is not http://…")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address: SocketAddr = host.parse().context("the URL's host is not ADDRESS:PORT")?;
    ensure!(address.ip().is_loopback(), "load is only sent to loopback");
    let tool = match (options.blob_bytes, options.records_bytes) {
        (Some(bytes), _) => request::Tool::Blob { bytes },
        (None, Some(bytes)) => request::Tool::Records { bytes },
        (None, None) => request::Tool::Echo {
            bytes: options.echo_bytes,
        },
    };
    ensure!(
        options.header.iter().all(|line| is_header(line)),
        "a header is not `NAME: VALUE` in visible ASCII"
    );
    let more = options.header.iter().map(|line| format!("{line}\r\n"));
    let path = format!("/{path}");
    Ok(Plan::new(address, &path, options.era, tool, more.collect()))
}

fn is_header(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(name, value)| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && value.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
    })
}

fn gate(options: &Options, event: &str) -> anyhow::Result<()> {
    if !options.gate {
        return Ok(());
    }
    crate::output::line(&format!(r#"{{"event":"{event}"}}"#))?;
    let bytes = std::io::stdin().lock().read_line(&mut String::new())?;
    ensure!(bytes > 0, "the caller left at the gate");
    Ok(())
}
