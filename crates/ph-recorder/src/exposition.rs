//! The text of `/metrics`: every family of the catalogue, in its order, with the series that exist.

mod accept;
mod elsewhere;
mod number;
mod page;
mod passing;
mod store;

pub(crate) use accept::Format;

use crate::process::ProcessUse;
use crate::registry::{Registry, ServerCells};
use elsewhere::sources;
pub(crate) use number::Number;
use page::{Family, Page, Text};
pub(crate) use page::{Output, Series};
pub(crate) use passing::Passing;
use ph_record::catalogue::{self, Metric};
use ph_record::{
    AuthFailure, HealthResult, Live, Outcome, RefusedReason, RestartReason, SampleSource, Server,
    ToolChange,
};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;
pub(crate) use store::KeptTotals;
use store::store;

/// Everything a scrape shows.
pub(crate) struct Scrape<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) records: RecordTotals,
    /// `None` while nothing is exported.
    pub(crate) spans: Option<SpanTotals>,
    pub(crate) version: &'a str,
    pub(crate) started_unix_s: f64,
    /// `None` where procfs cannot be read.
    pub(crate) process: Option<ProcessUse>,
    /// `None` while nothing is kept.
    pub(crate) kept: Option<KeptTotals>,
    /// Numbers that are kept elsewhere.
    pub(crate) sources: Vec<Arc<dyn SampleSource>>,
}

/// What became of log records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordTotals {
    pub(crate) offered: u64,
    pub(crate) written: u64,
    pub(crate) dropped_queue: u64,
    pub(crate) dropped_disk: u64,
    pub(crate) dropped_stdout: u64,
    pub(crate) queued: u64,
}

/// What became of spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanTotals {
    pub(crate) offered: u64,
    pub(crate) exported: u64,
    pub(crate) dropped_queue: u64,
    pub(crate) dropped_export: u64,
}

/// The whole text in `format`.
pub(crate) fn render(scrape: &Scrape<'_>, format: Format) -> String {
    let mut text = Text::new(format);
    give(scrape, &mut text);
    text.finish()
}

/// Every series, family by family in the order of the catalogue.
pub(crate) fn give(scrape: &Scrape<'_>, out: &mut dyn Output) {
    let mut page = Page(out);
    let servers = scrape.registry.table().all();
    let all = Servers {
        registry: scrape.registry,
        servers: &servers,
    };
    calls(&mut page, &all);
    health(&mut page, &all);
    let mut family = page.family(&catalogue::SLO_EVENTS);
    let slos = scrape.registry.slos();
    slos.read(|labels, count| family.sample(&labels, count));
    processes(&mut page, &all);
    relay(&mut page, &all, scrape.registry);
    recorder(&mut page, scrape);
    if let Some(kept) = &scrape.kept {
        store(&mut page, kept);
    }
    own_process(&mut page, scrape);
    otel(&mut page, &all);
    sources(&mut page, &scrape.sources);
}

/// The servers of one scrape.
struct Servers<'a> {
    registry: &'a Registry,
    servers: &'a [Arc<Server>],
}

impl<'a> Servers<'a> {
    /// Servers that something was counted of.
    fn counted(&self) -> impl Iterator<Item = (&'a Server, &'a ServerCells)> {
        self.servers
            .iter()
            .filter_map(|s| Some((&**s, self.registry.seen(s.idx)?)))
    }

    fn live(
        &self,
        page: &mut Page<'_>,
        metric: &'static Metric,
        read: impl Fn(&Live) -> &AtomicI64,
    ) {
        let mut family = page.family(metric);
        for server in self.servers {
            family.sample(&[server.name.as_str()], read(&server.live).load(Relaxed));
        }
    }
}

fn calls(page: &mut Page<'_>, all: &Servers<'_>) {
    let mut family = page.family(&catalogue::REQUESTS);
    for (server, cells) in all.counted() {
        for (method, tool, cell) in cells.cells() {
            let tool = server.tools.label(tool);
            for (status, count) in cell.statuses() {
                let status = status.to_string();
                family.sample(
                    &[server.name.as_str(), method.as_label(), &tool, &status],
                    count,
                );
            }
        }
    }
    let mut family = page.family(&catalogue::RESPONSE_SECONDS);
    for (server, cells) in all.counted() {
        for (method, tool, cell) in cells.cells() {
            let seconds = cell.seconds();
            if seconds.count() > 0 {
                let labels = [
                    server.name.as_str(),
                    method.as_label(),
                    &server.tools.label(tool),
                ];
                family.histogram(
                    &labels,
                    &seconds.buckets,
                    Number::Nanos(seconds.sum),
                    &cell.exemplars(),
                );
            }
        }
    }
    all.live(page, &catalogue::ACTIVE_CONNECTIONS, |live| {
        &live.active_connections
    });
    let mut family = page.family(&catalogue::REQUESTS_PER_SECOND);
    for server in all.servers {
        let cells = all.registry.seen(server.idx);
        let rate = cells.map_or(0.0, |c| f64::from_bits(c.calls_per_second.load(Relaxed)));
        family.sample(&[server.name.as_str()], rate);
    }
    let mut family = page.family(&catalogue::TOOL_CALLS);
    for (server, cells) in all.counted() {
        for (tool, cell) in cells.tool_cells() {
            let tool = server.tools.label(tool);
            for (outcome, count) in Outcome::ALL.into_iter().zip(cell.outcomes()) {
                if count > 0 {
                    family.sample(&[server.name.as_str(), &tool, outcome.as_label()], count);
                }
            }
        }
    }
    let mut family = page.family(&catalogue::REQUEST_BYTES);
    per_server(&mut family, all, |c| c.request_bytes(), Number::Int);
    let mut family = page.family(&catalogue::RESPONSE_BYTES);
    per_server(&mut family, all, |c| c.response_bytes(), Number::Int);
    let mut family = page.family(&catalogue::OVERHEAD);
    per_server(&mut family, all, |c| c.overhead(), Number::Nanos);
}

/// One histogram for every server that has a value in it.
fn per_server<const B: usize>(
    family: &mut Family<'_>,
    all: &Servers<'_>,
    read: impl Fn(&ServerCells) -> crate::registry::Totals<B>,
    unit: impl Fn(u64) -> Number,
) {
    for (server, cells) in all.counted() {
        let totals = read(cells);
        if totals.count() > 0 {
            family.histogram(
                &[server.name.as_str()],
                &totals.buckets,
                unit(totals.sum),
                &[],
            );
        }
    }
}

fn health(page: &mut Page<'_>, all: &Servers<'_>) {
    let mut family = page.family(&catalogue::SERVER_UP);
    for server in all.servers {
        let up = server.live.up.load(Relaxed);
        if up >= 0 {
            family.sample(&[server.name.as_str()], up);
        }
    }
    let mut family = page.family(&catalogue::HEALTH_CHECKS);
    for (server, cells) in all.counted() {
        for (result, count) in HealthResult::ALL.into_iter().zip(&cells.health) {
            let count = count.load(Relaxed);
            if count > 0 {
                family.sample(&[server.name.as_str(), result.as_label()], count);
            }
        }
    }
    let mut family = page.family(&catalogue::HEALTH_SECONDS_HIST);
    per_server(
        &mut family,
        all,
        |c| crate::registry::Totals::of([&c.health_seconds]),
        Number::Nanos,
    );
}

fn processes(page: &mut Page<'_>, all: &Servers<'_>) {
    type Read = fn(&crate::registry::ProcTotals) -> Option<Number>;
    let families: [(&'static Metric, Read); 12] = [
        (&catalogue::CPU_SECONDS, |p| {
            Some(Number::Float(p.cpu_seconds))
        }),
        (&catalogue::RESIDENT_BYTES, |p| {
            Some(Number::Int(p.resident_bytes))
        }),
        (&catalogue::RESIDENT_PEAK_BYTES, |p| {
            Some(Number::Int(p.resident_peak_bytes))
        }),
        (&catalogue::CPU_PEAK_CORES, |p| {
            Some(Number::Float(p.cpu_peak_cores))
        }),
        (&catalogue::CPU_THROTTLED_SECONDS, |p| {
            p.throttled.map(|t| Number::Float(t.seconds))
        }),
        (&catalogue::CPU_THROTTLED_PERIODS, |p| {
            p.throttled.map(|t| Number::Int(t.periods))
        }),
        (&catalogue::CGROUP_PEAK_BYTES, |p| {
            p.cgroup_peak_bytes.map(Number::Int)
        }),
        (&catalogue::DISK_READ_BYTES, |p| {
            Some(Number::Int(p.read_bytes))
        }),
        (&catalogue::DISK_WRITTEN_BYTES, |p| {
            Some(Number::Int(p.written_bytes))
        }),
        (&catalogue::OPEN_FDS, |p| Some(Number::Int(p.open_fds))),
        (&catalogue::OPEN_FDS_RATIO, |p| {
            Some(Number::Float(p.open_fds_ratio))
        }),
        (&catalogue::PROCESSES, |p| Some(Number::Int(p.processes))),
    ];
    let replicas: Vec<_> = all
        .counted()
        .map(|(server, cells)| (server, cells.replicas.read()))
        .collect();
    for (metric, read) in families {
        let mut family = page.family(metric);
        for (server, replicas) in &replicas {
            for (replica, used) in replicas {
                if let Some(number) = used.sample.as_ref().and_then(read) {
                    family.sample(&[server.name.as_str(), replica], number);
                }
            }
        }
    }
    let mut family = page.family(&catalogue::MEMORY_KILLS);
    for (server, replicas) in &replicas {
        for (replica, used) in replicas {
            family.sample(&[server.name.as_str(), replica], used.memory_kills);
        }
    }
    let mut family = page.family(&catalogue::RESTARTS);
    for (server, replicas) in &replicas {
        for (replica, used) in replicas {
            for (reason, count) in RestartReason::ALL.into_iter().zip(used.restarts) {
                // All of them from the start: the first restart shall be an increase.
                family.sample(&[server.name.as_str(), replica, reason.as_label()], count);
            }
        }
    }
}

fn relay(page: &mut Page<'_>, all: &Servers<'_>, registry: &Registry) {
    let mut family = page.family(&catalogue::REFUSED);
    for (reason, count) in RefusedReason::ALL.into_iter().zip(registry.refused()) {
        if count > 0 {
            family.sample(&["", reason.as_label()], count);
        }
    }
    for server in all.servers {
        let cells = registry.seen(server.idx);
        for reason in RefusedReason::ALL {
            let at = reason as usize;
            let counted = cells.map_or(0, |c| c.refused[at].load(Relaxed));
            let count = counted + server.live.refused[at].load(Relaxed);
            if count > 0 {
                family.sample(&[server.name.as_str(), reason.as_label()], count);
            }
        }
    }
    let mut family = page.family(&catalogue::AUTH_FAILURES);
    for server in all.servers {
        for failure in AuthFailure::ALL {
            let count = server.live.auth_failures[failure as usize].load(Relaxed);
            if count > 0 {
                family.sample(&[server.name.as_str(), failure.as_label()], count);
            }
        }
    }
    tool_definitions(page, all, registry);
    limits(page, all, registry);
    let mut family = page.family(&catalogue::NOTIFICATIONS);
    for server in all.servers {
        let (name, live) = (server.name.as_str(), &server.live);
        family.sample(
            &[name, "to_server"],
            live.notifications_to_server.load(Relaxed),
        );
        family.sample(
            &[name, "to_client"],
            live.notifications_to_client.load(Relaxed),
        );
    }
    let mut family = page.family(&catalogue::MESSAGES_DROPPED);
    for server in all.servers {
        family.sample(
            &[server.name.as_str()],
            server.live.messages_dropped.load(Relaxed),
        );
    }
    all.live(page, &catalogue::CALLS_IN_FLIGHT, |live| {
        &live.calls_in_flight
    });
    all.live(page, &catalogue::QUEUE_DEPTH, |live| &live.queue_depth);
    all.live(page, &catalogue::QUEUE_LIMIT, |live| &live.queue_limit);
    all.live(page, &catalogue::CHILDREN, |live| &live.children);
    replicas(page, all);
    let mut family = page.family(&catalogue::DRAFTS_LOST);
    for server in all.servers {
        family.sample(
            &[server.name.as_str()],
            server.live.drafts_lost.load(Relaxed),
        );
    }
    page.family(&catalogue::STATUSES_FOLDED)
        .sample(&[], registry.statuses_folded());
}

fn tool_definitions(page: &mut Page<'_>, all: &Servers<'_>, registry: &Registry) {
    let pinned = || {
        let servers = all.servers.iter();
        servers.filter(|server| server.live.tools_unapproved.load(Relaxed) >= 0)
    };
    let mut family = page.family(&catalogue::TOOL_CHANGES);
    for server in pinned() {
        let cells = registry.seen(server.idx);
        for kind in ToolChange::ALL {
            // All of them from the start: the first change shall be an increase.
            let count = cells.map_or(0, |c| c.tool_changes[kind as usize].load(Relaxed));
            family.sample(&[server.name.as_str(), kind.as_label()], count);
        }
    }
    let mut family = page.family(&catalogue::TOOLS_UNAPPROVED);
    for server in pinned() {
        let waiting = server
            .live
            .tools_unapproved
            .load(Relaxed)
            .max(0)
            .unsigned_abs();
        family.sample(&[server.name.as_str()], waiting);
    }
}

fn replicas(page: &mut Page<'_>, all: &Servers<'_>) {
    let servers = || all.servers.iter().map(|s| (s.name.as_str(), &s.live));
    let mut family = page.family(&catalogue::REPLICAS);
    for (name, live) in servers() {
        for (state, number) in [
            ("wanted", &live.replicas_wanted),
            ("ready", &live.replicas_ready),
            ("out", &live.replicas_out),
        ] {
            family.sample(&[name, state], number.load(Relaxed));
        }
    }
    let mut family = page.family(&catalogue::EJECTIONS);
    for (name, live) in servers() {
        family.sample(&[name], live.ejections.load(Relaxed));
    }
    let mut family = page.family(&catalogue::SCALINGS);
    for (name, live) in servers() {
        for (direction, count) in [("up", &live.scaled_up), ("down", &live.scaled_down)] {
            family.sample(&[name, direction], count.load(Relaxed));
        }
    }
}

fn limits(page: &mut Page<'_>, all: &Servers<'_>, registry: &Registry) {
    let table = &registry.table().limits;
    let metrics = [&catalogue::RATE_LIMITED, &catalogue::RATE_LIMIT_DRY_RUN];
    for (which, metric) in metrics.into_iter().enumerate() {
        let mut family = page.family(metric);
        for (server, cells) in all.counted() {
            for (limit, counts) in cells.limits().filter(|(_, counts)| counts[which] > 0) {
                let labels = [server.name.as_str(), &table.label(limit)];
                family.sample(&labels, counts[which]);
            }
        }
    }
    page.family(&catalogue::LIMIT_SUBJECTS)
        .sample(&[], table.subjects.load(Relaxed));
    page.family(&catalogue::LIMIT_OVERFLOW)
        .sample(&[], table.overflowed.load(Relaxed));
}

fn recorder(page: &mut Page<'_>, scrape: &Scrape<'_>) {
    let records = &scrape.records;
    page.family(&catalogue::RECORDS_OFFERED)
        .sample(&[], records.offered);
    page.family(&catalogue::RECORDS)
        .sample(&[], records.written);
    let mut family = page.family(&catalogue::RECORDS_DROPPED);
    family.sample(&["queue"], records.dropped_queue);
    family.sample(&["disk"], records.dropped_disk);
    family.sample(&["stdout"], records.dropped_stdout);
    page.family(&catalogue::RECORD_QUEUE)
        .sample(&[], records.queued);
    if let Some(spans) = &scrape.spans {
        page.family(&catalogue::SPANS_OFFERED)
            .sample(&[], spans.offered);
        page.family(&catalogue::SPANS_EXPORTED)
            .sample(&[], spans.exported);
        let mut family = page.family(&catalogue::SPANS_DROPPED);
        family.sample(&["queue"], spans.dropped_queue);
        family.sample(&["export"], spans.dropped_export);
    }
    let (ok, rejected, since_ns) = scrape.registry.plans();
    page.family(&catalogue::CONFIG_REJECTED)
        .sample(&[], u64::from(since_ns > 0));
    page.family(&catalogue::CONFIG_REJECTED_SINCE)
        .sample(&[], Number::Nanos(since_ns));
    let mut family = page.family(&catalogue::CONFIG_RELOADS);
    family.sample(&["ok"], ok);
    family.sample(&["rejected"], rejected);
}

fn own_process(page: &mut Page<'_>, scrape: &Scrape<'_>) {
    page.family(&catalogue::BUILD_INFO)
        .sample(&[scrape.version], 1_u64);
    page.family(&catalogue::PROCESS_START)
        .sample(&[], scrape.started_unix_s);
    if let Some(process) = &scrape.process {
        page.family(&catalogue::PROCESS_CPU)
            .sample(&[], process.cpu_seconds);
        page.family(&catalogue::PROCESS_RSS)
            .sample(&[], process.resident_bytes);
        page.family(&catalogue::PROCESS_FDS)
            .sample(&[], process.open_fds);
        if let Some(max) = process.max_fds {
            page.family(&catalogue::PROCESS_FDS_MAX).sample(&[], max);
        }
    }
}

fn otel(page: &mut Page<'_>, all: &Servers<'_>) {
    let mut family = page.family(&catalogue::OTEL_OPERATION_SECONDS);
    for (server, cells) in all.counted() {
        for (key, totals) in cells.otel.read() {
            let tool = server.tools.label(key.tool);
            let method = key.method.as_label();
            let labels = [
                server.name.as_str(),
                method,
                &tool,
                key.error_type,
                key.transport,
                key.revision,
            ];
            family.histogram(&labels, &totals.buckets, Number::Nanos(totals.sum), &[]);
        }
    }
}
