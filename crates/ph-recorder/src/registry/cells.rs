//! What is counted of one server.

use super::exemplar::{Exemplar, ExemplarSlot};
use super::histogram::{
    BYTES, BYTES_BUCKETS, CALL_BUCKETS, CALL_NS, HEALTH_BUCKETS, Histogram, OVERHEAD_BUCKETS,
    OVERHEAD_NS, Totals, bucket_of,
};
use super::otel::OtelCells;
use super::replicas::Replicas;
use super::shard::Sharded;
use super::status::{KNOWN, RareStatuses, folded, known};
use ph_base::Method;
use ph_record::{
    CallRecord, HealthResult, LimitIdx, LimitLabel, LimitTable, Limited, Outcome, RefusedReason,
    ToolChange, ToolIdx, ToolTable,
};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one (method, tool), allocated by its first call.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    shards: Sharded<CellShard>,
    rare: RareStatuses,
    exemplars: OnceLock<Box<[ExemplarSlot; CALL_BUCKETS]>>,
}

#[derive(Debug, Default)]
struct CellShard {
    statuses: [AtomicU64; KNOWN.len()],
    outcomes: [AtomicU64; Outcome::ALL.len()],
    seconds: Histogram<CALL_BUCKETS>,
}

impl Cell {
    /// Counts one call; `false` when its status had to be counted as 400 or 500.
    fn fold(&self, record: &CallRecord) -> bool {
        let shard = self.shards.mine();
        shard.outcomes[record.verdict.outcome as usize].fetch_add(1, Relaxed);
        if !record.is_stream {
            shard.seconds.observe(&CALL_NS, record.duration_ns);
        }
        let status = record.verdict.status;
        if let Some(at) = known(status) {
            shard.statuses[at].fetch_add(1, Relaxed);
            return true;
        }
        if self.rare.add(status) {
            return true;
        }
        let at =
            known(folded(status)).expect("400 and 500 are known, as the tests of `status` hold");
        shard.statuses[at].fetch_add(1, Relaxed);
        false
    }

    /// Statuses seen and their counts, in order of status.
    pub(crate) fn statuses(&self) -> Vec<(u16, u64)> {
        let sum = |i: usize| {
            self.shards
                .all()
                .map(|s| s.statuses[i].load(Relaxed))
                .sum::<u64>()
        };
        let mut all: Vec<_> = KNOWN
            .iter()
            .enumerate()
            .map(|(i, status)| (*status, sum(i)))
            .collect();
        all.retain(|(_, count)| *count > 0);
        all.extend(self.rare.read());
        all.sort_unstable();
        all
    }

    /// Calls by outcome.
    pub(crate) fn outcomes(&self) -> [u64; Outcome::ALL.len()] {
        std::array::from_fn(|i| self.shards.all().map(|s| s.outcomes[i].load(Relaxed)).sum())
    }

    /// Durations of calls that are no streams.
    pub(crate) fn seconds(&self) -> Totals<CALL_BUCKETS> {
        Totals::of(self.shards.all().map(|s| &s.seconds))
    }

    /// Shows `exemplar` in the bucket of its value.
    pub(crate) fn show(&self, exemplar: &Exemplar) {
        self.exemplars.get_or_init(Default::default)[bucket_of(&CALL_NS, exemplar.value_ns)]
            .write(exemplar);
    }

    /// The exemplar of each bucket.
    pub(crate) fn exemplars(&self) -> [Option<Exemplar>; CALL_BUCKETS] {
        let slots = self.exemplars.get();
        std::array::from_fn(|i| slots.and_then(|slots| slots[i].read()))
    }
}

/// Everything counted of one server.
#[derive(Debug)]
pub(crate) struct ServerCells {
    /// By method; that of `tools/call` stays empty.
    methods: [OnceLock<Box<Cell>>; Method::COUNT],
    /// `tools/call` by tool.
    tools: [OnceLock<Box<Cell>>; TOOLS],
    shards: Sharded<ServerShard>,
    /// Calls refused, by reason; what was refused before it was a call is in the server's `Live`.
    pub(crate) refused: [AtomicU64; RefusedReason::ALL.len()],
    /// Tools that are no longer what was accepted, by kind.
    pub(crate) tool_changes: [AtomicU64; ToolChange::ALL.len()],
    /// By limit: calls it refused, and calls it would have refused.
    limited: OnceLock<Box<[[AtomicU64; 2]; LimitTable::COUNT]>>,
    /// Health checks by result.
    pub(crate) health: [AtomicU64; HealthResult::ALL.len()],
    /// How long they took.
    pub(crate) health_seconds: Histogram<HEALTH_BUCKETS>,
    /// Processes.
    pub(crate) replicas: Replicas,
    /// The OTel histogram, while it is switched on.
    pub(crate) otel: OtelCells,
    /// Bits of the calls per second, written by the recorder's thread each second.
    pub(crate) calls_per_second: AtomicU64,
}

const TOOLS: usize = ToolTable::MAX + 2;

#[derive(Debug, Default)]
struct ServerShard {
    request_bytes: Histogram<BYTES_BUCKETS>,
    response_bytes: Histogram<BYTES_BUCKETS>,
    overhead: Histogram<OVERHEAD_BUCKETS>,
}

impl Default for ServerCells {
    fn default() -> Self {
        Self {
            methods: [const { OnceLock::new() }; Method::COUNT],
            tools: [const { OnceLock::new() }; TOOLS],
            shards: Sharded::default(),
            refused: Default::default(),
            tool_changes: Default::default(),
            limited: OnceLock::new(),
            health: Default::default(),
            health_seconds: Histogram::default(),
            replicas: Replicas::default(),
            otel: OtelCells::default(),
            calls_per_second: AtomicU64::new(0),
        }
    }
}

impl ServerCells {
    /// Counts one call; `false` when its status had to be counted as 400 or 500.
    pub(crate) fn fold(&self, record: &CallRecord) -> bool {
        let shard = self.shards.mine();
        shard.request_bytes.observe(&BYTES, record.request_bytes);
        shard.response_bytes.observe(&BYTES, record.response_bytes);
        if !record.is_stream {
            shard.overhead.observe(&OVERHEAD_NS, record.overhead_ns);
        }
        self.cell(record.method, record.tool).fold(record)
    }

    /// Counts what limits had to say about a call.
    pub(crate) fn limited(&self, limited: &Limited) {
        let cells = self
            .limited
            .get_or_init(|| Box::new(std::array::from_fn(|_| Default::default())));
        let count = |label: &LimitLabel, which: usize| {
            if let Some(cell) = cells.get(usize::from(label.idx.0)) {
                cell[which].fetch_add(1, Relaxed);
            }
        };
        limited.by.iter().for_each(|label| count(label, 0));
        limited.dry_run.iter().for_each(|label| count(label, 1));
    }

    /// Each limit with the calls it refused, and those it would have refused.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (LimitIdx, [u64; 2])> {
        let cells = self
            .limited
            .get()
            .into_iter()
            .flat_map(|cells| cells.iter());
        (0_u8..).zip(cells).map(|(at, cell)| {
            let counts = [cell[0].load(Relaxed), cell[1].load(Relaxed)];
            (LimitIdx(at), counts)
        })
    }

    /// The cell of a method and tool. A tool index outside the table counts as `other`.
    pub(crate) fn cell(&self, method: Method, tool: ToolIdx) -> &Cell {
        let slot = match method {
            Method::ToolsCall => {
                let other = usize::from(ToolIdx::OTHER.0);
                self.tools
                    .get(usize::from(tool.0))
                    .unwrap_or(&self.tools[other])
            }
            _ => &self.methods[method as usize],
        };
        slot.get_or_init(Default::default)
    }

    /// Every cell that has counted a call, methods first.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (Method, ToolIdx, &Cell)> {
        let methods = self.methods.iter().zip(Method::ALL);
        let methods =
            methods.filter_map(|(cell, method)| Some((*method, ToolIdx::NONE, &**cell.get()?)));
        methods.chain(
            self.tool_cells()
                .map(|(tool, cell)| (Method::ToolsCall, tool, cell)),
        )
    }

    /// The cells of tools that were called.
    pub(crate) fn tool_cells(&self) -> impl Iterator<Item = (ToolIdx, &Cell)> {
        (0..)
            .zip(&self.tools)
            .filter_map(|(i, cell)| Some((ToolIdx(i), &**cell.get()?)))
    }

    /// Sizes of requests; one value for every call.
    pub(crate) fn request_bytes(&self) -> Totals<BYTES_BUCKETS> {
        Totals::of(self.shards.all().map(|s| &s.request_bytes))
    }

    /// Sizes of answers.
    pub(crate) fn response_bytes(&self) -> Totals<BYTES_BUCKETS> {
        Totals::of(self.shards.all().map(|s| &s.response_bytes))
    }

    /// Time spent in Pilothouse.
    pub(crate) fn overhead(&self) -> Totals<OVERHEAD_BUCKETS> {
        Totals::of(self.shards.all().map(|s| &s.overhead))
    }
}
