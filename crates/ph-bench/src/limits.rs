//! Limits on calls: what a decision costs when many clients are remembered.
//!
//! A decision is what the relay does for each call: look for the limits that are for it, hash what they
//! count by, take from all of them. Clients come in an order made from one seed.

use crate::stopwatch::Stopwatch;
use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use ph_plan::{NoSecrets, Plan};
use ph_policy::{Asked, ClientId, Limits, Now};
use ph_record::ServerTable;
use ph_relay::LocalStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// What to measure with.
#[derive(clap::Args)]
pub struct Options {
    /// Clients that are remembered.
    #[arg(long, default_value_t = 1_000_000)]
    clients: u32,
    /// Decisions of each thread.
    #[arg(long, default_value_t = 2_000_000)]
    decisions: u32,
    /// Threads that decide at once.
    #[arg(long, default_value_t = 1)]
    threads: u32,
}

/// No limit, one, and three: per client, per client and tool, and one of all calls.
const PLANS: [(&str, &str); 4] = [
    ("none", "{}"),
    ("one", "{a: {rate: 1000000/s}}"),
    (
        "three",
        "{a: {rate: 1000000/s}, b: {per: [client, tool], tools: [\"search*\"], rate: 1000000/s}, c: {per: [], rate: 1000000/s}}",
    ),
    (
        "three_by_client",
        "{a: {rate: 1/h}, b: {tools: [searchFiles], rate: 1/h}, c: {per: [client, server], rate: 1/h}}",
    ),
];

/// Runs all of it; the report is one JSON object.
///
/// # Errors
/// A plan is none, or a thread panics.
pub fn run(options: &Options) -> Result<Value> {
    let mut report = serde_json::Map::new();
    for (name, limits) in PLANS {
        report.insert(name.to_owned(), measured(limits, options)?);
    }
    Ok(report.into())
}

fn measured(limits: &str, options: &Options) -> Result<Value> {
    let text = format!("limits: {limits}\nservers: {{files: {{command: x}}}}\n");
    let (plan, _) = Plan::from_yaml(&text, &NoSecrets).map_err(|_| anyhow!("no plan: {limits}"))?;
    let limits = Limits::new(&plan);
    let counts = Arc::new(ServerTable::default());
    let store = LocalStore::new(LocalStore::BYTES_MAX, Arc::clone(&counts));
    let started = Instant::now();
    for client in 0..options.clients {
        decide(&limits, &store, client, started);
    }
    let clients = options.clients.max(1);
    let one = |thread: u32| {
        let mut seed = 0x9e37_79b9_u32.wrapping_mul(thread + 1) | 1;
        let mut took = Histogram::<u64>::new(3)?;
        let mut refused = 0_u32;
        let watch = Stopwatch::start();
        for nth in 0..options.decisions {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            // One in 16 is timed on its own: the clock costs a good part of what it measures.
            let timed = (nth % 16 == 0).then(Instant::now);
            refused += u32::from(!decide(&limits, &store, seed % clients, started));
            if let Some(timed) = timed {
                took.saturating_record(u64::try_from(timed.elapsed().as_nanos())?);
            }
        }
        let mean = watch.ns() / f64::from(options.decisions.max(1));
        anyhow::Ok(json!({
            "mean_ns": mean.round(),
            "p50_ns": took.value_at_quantile(0.5),
            "p99_ns": took.value_at_quantile(0.99),
            "refused": refused,
        }))
    };
    let threads: Result<Vec<Value>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|thread| scope.spawn(move || one(thread)))
            .collect();
        let ends = threads.into_iter().map(|t| t.join());
        ends.map(|end| end.map_err(|_| anyhow!("a thread panicked"))?)
            .collect()
    });
    Ok(json!({
        "threads": threads?,
        "bytes": store.bytes(),
        "subjects": counts.limits.subjects.load(Relaxed),
        "overflowed": counts.limits.overflowed.load(Relaxed),
    }))
}

/// Whether a call of `client` may go on.
fn decide(limits: &Limits, store: &LocalStore, client: u32, started: Instant) -> bool {
    if limits.is_empty() {
        return true;
    }
    let asked = Asked {
        client: ClientId::V4(client),
        server: "files",
        method: "tools/call",
        tool: Some("searchFiles"),
        is_stream: false,
    };
    let ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let now = Now {
        ns,
        unix_s: ns / 1_000_000_000,
    };
    let charges = limits.decide(&asked);
    store.decide(&charges.enforced, now).is_ok()
}
