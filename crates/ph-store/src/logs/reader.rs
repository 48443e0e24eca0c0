//! Reading, beside the writer or without one.

use super::block::Zone;
use super::opened::{self, Block};
use super::search::{self, Found, Histogram, Hit, Order, Search, Tally, Top};
use super::snapshot::{Directory, Shared, Snapshot};
use super::{Damage, OpenReport, Seq, StoreError};
use crate::disk::Disk;
use crate::query::{Field, Filter};
use ph_base::trace::TraceId;
use std::path::Path;
use std::sync::Arc;

/// Reads the records of a store. Clones are cheap, any thread may have one, and none holds up the writer.
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<Shared>,
}

/// Records in the order of their numbers.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The records.
    pub entries: Vec<Hit>,
    /// Where to go on: the number after the last one looked at.
    pub next: Seq,
    /// Records from the asked one on that are no longer there.
    pub missed: u64,
}

/// How much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sealed segments.
    pub segments: usize,
    /// Files that are not yet sealed.
    pub unsealed: usize,
    /// Records in both.
    pub records: u64,
    /// Length of all files.
    pub bytes: u64,
    /// Length of the JSON in them.
    pub json_bytes: u64,
    /// Of these two, what is sealed: how much shorter records are when they are.
    pub sealed: Sealed,
    /// First and last record.
    pub seqs: Option<(Seq, Seq)>,
    /// The earliest and the latest time.
    pub times_unix_ns: Option<(u64, u64)>,
    /// Segments of which nothing can be found any more.
    pub broken: usize,
}

/// Segments, before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Length of their files, columns and indices with them.
    pub bytes: u64,
    /// Length of the JSON in them.
    pub json_bytes: u64,
}

impl LogReader {
    /// Records of one trace that are given out.
    pub const TRACE_RECORDS_MAX: usize = 10_000;

    /// Opens a directory to read only: nothing in it is changed, and a writer may have it open. What it writes is seen
    /// after [`LogReader::refresh`].
    pub fn open_read_only(
        disk: Arc<dyn Disk>,
        dir: &Path,
    ) -> Result<(Self, OpenReport), StoreError> {
        let found = Directory::read(&*disk, dir)?;
        let last = found.report.last;
        let shared = Shared::new(disk, dir.to_owned(), found.snapshot, last);
        Ok((Self::of(Arc::new(shared)), found.report))
    }

    /// Looks at the directory again. Needed only after [`LogReader::open_read_only`].
    pub fn refresh(&self) -> Result<OpenReport, StoreError> {
        let found = Directory::read(&*self.shared.disk, &self.shared.dir)?;
        self.shared.change(|snapshot| *snapshot = found.snapshot);
        self.shared.set_lasting(found.report.last);
        Ok(found.report)
    }

    /// Records that fit, in an order, up to a limit.
    pub fn search(&self, search: &Search<'_>) -> Result<Found, StoreError> {
        let with_slowest = search.order == Order::Slowest;
        let within = |zone: &Zone| search.reaches(zone);
        let found = search::search(&self.blocks(with_slowest, within), search);
        if !with_slowest || found.damaged.is_empty() {
            return Ok(found);
        }
        // It may be a list of the slowest that is damaged; the blocks have the same records.
        let mut again = search::search(&self.blocks(false, within), search);
        for damage in found.damaged {
            note(&mut again.damaged, damage);
        }
        Ok(again)
    }

    /// Every record of a trace, oldest first; at most [`LogReader::TRACE_RECORDS_MAX`].
    pub fn trace(&self, id: TraceId) -> Result<Found, StoreError> {
        let filter = Filter::of_trace(id);
        let mut search = Search::new(&filter);
        search.order = Order::Oldest;
        search.limit = Self::TRACE_RECORDS_MAX;
        self.search(&search)
    }

    /// Which values of a field the records that fit have, the most frequent first; at most `search.limit` of them.
    pub fn top(&self, search: &Search<'_>, field: &Field) -> Result<Top, StoreError> {
        let within = |zone: &Zone| search.reaches(zone);
        Ok(search::top(&self.blocks(false, within), search, field))
    }

    /// How many records that fit there are over time, in so many stretches between the two times of `search`; at most
    /// 2,000 of them.
    pub fn histogram(&self, search: &Search<'_>, bars: usize) -> Result<Histogram, StoreError> {
        let within = |zone: &Zone| search.reaches(zone);
        Ok(search::histogram(&self.blocks(false, within), search, bars))
    }

    /// How many of the records that fit have which values of `by` together, and what the numbers `sums` of them come to.
    /// Everything is read that fits: `search.order` and `search.limit` mean nothing here.
    pub fn tally(
        &self,
        search: &Search<'_>,
        by: &[Field],
        sums: &[Field],
    ) -> Result<Tally, StoreError> {
        let within = |zone: &Zone| search.reaches(zone);
        Ok(search::tally(&self.blocks(false, within), search, by, sums))
    }

    /// Records in the order of their numbers, from one on: for sinks. Only what is lasting, so that a number that was
    /// passed on is never given to another record after a power cut.
    pub fn read_from(
        &self,
        from: Seq,
        entries_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StoreError> {
        let until = self.shared.lasting();
        Ok(self.in_order(from, until, &Filter::all(), entries_max, bytes_max))
    }

    /// Records that fit, in the order of their numbers, from one on. At least one when there is one.
    pub fn follow(
        &self,
        from: Seq,
        filter: &Filter,
        entries_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StoreError> {
        Ok(self.in_order(from, Seq(u64::MAX), filter, entries_max, bytes_max))
    }

    fn in_order(
        &self,
        from: Seq,
        until: Seq,
        filter: &Filter,
        entries_max: usize,
        bytes_max: usize,
    ) -> Batch {
        let behind = |zone: &Zone| zone.seq_last >= from.0 && zone.seq_first <= until.0;
        let blocks = self.blocks(false, behind);
        search::follow(&blocks, from, until, filter, entries_max, bytes_max)
    }

    /// Asks the writer not to remove records from `from` on, whatever their age; `None` takes it back. The last
    /// word counts. A store that is full by this takes no more ([`StoreError::Held`]).
    pub fn hold(&self, from: Option<Seq>) {
        self.shared.hold(from);
    }

    /// How much there is.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let snapshot = self.shared.snapshot();
        let mut zone = Zone::EMPTY;
        for block in self.blocks(false, |_| true) {
            zone.join(block.zone());
        }
        let sealed: u64 = snapshot.segments.iter().map(|s| s.footer.json_bytes).sum();
        let unsealed: u64 = snapshot.wals.iter().map(|wal| wal.size().0).sum();
        let some = zone.records > 0;
        Ok(Stats {
            segments: snapshot.segments.len(),
            unsealed: snapshot.wals.len(),
            records: zone.records as u64,
            bytes: snapshot.bytes(),
            json_bytes: sealed + unsealed,
            sealed: Sealed {
                bytes: snapshot.segments.iter().map(|s| s.bytes).sum(),
                json_bytes: sealed,
            },
            seqs: some.then_some((Seq(zone.seq_first), Seq(zone.seq_last))),
            times_unix_ns: some.then_some((zone.time_min_ns, zone.time_max_ns)),
            broken: snapshot.broken.len(),
        })
    }

    /// The files of this moment, and where they are.
    pub(crate) fn files(&self) -> (Arc<Snapshot>, &dyn Disk, &Path) {
        let shared = &self.shared;
        (shared.snapshot(), &*shared.disk, &shared.dir)
    }

    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn blocks(&self, with_slowest: bool, keeps: impl Fn(&Zone) -> bool) -> Vec<Block> {
        let shared = &self.shared;
        opened::blocks(shared, with_slowest, keeps)
    }
}

/// What cannot be read, each place once; more than this is not listed.
pub(crate) const DAMAGE_LISTED_MAX: usize = 100;

/// Adds to a list of damage.
pub(crate) fn note(list: &mut Vec<Damage>, damage: Damage) {
    if list.len() < DAMAGE_LISTED_MAX && !list.contains(&damage) {
        list.push(damage);
    }
}
