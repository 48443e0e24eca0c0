//! `mcp_slo_events_total`: good and bad events of every service level objective.
//!
//! Which objectives a call is an event of is looked up by index: names are compared once for each server
//! and each tool, patterns of clients once per call of an objective that has one.

use super::shard::Sharded;
use ph_plan::{Glob, Objective, Slo, SloName, ToolErrors};
use ph_record::{
    CallRecord, Direction, Ending, HealthResult, Outcome, Server, ServerIdx, ServerTable, ToolIdx,
    ToolTable,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The objectives of one configuration, with what is looked up of them.
#[derive(Debug)]
pub(crate) struct Slos {
    active: Box<[Active]>,
    /// By server; two levels, as the registry's own.
    servers: Box<[OnceLock<Box<Block>>; BLOCKS]>,
}

const BLOCKS: usize = 256;
type Block = [OnceLock<Box<[Matched]>>; BLOCKS];

#[derive(Debug)]
struct Active {
    name: SloName,
    slo: Slo,
    threshold_ns: u64,
    counts: Arc<Counts>,
}

/// What is counted of one objective; goes on across a reload as long as its name stays.
#[derive(Debug, Default)]
struct Counts(Sharded<Shard>);

#[derive(Debug, Default)]
struct Shard {
    /// By source, then by result.
    events: [[AtomicU64; 2]; 2],
    /// For throughput: calls that ended, and those of them that were served.
    ended: AtomicU64,
    served: AtomicU64,
}

/// An objective that calls of a server may be events of.
#[derive(Debug)]
struct Matched {
    nth: usize,
    /// By tool, where tools are chosen: [`UNKNOWN`], [`OUT`] or [`IN`].
    tools: Option<Box<[AtomicU8; TOOLS]>>,
}

const TOOLS: usize = ToolTable::MAX + 2;
const UNKNOWN: u8 = 0;
const OUT: u8 = 1;
const IN: u8 = 2;

/// What told of an event; the `source` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A call.
    Demand,
    /// A health check.
    Probe,
}

impl Source {
    pub(crate) fn as_label(self) -> &'static str {
        match self {
            Self::Demand => "demand",
            Self::Probe => "probe",
        }
    }
}

/// The `result` label, in index order.
const RESULTS: [&str; 2] = ["good", "bad"];

impl Slos {
    /// - `before`: whose counts go on.
    pub(crate) fn new(slos: &BTreeMap<SloName, Slo>, before: Option<&Self>) -> Self {
        let counts = |name: &SloName| {
            let before = before.into_iter().flat_map(|before| &before.active);
            let same = before.into_iter().find(|active| active.name == *name);
            same.map_or_else(Arc::default, |active| Arc::clone(&active.counts))
        };
        let active = slos.iter().map(|(name, slo)| Active {
            name: name.clone(),
            slo: slo.clone(),
            threshold_ns: u64::try_from(slo.threshold.as_nanos()).unwrap_or(u64::MAX),
            counts: counts(name),
        });
        Self {
            active: active.collect(),
            servers: Box::new([const { OnceLock::new() }; BLOCKS]),
        }
    }

    /// Counts a call for every objective that it is an event of.
    pub(crate) fn call(&self, table: &ServerTable, record: &CallRecord) {
        // What a caller did wrong, or gave up, says nothing of the server.
        let is_callers = (400..500).contains(&record.verdict.status);
        if is_callers || record.direction == Direction::ToClient {
            return;
        }
        for matched in self.of(table, record.server) {
            let active = &self.active[matched.nth];
            if matched.takes(&active.slo, table, record) {
                active.count(record);
            }
        }
    }

    /// Counts a health check for every objective of availability that it is an event of.
    pub(crate) fn health(&self, table: &ServerTable, server: ServerIdx, result: HealthResult) {
        for matched in self.of(table, server) {
            let active = &self.active[matched.nth];
            if active.counts_probes() {
                active
                    .counts
                    .add(Source::Probe, result == HealthResult::Ok, 1);
            }
        }
    }

    /// Every series there is: those of an objective are all there from the start, at 0.
    pub(crate) fn read(&self, mut each: impl FnMut([&str; 3], u64)) {
        for active in &self.active {
            for source in [Source::Demand, Source::Probe] {
                if source == Source::Probe && !active.counts_probes() {
                    continue;
                }
                for (at, result) in RESULTS.into_iter().enumerate() {
                    let count = active.counts.sum(|s| &s.events[source as usize][at]);
                    each([active.name.as_str(), source.as_label(), result], count);
                }
            }
        }
    }

    /// The objectives that calls of `server` may be events of.
    fn of(&self, table: &ServerTable, server: ServerIdx) -> &[Matched] {
        let [block, at] = server.0.to_be_bytes().map(usize::from);
        let block =
            self.servers[block].get_or_init(|| Box::new([const { OnceLock::new() }; BLOCKS]));
        block[at].get_or_init(|| self.matched(table.get(server).as_deref()))
    }

    fn matched(&self, server: Option<&Server>) -> Box<[Matched]> {
        let all = self.active.iter().enumerate();
        let of_server = all.filter(|(_, active)| active.slo.is_of(server));
        let matched = of_server.map(|(nth, active)| Matched {
            nth,
            tools: active
                .slo
                .tool
                .is_some()
                .then(|| Box::new([const { AtomicU8::new(UNKNOWN) }; TOOLS])),
        });
        matched.collect()
    }
}

trait OfServer {
    fn is_of(&self, server: Option<&Server>) -> bool;
}

impl OfServer for Slo {
    fn is_of(&self, server: Option<&Server>) -> bool {
        match (&self.server, server) {
            (None, _) => true,
            (Some(name), server) => server.is_some_and(|server| server.name == *name),
        }
    }
}

impl Matched {
    fn takes(&self, slo: &Slo, table: &ServerTable, record: &CallRecord) -> bool {
        let tool_fits = match (&self.tools, &slo.tool) {
            (Some(known), Some(glob)) => takes_tool(known, glob, table, record),
            _ => true,
        };
        tool_fits
            && slo
                .client
                .as_ref()
                .is_none_or(|glob| takes_client(glob, record))
    }
}

fn takes_tool(
    known: &[AtomicU8; TOOLS],
    glob: &Glob,
    table: &ServerTable,
    record: &CallRecord,
) -> bool {
    let slot = known.get(usize::from(record.tool.0));
    match (record.tool, slot) {
        (ToolIdx::NONE, _) => false,
        (ToolIdx::OTHER, _) | (_, None) => record
            .target
            .as_ref()
            .is_some_and(|tool| glob.matches(tool)),
        (tool, Some(slot)) => match slot.load(Relaxed) {
            UNKNOWN => {
                let server = table.get(record.server);
                let fits = server.is_some_and(|server| glob.matches(&server.tools.label(tool)));
                slot.store(if fits { IN } else { OUT }, Relaxed);
                fits
            }
            seen => seen == IN,
        },
    }
}

/// By the name that the client gives itself, without its version.
fn takes_client(glob: &Glob, record: &CallRecord) -> bool {
    let client = record.client.as_deref().unwrap_or_default();
    glob.matches(client.rsplit_once('/').map_or(client, |(name, _)| name))
}

impl Active {
    /// A health check is no tool's and no client's.
    fn counts_probes(&self) -> bool {
        let Slo {
            objective,
            tool,
            client,
            ..
        } = &self.slo;
        *objective == Objective::Availability && tool.is_none() && client.is_none()
    }

    /// Counts a call that is no caller's fault.
    fn count(&self, record: &CallRecord) {
        let is_answered = record.verdict.status < 500;
        match self.slo.objective {
            Objective::Availability => self.counts.add(Source::Demand, is_answered, 1),
            Objective::ErrorRate => {
                let is_tool_error = record.verdict.outcome == Outcome::ToolError
                    && self.slo.tool_errors == ToolErrors::Bad;
                self.counts
                    .add(Source::Demand, is_answered && !is_tool_error, 1);
            }
            Objective::Latency => {
                if let Some(good) = self.is_in_time(record) {
                    self.counts.add(Source::Demand, good, 1);
                }
            }
            Objective::Throughput => {
                let shard = self.counts.0.mine();
                shard.ended.fetch_add(1, Relaxed);
                shard.served.fetch_add(u64::from(is_answered), Relaxed);
            }
        }
    }

    /// `None` for what has no latency: a stream, and a call that ended without an answer.
    fn is_in_time(&self, record: &CallRecord) -> Option<bool> {
        match record.ending {
            _ if record.is_stream => None,
            Ending::Answered(_) => {
                let taken = record
                    .duration_ns
                    .saturating_sub(record.waited_on_client_ns);
                Some(taken <= self.threshold_ns)
            }
            Ending::Deadline => Some(false),
            _ => None,
        }
    }
}

impl Counts {
    fn add(&self, source: Source, good: bool, count: u64) {
        self.0.mine().events[source as usize][usize::from(!good)].fetch_add(count, Relaxed);
    }

    fn sum(&self, read: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.0.all().map(|shard| read(shard).load(Relaxed)).sum()
    }
}

/// Slots of time for throughput; owned by the recorder's thread, which looks each second.
///
/// A slot is an event when at least `rate` calls per second were asked for in it: those that ended, and
/// by how many more are in flight than before. It is good when as many were served.
#[derive(Debug)]
pub(crate) struct Slots {
    began: Instant,
    before: HashMap<SloName, Level>,
}

/// Length of a slot.
pub(crate) const SLOT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    ended: u64,
    served: u64,
    in_flight: i64,
}

impl Slots {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            before: HashMap::new(),
        }
    }

    /// Closes the slot when it is over; one that is looked at late is that much longer.
    pub(crate) fn sample(&mut self, slos: &Slos, table: &ServerTable, now: Instant) {
        let length = now.duration_since(self.began);
        if length < SLOT {
            return;
        }
        self.began = now;
        let mut levels = HashMap::new();
        let throughput = |active: &&Active| active.slo.objective == Objective::Throughput;
        for active in slos.active.iter().filter(throughput) {
            let level = active.level(table);
            // An objective that is new has nothing to be compared with: it begins with the next slot.
            if let Some(before) = self.before.get(&active.name) {
                active.close(*before, level, length);
            }
            levels.insert(active.name.clone(), level);
        }
        self.before = levels;
    }
}

impl Active {
    fn level(&self, table: &ServerTable) -> Level {
        // Which tool or client a call in flight is of is known when it ends.
        let is_whole = self.slo.tool.is_none() && self.slo.client.is_none();
        let servers = table.all();
        let servers = servers.iter().filter(|server| self.slo.is_of(Some(server)));
        let in_flight = servers.map(|server| server.live.calls_in_flight.load(Relaxed));
        Level {
            ended: self.counts.sum(|s| &s.ended),
            served: self.counts.sum(|s| &s.served),
            in_flight: if is_whole { in_flight.sum() } else { 0 },
        }
    }

    fn close(&self, before: Level, now: Level, length: Duration) {
        let needed = self.slo.rate * length.as_secs_f64();
        // A count that began anew with its objective's name leaves no slot to judge.
        let (Some(ended), Some(served)) = (
            now.ended.checked_sub(before.ended),
            now.served.checked_sub(before.served),
        ) else {
            return;
        };
        let asked = ended as f64 + (now.in_flight - before.in_flight) as f64;
        if asked >= needed {
            self.counts.add(Source::Demand, served as f64 >= needed, 1);
        }
    }
}

#[cfg(test)]
mod tests;
