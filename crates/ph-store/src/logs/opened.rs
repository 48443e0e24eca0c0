//! A run of records, wherever it is, and what is read of it when it is asked for.

mod window;

use super::block::Zone;
use super::columns::NO_DURATION;
use super::evaluate::Table;
use super::events::{EventAt, KeptEvents};
use super::grams::Wanted;
use super::segment::{self, BlockMeta, Column, Opened, Section, Segment};
use super::snapshot::Shared;
use super::wal::{Wal, WalBlock};
use super::{Damage, Hit, Kind, Level, Seq, bloom};
use crate::disk::Disk;
use crate::query::{Filter, Needle};
use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use window::Window;

/// Why records cannot be read.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The segment was removed for its age meanwhile.
    Gone,
    /// They are damaged.
    Damaged(Damage),
}

/// A run of records.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    Wal {
        wal: Arc<Wal>,
        block: Arc<WalBlock>,
        names: Arc<[Arc<str>]>,
    },
    Sealed {
        view: Arc<View>,
        which: Which,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Block(usize),
    /// The slowest records again.
    Slowest,
}

/// A segment, opened at most once for a search.
#[derive(Debug)]
pub(crate) struct View {
    segment: Arc<Segment>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    kept_events: Arc<KeptEvents>,
    file: OnceLock<Option<Opened>>,
    /// The slowest records are looked up in their list, and not in the blocks.
    with_slowest: bool,
    /// The trace that was asked for last, and which blocks may have it.
    trace: Mutex<Option<(u64, Vec<bool>)>>,
}

/// Every block that `keeps`, oldest first; with the lists of the slowest when they are wanted.
pub(crate) fn blocks(
    shared: &Shared,
    with_slowest: bool,
    keeps: impl Fn(&Zone) -> bool,
) -> Vec<Block> {
    let snapshot = shared.snapshot();
    let mut all = Vec::new();
    for segment in snapshot.segments.iter().filter(|s| keeps(&s.zone)) {
        let view = Arc::new(View {
            segment: segment.clone(),
            disk: shared.disk.clone(),
            dir: shared.dir.clone(),
            kept_events: shared.kept_events.clone(),
            file: OnceLock::new(),
            with_slowest,
            trace: Mutex::default(),
        });
        let blocks = segment.footer.blocks.iter().enumerate();
        let kept = blocks.filter(|(_, meta)| keeps(&meta.zone));
        let slowest = segment.footer.slowest.as_ref().filter(|_| with_slowest);
        let which = slowest
            .map(|_| Which::Slowest)
            .into_iter()
            .chain(kept.map(|(i, _)| Which::Block(i)));
        all.extend(which.map(|which| Block::Sealed {
            view: view.clone(),
            which,
        }));
    }
    for wal in &snapshot.wals {
        let (blocks, names) = wal.blocks();
        let names: Arc<[Arc<str>]> = names.into();
        let kept = blocks.into_iter().filter(|block| keeps(&block.zone));
        all.extend(kept.map(|block| Block::Wal {
            wal: wal.clone(),
            block,
            names: names.clone(),
        }));
    }
    all
}

impl Block {
    pub(crate) fn zone(&self) -> &Zone {
        match self {
            Self::Wal { block, .. } => &block.zone,
            Self::Sealed { view, which } => &view.meta(*which).zone,
        }
    }

    pub(crate) fn names(&self) -> &Arc<[Arc<str>]> {
        match self {
            Self::Wal { names, .. } => names,
            Self::Sealed { view, .. } => &view.segment.footer.names,
        }
    }

    /// `true` when its records stand in other blocks as well.
    pub(crate) fn is_repeated(&self) -> bool {
        matches!(
            self,
            Self::Sealed {
                which: Which::Slowest,
                ..
            }
        )
    }

    /// The longest duration that is found in it and not in a list of the slowest.
    pub(crate) fn duration_max_ns(&self) -> Option<u64> {
        let (_, max) = self.zone().durations_ns?;
        match self {
            Self::Sealed {
                view,
                which: Which::Block(_),
            } => {
                let slowest = view.segment.footer.slowest.as_ref();
                let slowest = slowest.filter(|_| view.with_slowest);
                Some(slowest.map_or(max, |(_, floor)| max.min(*floor)))
            }
            _ => Some(max),
        }
    }

    /// `needles`: texts without which no record is wanted.
    pub(crate) fn open<'a>(&'a self, needles: Vec<&'a Needle>) -> OpenBlock<'a> {
        OpenBlock {
            block: self,
            needles,
            columns: Cells::default(),
            window: RefCell::default(),
        }
    }
}

impl View {
    fn meta(&self, which: Which) -> &BlockMeta {
        let footer = &self.segment.footer;
        match (which, &footer.slowest) {
            (Which::Slowest, Some((meta, _))) => meta,
            (Which::Block(i), _) => &footer.blocks[i],
            // Made only for segments that have one.
            (Which::Slowest, None) => &footer.blocks[0],
        }
    }

    /// Where an event of this row is kept, which it is not for the lists of the slowest.
    fn event_at(&self, which: Which, row: usize) -> Option<EventAt> {
        match which {
            Which::Block(block) => Some((self.segment.zone.seq_first, block, row)),
            Which::Slowest => None,
        }
    }

    fn file(&self) -> Result<&Opened, Trouble> {
        let open = || self.disk.open_read(&self.dir.join(&self.segment.name)).ok();
        self.file.get_or_init(open).as_ref().ok_or(Trouble::Gone)
    }

    fn section(&self, which: Which, section: &Section) -> Result<Vec<u8>, Trouble> {
        let read = segment::read_section(&**self.file()?, section);
        match read {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(self.damage(which, section, "checksum does not match")),
            Err(_) => Err(self.damage(which, section, "cannot be read")),
        }
    }

    fn damage(&self, which: Which, section: &Section, problem: &'static str) -> Trouble {
        let zone = &self.meta(which).zone;
        let block = match which {
            Which::Block(i) => Some(i),
            Which::Slowest => None,
        };
        let records = (zone.seq_first, zone.seq_last);
        Trouble::Damaged(self.segment.damage(block, section, records, problem))
    }

    /// Whether the blocks may have a trace.
    fn may_have_trace(&self, block: usize, hash: u64) -> Result<bool, Trouble> {
        let mut last = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(asked, _)| *asked != hash) {
            let footer = &self.segment.footer;
            let row = bloom::row_of(hash, footer.traces.rows);
            let line = segment::read_bloom_row(&**self.file()?, footer, row);
            // A filter that cannot be read excludes nothing.
            let may = match line {
                Ok(Some(line)) => line
                    .chunks_exact(bloom::LINE_BYTES)
                    .map(|line| bloom::is_set(line, hash))
                    .collect(),
                _ => vec![true; footer.blocks.len()],
            };
            *last = Some((hash, may));
        }
        let may = last.as_ref().and_then(|(_, may)| may.get(block));
        Ok(may.copied().unwrap_or(true))
    }
}

/// A block of which columns and lines are read when they are needed, and then kept.
pub(crate) struct OpenBlock<'a> {
    pub(crate) block: &'a Block,
    needles: Vec<&'a Needle>,
    columns: Cells,
    window: RefCell<Window>,
}

#[derive(Default)]
struct Cells {
    seq: OnceCell<Vec<u64>>,
    time: OnceCell<Vec<u64>>,
    duration: OnceCell<Vec<u64>>,
    trace: OnceCell<Vec<u16>>,
    status: OnceCell<Vec<u16>>,
    level: OnceCell<Vec<u8>>,
    kind: OnceCell<Vec<u8>>,
    names: [OnceCell<Vec<u16>>; 4],
    grams: OnceCell<Vec<u8>>,
}

impl OpenBlock<'_> {
    pub(crate) fn seqs(&self) -> Result<&[u64], Trouble> {
        match self.block {
            Block::Wal { block, .. } => Ok(&block.columns.seq),
            Block::Sealed { view, which } => cell(&self.columns.seq, || {
                let first = view.meta(*which).zone.seq_first;
                numbers(view, *which, Column::Seq, 4, |n| first.saturating_add(n))
            }),
        }
    }

    pub(crate) fn times(&self) -> Result<&[u64], Trouble> {
        match self.block {
            Block::Wal { block, .. } => Ok(&block.columns.time_ns),
            Block::Sealed { view, which } => cell(&self.columns.time, || {
                let min = view.meta(*which).zone.time_min_ns;
                numbers(view, *which, Column::Time, 8, |n| min.saturating_add(n))
            }),
        }
    }

    /// Whether a record fits that its columns cannot tell of, by its JSON, which is then in `out`.
    pub(crate) fn fits(
        &self,
        row: usize,
        filter: &Filter,
        out: &mut Vec<u8>,
    ) -> Result<bool, Trouble> {
        let copy = |json: &[u8]| {
            out.clear();
            out.extend_from_slice(json);
        };
        Ok(self.with_fitting(row, filter, copy)?.is_some())
    }

    /// What `read` makes of the JSON of a record that its columns cannot tell of; `None` when it does not fit.
    pub(crate) fn with_fitting<T>(
        &self,
        row: usize,
        filter: &Filter,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Trouble> {
        if let Some(json) = self.kept_event(row) {
            return Ok(filter.matches(&json).then(|| read(&json)));
        }
        self.load(row)?;
        let window = self.window.borrow();
        if !window.may_fit {
            return Ok(None);
        }
        let json = self.line(&window, row);
        Ok(filter.matches(json).then(|| read(json)))
    }

    /// What `read` makes of a record's JSON.
    pub(crate) fn with_json<T>(
        &self,
        row: usize,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Trouble> {
        if let Some(json) = self.kept_event(row) {
            return Ok(read(&json));
        }
        self.load(row)?;
        let window = self.window.borrow();
        Ok(read(self.line(&window, row)))
    }

    /// Lines that have to be unpacked to read this one.
    pub(crate) fn lines_to_read(&self, row: usize) -> u64 {
        let Block::Sealed { view, which } = self.block else {
            return 1;
        };
        let meta = view.meta(*which);
        let (lines, _) = lines_of(meta, row);
        if self.window.borrow().lines == Some(lines) || self.kept_event(row).is_some() {
            0
        } else {
            meta.lines[lines].records.into()
        }
    }

    /// Whether a record is an event; where that cannot be read, it is none.
    fn is_event(&self, row: usize) -> bool {
        let is_somewhere = self.block.zone().kinds >> Kind::Event as u8 & 1 == 1;
        let is_here = |kinds: &[u8]| kinds.get(row) == Some(&(Kind::Event as u8));
        is_somewhere && self.kinds().is_ok_and(is_here)
    }

    /// The line of an event that was read before.
    fn kept_event(&self, row: usize) -> Option<Arc<[u8]>> {
        let Block::Sealed { view, which } = self.block else {
            return None;
        };
        let at = view.event_at(*which, row)?;
        self.is_event(row)
            .then(|| view.kept_events.get(at))
            .flatten()
    }

    /// Keeps the events among lines that were read for one of them.
    fn keep_events(&self, view: &View, which: Which, window: &Window) {
        let rows = window.from as usize..window.from as usize + window.ends.len();
        let events = rows.filter(|row| self.is_event(*row));
        let placed = |row| Some((view.event_at(which, row)?, self.line(window, row)));
        view.kept_events.keep(events.filter_map(placed));
    }

    /// A record's JSON.
    pub(crate) fn json(&self, row: usize) -> Result<Vec<u8>, Trouble> {
        self.with_json(row, <[u8]>::to_vec)
    }

    /// What is given out of a record, without its JSON.
    pub(crate) fn hit(&self, row: usize) -> Result<Hit, Trouble> {
        let duration = self.durations()?[row];
        Ok(Hit {
            seq: Seq(self.seqs()?[row]),
            time_unix_ns: self.times()?[row],
            duration_ns: (duration != NO_DURATION).then_some(duration),
            kind: Kind::from_byte(self.kinds()?[row]).unwrap_or(Kind::Event),
            level: Level::from_byte(self.levels()?[row]).unwrap_or(Level::Info),
            json: Vec::new(),
        })
    }

    /// The line of a record that is loaded.
    fn line<'w>(&self, window: &'w Window, row: usize) -> &'w [u8] {
        match self.block {
            Block::Wal { block, .. } => {
                let (at, bytes) = block.columns.json[row];
                let from = (at - window.from) as usize;
                &window.bytes[from..from + bytes as usize]
            }
            Block::Sealed { .. } => {
                let i = row - window.from as usize;
                let from = i
                    .checked_sub(1)
                    .map_or(0, |before| window.ends[before] as usize + 1);
                &window.bytes[from..window.ends[i] as usize]
            }
        }
    }

    fn load(&self, row: usize) -> Result<(), Trouble> {
        let mut window = self.window.borrow_mut();
        match self.block {
            Block::Wal { wal, block, .. } => {
                let (at, bytes) = block.columns.json[row];
                let end = at + u64::from(bytes);
                if at < window.from || end > window.from + window.bytes.len() as u64 {
                    *window = Window::default();
                    window
                        .load_wal(wal, at, end)
                        .map_err(|_| unreadable(wal, at, bytes, block.columns.seq[row]))?;
                }
                Ok(())
            }
            Block::Sealed { view, which } => {
                let meta = view.meta(*which);
                let (lines, first) = lines_of(meta, row);
                if window.lines != Some(lines) {
                    window.forget();
                    window.load_lines(view, *which, &meta.lines[lines], first)?;
                    window.lines = Some(lines);
                    let may_fit = |needle: &&Needle| needle.may_be_in_line(&window.bytes);
                    window.may_fit = self.needles.iter().all(may_fit);
                    if self.is_event(row) {
                        self.keep_events(view, *which, &window);
                    }
                }
                Ok(())
            }
        }
    }
}

/// In which lines a row is, and the first row of them.
fn lines_of(meta: &BlockMeta, row: usize) -> (usize, usize) {
    let mut first = 0;
    for (i, lines) in meta.lines.iter().enumerate() {
        let after = first + lines.records as usize;
        if row < after {
            return (i, first);
        }
        first = after;
    }
    // The footer was read only when lines and records agreed.
    (0, 0)
}

fn unreadable(wal: &Wal, at: u64, bytes: u32, seq: u64) -> Trouble {
    Trouble::Damaged(Damage {
        file: wal.name.clone(),
        block: None,
        offset: at,
        bytes: u64::from(bytes),
        records: Some((Seq(seq), Seq(seq))),
        problem: "cannot be read",
    })
}

impl Table for OpenBlock<'_> {
    type Error = Trouble;

    fn zone(&self) -> &Zone {
        self.block.zone()
    }

    fn durations(&self) -> Result<&[u64], Trouble> {
        match self.block {
            Block::Wal { block, .. } => Ok(&block.columns.duration_ns),
            Block::Sealed { view, which } => cell(&self.columns.duration, || {
                numbers(view, *which, Column::Duration, 8, |n| n)
            }),
        }
    }

    fn statuses(&self) -> Result<&[u16], Trouble> {
        match self.block {
            Block::Wal { block, .. } => Ok(&block.columns.status),
            Block::Sealed { view, which } => cell(&self.columns.status, || {
                numbers(view, *which, Column::Status, 2, |n| n as u16)
            }),
        }
    }

    fn levels(&self) -> Result<&[u8], Trouble> {
        match self.block {
            Block::Wal { block, .. } => Ok(&block.columns.level),
            Block::Sealed { view, which } => cell(&self.columns.level, || {
                numbers(view, *which, Column::Level, 1, |n| n as u8)
            }),
        }
    }

    fn kinds(&self) -> Result<&[u8], Trouble> {
        match self.block {
            Block::Wal { block, .. } => Ok(&block.columns.kind),
            Block::Sealed { view, which } => cell(&self.columns.kind, || {
                numbers(view, *which, Column::Kind, 1, |n| n as u8)
            }),
        }
    }

    fn names(&self, column: usize) -> Result<&[u16], Trouble> {
        match self.block {
            Block::Wal { block, .. } => Ok(&block.columns.names[column]),
            Block::Sealed { view, which } => cell(&self.columns.names[column], || {
                let columns = [
                    Column::Server,
                    Column::Method,
                    Column::Tool,
                    Column::Outcome,
                ];
                numbers(view, *which, columns[column], 2, |n| n as u16)
            }),
        }
    }

    fn of_trace(&self, hash: u64) -> Result<Vec<bool>, Trouble> {
        match self.block {
            Block::Wal { block, .. } => {
                let traces = &block.columns.trace;
                Ok(traces.iter().map(|trace| *trace == hash).collect())
            }
            Block::Sealed { view, which } => {
                if let Which::Block(i) = which
                    && !view.may_have_trace(*i, hash)?
                {
                    return Ok(vec![false; self.zone().records]);
                }
                let traces = cell(&self.columns.trace, || {
                    numbers(view, *which, Column::Trace, 2, |n| n as u16)
                })?;
                Ok(traces.iter().map(|trace| *trace == hash as u16).collect())
            }
        }
    }

    fn may_contain(&self, text: &str) -> Result<bool, Trouble> {
        let wanted = Wanted::of(text);
        if wanted.is_empty() {
            return Ok(true);
        }
        let bits = cell(&self.columns.grams, || self.grams())?;
        Ok(wanted.may_be_in(bits))
    }
}

impl OpenBlock<'_> {
    /// What texts there are. An empty set, which a missing or damaged one is, excludes nothing.
    fn grams(&self) -> Result<Vec<u8>, Trouble> {
        let Block::Sealed { view, which } = self.block else {
            return Ok(Vec::new());
        };
        let grams = &view.meta(*which).grams;
        if grams.bytes == 0 {
            return Ok(Vec::new());
        }
        match view.section(*which, grams) {
            Ok(packed) => Ok(super::grams::expand(&packed).unwrap_or_default()),
            Err(Trouble::Damaged(_)) => Ok(Vec::new()),
            Err(gone) => Err(gone),
        }
    }
}

fn numbers<T>(
    view: &View,
    which: Which,
    column: Column,
    number_bytes: usize,
    number: impl Fn(u64) -> T,
) -> Result<Vec<T>, Trouble> {
    let meta = view.meta(which);
    let section = &meta.columns[column as usize];
    let packed = view.section(which, section)?;
    segment::numbers(&packed, meta.zone.records, number_bytes, number)
        .map_err(|_| view.damage(which, section, "is not what its index says"))
}

fn cell<T>(
    cell: &OnceCell<Vec<T>>,
    make: impl FnOnce() -> Result<Vec<T>, Trouble>,
) -> Result<&[T], Trouble> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}
