//! Everything that is counted, folded in at once on the thread that saw it.
//!
//! A call takes a handful of additions to counters of its own shard and no lock; a scrape adds the
//! shards up and stops nobody. Cells are made by the first call that needs them and live as long as
//! the process, because a counter must not start again.

mod cells;
mod exemplar;
mod histogram;
mod otel;
mod rate;
mod replicas;
mod shard;
mod slo;
mod status;

pub(crate) use cells::ServerCells;
pub(crate) use exemplar::Exemplar;
pub(crate) use histogram::Totals;
pub(crate) use otel::transport as transport_label;
pub(crate) use rate::Rates;
pub(crate) use replicas::ProcTotals;
pub(crate) use shard::Sharded;
pub(crate) use slo::{Slos, Slots};

use arc_swap::ArcSwap;
use histogram::HEALTH_NS;
use ph_plan::{Slo, SloName};
use ph_record::{
    CallRecord, Ending, EventKind, ProcSample, RefusedReason, ServerEvent, ServerIdx, ServerTable,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// All counters of the process.
#[derive(Debug)]
pub(crate) struct Registry {
    table: Arc<ServerTable>,
    /// Two levels, so that the 65,536 possible servers cost nothing until they exist.
    blocks: Box<[OnceLock<Box<Block>>; BLOCKS]>,
    /// Service level objectives.
    slos: ArcSwap<Slos>,
    /// Refusals that no server could be told for.
    refused: [AtomicU64; RefusedReason::ALL.len()],
    /// Calls whose status was counted as 400 or 500 for want of room.
    statuses_folded: AtomicU64,
    /// Whether the OTel histogram is kept.
    otel: AtomicBool,
    /// Plans that were loaded and rejected; the first load is the start, no reload.
    plans_loaded: AtomicU64,
    plans_rejected: AtomicU64,
    plan_rejected_ns: AtomicU64,
}

const BLOCKS: usize = 256;
type Block = [OnceLock<Box<ServerCells>>; BLOCKS];

impl Registry {
    /// An empty registry for the servers of `table`.
    pub(crate) fn new(table: Arc<ServerTable>) -> Self {
        Self {
            table,
            blocks: Box::new([const { OnceLock::new() }; BLOCKS]),
            slos: ArcSwap::from_pointee(Slos::new(&BTreeMap::new(), None)),
            refused: Default::default(),
            statuses_folded: AtomicU64::new(0),
            otel: AtomicBool::new(false),
            plans_loaded: AtomicU64::new(0),
            plans_rejected: AtomicU64::new(0),
            plan_rejected_ns: AtomicU64::new(0),
        }
    }

    /// The servers that labels are made of.
    pub(crate) fn table(&self) -> &ServerTable {
        &self.table
    }

    /// Switches the OTel histogram on or off; what was counted stays.
    pub(crate) fn set_otel(&self, on: bool) {
        self.otel.store(on, Relaxed);
    }

    /// Counts for these objectives from now on; those that are there already go on.
    pub(crate) fn set_slos(&self, slos: &BTreeMap<SloName, Slo>) {
        let before = self.slos.load();
        self.slos
            .store(Arc::new(Slos::new(slos, Some(before.as_ref()))));
    }

    /// The objectives that are counted for.
    pub(crate) fn slos(&self) -> Arc<Slos> {
        self.slos.load_full()
    }

    /// Counts a call.
    pub(crate) fn call(&self, record: &CallRecord) {
        let cells = self.server(record.server);
        if !cells.fold(record) {
            self.statuses_folded.fetch_add(1, Relaxed);
        }
        if let Ending::Refused(reason) = record.ending {
            cells.refused[reason as usize].fetch_add(1, Relaxed);
        }
        if let Some(limited) = &record.limited {
            cells.limited(limited);
        }
        if self.otel.load(Relaxed) && !record.is_stream {
            cells.otel.fold(record);
        }
        self.slos.load().call(&self.table, record);
    }

    /// Counts what happened to a server.
    pub(crate) fn event(&self, event: &ServerEvent) {
        match (&event.kind, event.server) {
            (EventKind::Restart { reason, .. }, Some(server)) => {
                self.server(server)
                    .replicas
                    .restarted(event.replica, *reason);
            }
            (
                EventKind::ChildExited {
                    over_memory: true, ..
                },
                Some(server),
            ) => {
                self.server(server).replicas.was_over_memory(event.replica);
            }
            (
                EventKind::Health {
                    result,
                    duration_ns,
                    ..
                },
                Some(server),
            ) => {
                let cells = self.server(server);
                cells.health[*result as usize].fetch_add(1, Relaxed);
                cells.health_seconds.observe(&HEALTH_NS, *duration_ns);
                self.slos.load().health(&self.table, server, *result);
            }
            // Where a server is known, its `Live` has counted it already.
            (EventKind::Refused { reason, .. }, None) => {
                self.refused[*reason as usize].fetch_add(1, Relaxed);
            }
            (EventKind::ToolDefinition { change, .. }, Some(server)) => {
                self.server(server).tool_changes[*change as usize].fetch_add(1, Relaxed);
            }
            (EventKind::PlanLoaded { .. }, _) => {
                self.plans_loaded.fetch_add(1, Relaxed);
                self.plan_rejected_ns.store(0, Relaxed);
            }
            (EventKind::PlanRejected { .. }, _) => {
                self.plans_rejected.fetch_add(1, Relaxed);
                // Since the first of several in a row.
                let first = event.at_unix_ns.max(1);
                let _later = self
                    .plan_rejected_ns
                    .compare_exchange(0, first, Relaxed, Relaxed);
            }
            (
                EventKind::ChildStarted { .. }
                | EventKind::ChildExited { .. }
                | EventKind::CrashLoop { .. }
                | EventKind::Restart { .. }
                | EventKind::Health { .. }
                | EventKind::Refused { .. }
                | EventKind::Alert { .. }
                | EventKind::Anomaly(_)
                | EventKind::ToolDefinition { .. }
                | EventKind::ToolApproved { .. }
                | EventKind::StoreFailing { .. }
                | EventKind::StoreRecovered { .. }
                | EventKind::Note { .. },
                _,
            ) => {}
        }
    }

    /// Takes a sample of a server's processes.
    pub(crate) fn sample(&self, sample: &ProcSample) {
        self.server(sample.server).replicas.sample(sample);
    }

    /// The cells of a server, made when they are new.
    pub(crate) fn server(&self, idx: ServerIdx) -> &ServerCells {
        let [block, at] = idx.0.to_be_bytes().map(usize::from);
        let block =
            self.blocks[block].get_or_init(|| Box::new([const { OnceLock::new() }; BLOCKS]));
        block[at].get_or_init(Default::default)
    }

    /// The cells of a server, if it has any.
    pub(crate) fn seen(&self, idx: ServerIdx) -> Option<&ServerCells> {
        let [block, at] = idx.0.to_be_bytes().map(usize::from);
        Some(&**self.blocks[block].get()?[at].get()?)
    }

    /// Refusals that no server could be told for, by reason.
    pub(crate) fn refused(&self) -> [u64; RefusedReason::ALL.len()] {
        std::array::from_fn(|i| self.refused[i].load(Relaxed))
    }

    /// Calls whose status was counted as 400 or 500.
    pub(crate) fn statuses_folded(&self) -> u64 {
        self.statuses_folded.load(Relaxed)
    }

    /// Reloads that worked, reloads that were rejected, and since when the last ones are (Unix nanoseconds); 0
    /// when the last one worked.
    pub(crate) fn plans(&self) -> (u64, u64, u64) {
        let loaded = self.plans_loaded.load(Relaxed).saturating_sub(1);
        (
            loaded,
            self.plans_rejected.load(Relaxed),
            self.plan_rejected_ns.load(Relaxed),
        )
    }
}
