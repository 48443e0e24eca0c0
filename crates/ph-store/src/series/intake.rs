//! What a scrape brings, and which of it is kept.

use super::exemplar::NewExemplar;
use super::index::{Index, SeriesId};
use super::metadata::NewMetadata;
use super::options::SeriesOptions;
use super::record::{Put, TEXT_BYTES_MAX};
use super::state::State;
use ph_promql::{Labels, METRIC_NAME, Sample, is_stale};
use std::collections::BTreeMap;

/// A sample may bring a time of its own that is older than the scrape by so much, and younger by a tenth of it.
const OWN_TIME_AGE_MAX_MS: i64 = 3_600_000;
/// Labels of a series, at most.
const LABELS_MAX: usize = 64;
/// Labels that an overflow series keeps.
const OVERFLOW_KEEPS: [&str; 4] = [METRIC_NAME, "job", "instance", "le"];

/// What a target showed at one time.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// When, Unix milliseconds. Multiples of the interval take the least room.
    pub t_ms: i64,
    /// Which target, the same text each time. Series that its last scrape had and this one has not end here.
    pub target: &'a str,
    /// The samples. None at all: the target is gone.
    pub samples: &'a [NewSample],
    /// Exemplars, as many as the ring holds.
    pub exemplars: &'a [NewExemplar],
    /// What its metrics are; may be given each time.
    pub metadata: &'a [NewMetadata],
}

/// A sample of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSample {
    /// The series, the metric's name included.
    pub labels: Labels,
    /// Its value.
    pub v: f64,
    /// A time that the target gave. `None`: the scrape's.
    pub t_ms: Option<i64>,
}

impl From<(Labels, f64)> for NewSample {
    fn from((labels, v): (Labels, f64)) -> Self {
        Self {
            labels,
            v,
            t_ms: None,
        }
    }
}

/// What became of a scrape. Each of its samples is counted once, in one of the first six.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrapeReport {
    /// Kept under their own labels.
    pub added: u64,
    /// Added to the overflow series of their metric, since there are too many series.
    pub overflowed: u64,
    /// Refused: the series has a sample of that time.
    pub duplicates: u64,
    /// Refused: the series has a younger sample.
    pub out_of_order: u64,
    /// Refused: so old that it would belong into a block that is written already, or too far from the scrape.
    pub out_of_bounds: u64,
    /// Refused: no name, or labels beyond the bounds, or overflow that cannot be summed up.
    pub invalid: u64,
    /// Series that ended with this scrape.
    pub ended: u64,
    /// Series that began with it.
    pub begun: u64,
}

/// What a scrape puts into the store.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    pub(super) puts: Vec<Put>,
    /// The series that the target has shown now, ascending.
    pub(super) shown: Vec<SeriesId>,
    pub(super) report: ScrapeReport,
}

/// Decides on each sample. New series get an id, and no sample yet.
pub(super) fn accept(
    state: &mut State,
    options: &SeriesOptions,
    scrape: &Scrape<'_>,
    number: u64,
    shown_before: &[SeriesId],
) -> Accepted {
    let mut accepted = Accepted::default();
    let mut overflow: BTreeMap<Labels, f64> = BTreeMap::new();
    for sample in scrape.samples {
        if !is_valid(&sample.labels) {
            accepted.report.invalid += 1;
            continue;
        }
        match id_of(
            &mut state.index,
            options,
            &sample.labels,
            &mut accepted.report,
        ) {
            Some(id) => accepted.take(state, scrape, number, id, sample.v, sample.t_ms),
            None => accepted.overflow(&mut overflow, sample),
        }
    }
    for (labels, sum) in overflow {
        let is_known = state.index.id(&labels).is_some_and(|id| {
            state
                .index
                .get(id)
                .is_some_and(|entry| entry.head.is_some())
        });
        let room = options.series_max + options.overflow_max();
        if is_known || (state.index.active() as usize) < room {
            let id = state.index.make(&labels);
            let report = accepted.report;
            accepted.take(state, scrape, number, id, sum, None);
            // The samples in it are counted, it is not.
            accepted.report = report;
        }
    }
    accepted.shown.sort_unstable();
    accepted.end_others(state, scrape.t_ms, shown_before);
    accepted
}

impl Accepted {
    fn take(
        &mut self,
        state: &mut State,
        scrape: &Scrape<'_>,
        number: u64,
        id: SeriesId,
        v: f64,
        own_time: Option<i64>,
    ) {
        let t_ms = own_time.unwrap_or(scrape.t_ms);
        let is_near = t_ms >= scrape.t_ms.saturating_sub(OWN_TIME_AGE_MAX_MS)
            && t_ms <= scrape.t_ms.saturating_add(OWN_TIME_AGE_MAX_MS / 10);
        if !is_near || t_ms < state.sealed_until_ms {
            self.report.out_of_bounds += 1;
            return;
        }
        let Some(head) = state.index.head(id) else {
            return;
        };
        if head.seen == number {
            self.report.duplicates += 1;
            return;
        }
        match head.last() {
            Some(last) if last.t_ms == t_ms => self.report.duplicates += 1,
            Some(last) if last.t_ms > t_ms => self.report.out_of_order += 1,
            _ => {
                self.report.added += 1;
                self.puts.push(Put {
                    id,
                    t_ms,
                    v,
                    own_time: own_time.is_some(),
                });
            }
        }
        head.seen = number;
        // With a time of its own a sample says nothing about when its series ends.
        if own_time.is_none() {
            self.shown.push(id);
        }
    }

    /// Sums up what there is no room for. Only what can be added up.
    fn overflow(&mut self, overflow: &mut BTreeMap<Labels, f64>, sample: &NewSample) {
        if sample.labels.get("quantile").is_some() || !sample.v.is_finite() {
            self.report.invalid += 1;
            return;
        }
        self.report.overflowed += 1;
        let labels = sample
            .labels
            .filtered(|name| OVERFLOW_KEEPS.contains(&name))
            .with("overflow", "true");
        *overflow.entry(labels).or_default() += sample.v;
    }

    /// Marks the end of what the target had before and has no more.
    fn end_others(&mut self, state: &State, t_ms: i64, shown_before: &[SeriesId]) {
        for id in shown_before {
            if self.shown.binary_search(id).is_ok() || t_ms < state.sealed_until_ms {
                continue;
            }
            let last = state.index.get(*id).map(|entry| {
                let head = entry.head.as_ref();
                head.and_then(|head| head.last())
            });
            let goes_on = |last: Option<Sample>| {
                last.is_none_or(|last| last.t_ms < t_ms && !is_stale(last.v))
            };
            if last.is_some_and(goes_on) {
                self.report.ended += 1;
                self.puts.push(Put {
                    id: *id,
                    t_ms,
                    v: f64::from_bits(ph_promql::STALE_NAN_BITS),
                    own_time: false,
                });
            }
        }
    }
}

fn is_valid(labels: &Labels) -> bool {
    labels.metric_name().is_some()
        && labels.len() <= LABELS_MAX
        && labels
            .iter()
            .all(|(name, value)| name.len().max(value.len()) <= TEXT_BYTES_MAX)
}

/// The id of a series that may have a sample; `None` when there are too many series.
fn id_of(
    index: &mut Index,
    options: &SeriesOptions,
    labels: &Labels,
    report: &mut ScrapeReport,
) -> Option<SeriesId> {
    let known = index.id(labels);
    if let Some(id) = known
        && index.get(id).is_some_and(|entry| entry.head.is_some())
    {
        return Some(id);
    }
    let metric = labels.metric_name().unwrap_or_default();
    let is_room = (index.active() as usize) < options.series_max
        && (index.active_of(metric) as usize) < options.metric_series_max
        && (known.is_some() || index.len() < options.known_max());
    if !is_room {
        return None;
    }
    report.begun += 1;
    Some(index.make(labels))
}
