//! Searching: blocks that cannot hold anything are passed over by their bounds, records that do not fit by their
//! columns, and only what is left is read.

mod follow;
mod histogram;
mod tally;
mod top;
mod walk;

use super::block::Zone;
use super::columns::NO_DURATION;
use super::evaluate::{NO, Node, Table as _, Verdict, YES};
use super::opened::{Block, OpenBlock, Trouble};
use super::reader::note;
use super::{Cursor, Damage, Kind, Level, Seq};
use crate::query::{Expr, Filter, Needle};
pub(crate) use follow::follow;
pub(crate) use histogram::histogram;
pub use histogram::{Bar, Histogram};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
pub(crate) use tally::tally;
pub use tally::{GROUPS_MAX, OTHER, Tally, TallyGroup};
pub(crate) use top::top;
pub use top::{Top, TopValue};

/// What is searched for.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// What records must be like.
    pub filter: &'a Filter,
    /// No earlier than this, nanoseconds of Unix time.
    pub from_unix_ns: u64,
    /// No later than this.
    pub to_unix_ns: u64,
    /// Which come first.
    pub order: Order,
    /// Records to find; at most [`Search::LIMIT_MAX`].
    pub limit: usize,
    /// Only what comes after this in the order: [`Found::next`] of the page before.
    pub after: Option<Cursor>,
    /// How much may be looked at.
    pub budget: Budget,
}

impl<'a> Search<'a> {
    /// Records that are found at most.
    pub const LIMIT_MAX: usize = 10_000;

    /// The newest 100 of all time.
    pub fn new(filter: &'a Filter) -> Self {
        Self {
            filter,
            from_unix_ns: 0,
            to_unix_ns: u64::MAX,
            order: Order::Newest,
            limit: 100,
            after: None,
            budget: Budget::default(),
        }
    }

    /// `true` when a record within these bounds may be in the asked time.
    pub(crate) fn reaches(&self, zone: &Zone) -> bool {
        zone.time_max_ns >= self.from_unix_ns && zone.time_min_ns <= self.to_unix_ns
    }
}

/// Which records come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By time, the latest first.
    Newest,
    /// By time, the earliest first.
    Oldest,
    /// By duration, the longest first. What has no duration is left out.
    Slowest,
}

/// How much a search may look at.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Records whose JSON is read. Who counts ([`Top`], [`Histogram`]) reads all lines that are unpacked together, which
    /// are up to 512.
    pub records: u64,
    /// Time it takes.
    pub wall: Duration,
    /// Bytes of JSON that are given back.
    pub bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            records: 20_000_000,
            wall: Duration::from_secs(10),
            bytes: 16 * 1024 * 1024,
        }
    }
}

/// A record that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its number.
    pub seq: Seq,
    /// When it ended or was seen, nanoseconds of Unix time.
    pub time_unix_ns: u64,
    /// How long it took.
    pub duration_ns: Option<u64>,
    /// Where it comes from.
    pub kind: Kind,
    /// How bad it is.
    pub level: Level,
    /// Its JSON object, without line feed.
    pub json: Vec<u8>,
}

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// In the order that was asked for.
    pub hits: Vec<Hit>,
    /// Records that were decided on, by columns or by JSON.
    pub scanned: u64,
    /// Records within the asked time.
    pub total: u64,
    /// `false`: the budget ended before everything that could matter was looked at, so hits may be missing.
    pub complete: bool,
    /// Where the next page begins, when there may be one.
    pub next: Option<Cursor>,
    /// What could not be read; at most 100 places.
    pub damaged: Vec<Damage>,
}

/// How far a search has come.
struct Progress {
    budget: Budget,
    began: Instant,
    read: u64,
    scanned: u64,
    total: u64,
    complete: bool,
    damaged: Vec<Damage>,
}

impl Progress {
    fn new(blocks: &[Block], budget: Budget) -> Self {
        let real = blocks.iter().filter(|block| !block.is_repeated());
        Self {
            budget,
            began: Instant::now(),
            read: 0,
            scanned: 0,
            total: real.map(|block| block.zone().records as u64).sum(),
            complete: true,
            damaged: Vec::new(),
        }
    }

    /// `false` when the budget is used up.
    fn goes_on(&mut self) -> bool {
        self.complete &= self.read < self.budget.records;
        !self.is_late()
    }

    /// `false` when so many more lines may not be read; else they are.
    fn reads(&mut self, lines: u64) -> bool {
        let is_enough = self.read + lines <= self.budget.records;
        self.complete &= is_enough && (lines == 0 || !self.is_late());
        self.read += if self.complete { lines } else { 0 };
        self.complete
    }

    /// `true` when the time is over.
    fn is_late(&mut self) -> bool {
        self.complete &= self.began.elapsed() < self.budget.wall;
        !self.complete
    }

    /// What could be read; the rest is noted.
    fn readable<T>(&mut self, result: Result<T, Trouble>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(Trouble::Gone) => None,
            Err(Trouble::Damaged(damage)) => {
                note(&mut self.damaged, damage);
                None
            }
        }
    }
}

/// A record that may fit, as [`rank`] has it.
struct Candidate {
    key: u64,
    seq: u64,
    row: usize,
    verdict: Verdict,
}

/// The best `limit` records so far, by [`rank`].
struct Best {
    limit: usize,
    found: BTreeMap<(Reverse<u64>, Reverse<u64>), Place>,
}

/// Block, row, and the JSON if it was read.
type Place = (usize, usize, Option<Vec<u8>>);

impl Best {
    /// `true` when a record of this rank would be among them.
    fn takes(&self, key: u64, seq: u64) -> bool {
        self.found.len() < self.limit
            || self
                .found
                .last_key_value()
                .is_some_and(|(worst, _)| (Reverse(key), Reverse(seq)) < *worst)
    }

    fn put(&mut self, candidate: &Candidate, block: usize, json: Option<Vec<u8>>) {
        let rank = (Reverse(candidate.key), Reverse(candidate.seq));
        self.found.insert(rank, (block, candidate.row, json));
        if self.found.len() > self.limit {
            self.found.pop_last();
        }
    }
}

/// Key and number of a record, such that the highest comes first.
type Rank = (u64, u64);

/// Both turned round for `Oldest`.
fn rank(order: Order, key: u64, seq: u64) -> Rank {
    match order {
        Order::Newest | Order::Slowest => (key, seq),
        Order::Oldest => (!key, !seq),
    }
}

pub(crate) fn search(blocks: &[Block], search: &Search<'_>) -> Found {
    let mut progress = Progress::new(blocks, search.budget);
    let mut order: Vec<(u64, usize)> = (0..blocks.len())
        .filter_map(|i| Some((best_key(search.order, &blocks[i])?, i)))
        .collect();
    order.sort_unstable_by_key(|(key, _)| Reverse(*key));
    let mut best = Best {
        limit: search.limit.min(Search::LIMIT_MAX),
        found: BTreeMap::new(),
    };
    for (key_max, at) in order {
        if best.limit == 0 || !best.takes(key_max, u64::MAX) || !progress.goes_on() {
            break;
        }
        let opened = blocks[at].open(required(search.filter));
        let rows = rows(&opened, search, &mut progress);
        let Some(rows) = progress.readable(rows) else {
            continue;
        };
        search_block(&opened, at, &rows, search, &mut best, &mut progress);
    }
    progress.scanned = progress.scanned.min(progress.total);
    hits(blocks, best, search, progress)
}

fn search_block(
    opened: &OpenBlock<'_>,
    at: usize,
    rows: &[Candidate],
    search: &Search<'_>,
    best: &mut Best,
    progress: &mut Progress,
) {
    let mut json = Vec::new();
    for candidate in rows {
        if !best.takes(candidate.key, candidate.seq) {
            // By duration, those that have to be read come in the order in which they stand.
            if search.order == Order::Slowest {
                continue;
            }
            break;
        }
        if candidate.verdict == YES {
            best.put(candidate, at, None);
            continue;
        }
        if progress.read.is_multiple_of(256) && !progress.goes_on() {
            break;
        }
        progress.read += 1;
        let fits = opened.fits(candidate.row, search.filter, &mut json);
        if progress.readable(fits) == Some(true) {
            best.put(candidate, at, Some(json.clone()));
        }
    }
}

/// Reads what was found, block by block, and puts it in order.
fn hits(blocks: &[Block], best: Best, search: &Search<'_>, mut progress: Progress) -> Found {
    let is_full = best.found.len() == best.limit;
    let mut places: Vec<(usize, usize, Rank, Option<Vec<u8>>)> = best
        .found
        .into_iter()
        .map(|((Reverse(key), Reverse(seq)), (at, row, json))| (at, row, (key, seq), json))
        .collect();
    places.sort_unstable_by_key(|(at, row, ..)| (*at, *row));
    let mut found: Vec<(Rank, Hit)> = Vec::with_capacity(places.len());
    let (mut bytes, mut is_cut) = (0, false);
    for same in places.chunk_by_mut(|a, b| a.0 == b.0) {
        let opened = blocks[same[0].0].open(Vec::new());
        for (_, row, rank, json) in same {
            let json = match json.take() {
                Some(json) => Ok(json),
                None => opened.json(*row),
            };
            let hit = json.and_then(|json| {
                Ok(Hit {
                    json,
                    ..opened.hit(*row)?
                })
            });
            if let Some(hit) = progress.readable(hit) {
                bytes += hit.json.len();
                found.push((*rank, hit));
            }
        }
        // Far beyond what is given out: the rest is not even read.
        if bytes > 4 * search.budget.bytes {
            is_cut = true;
            break;
        }
    }
    found.sort_unstable_by_key(|(rank, _)| Reverse(*rank));
    let mut result = Found {
        scanned: progress.scanned,
        total: progress.total,
        complete: progress.complete && !is_cut,
        damaged: progress.damaged,
        ..Found::default()
    };
    let mut bytes = 0;
    for ((key, seq), hit) in found {
        bytes += hit.json.len();
        if bytes > search.budget.bytes && !result.hits.is_empty() {
            is_cut = true;
            break;
        }
        let (key, seq) = rank(search.order, key, seq);
        result.next = Some(Cursor { key, seq: Seq(seq) });
        result.hits.push(hit);
    }
    if !is_full && !is_cut {
        result.next = None;
    }
    result
}

/// The rank of a block's best record; `None` when it has none.
fn best_key(order: Order, block: &Block) -> Option<u64> {
    match order {
        Order::Newest => Some(block.zone().time_max_ns),
        Order::Oldest => Some(!block.zone().time_min_ns),
        Order::Slowest => block.duration_max_ns(),
    }
}

/// Texts without which no record fits.
fn required(filter: &Filter) -> Vec<&Needle> {
    fn of(expr: &Expr) -> Vec<&Needle> {
        match expr {
            Expr::Text(needle) => vec![needle],
            Expr::And(parts) => parts.iter().flat_map(of).collect(),
            _ => Vec::new(),
        }
    }
    of(filter.expr())
}

/// The records of a block that may fit, best first.
fn rows(
    opened: &OpenBlock<'_>,
    search: &Search<'_>,
    progress: &mut Progress,
) -> Result<Vec<Candidate>, Trouble> {
    let zone = opened.zone();
    progress.scanned += zone.records as u64;
    let node = Node::new(search.filter, opened.block.names());
    if !search.reaches(zone) || node.of_zone(zone) == NO {
        return Ok(Vec::new());
    }
    let verdicts = node.verdicts(opened)?;
    if verdicts.iter().all(|verdict| *verdict == NO) {
        return Ok(Vec::new());
    }
    let (seqs, times) = (opened.seqs()?, opened.times()?);
    let keys = match search.order {
        Order::Newest | Order::Oldest => times,
        Order::Slowest => opened.durations()?,
    };
    let after = search.after.map(|c| rank(search.order, c.key, c.seq.0));
    let mut rows = Vec::new();
    for (row, verdict) in verdicts.into_iter().enumerate() {
        let is_in_time = (search.from_unix_ns..=search.to_unix_ns).contains(&times[row]);
        let is_timed = search.order != Order::Slowest || keys[row] != NO_DURATION;
        if verdict == NO || !is_in_time || !is_timed {
            continue;
        }
        let (key, seq) = rank(search.order, keys[row], seqs[row]);
        if after.is_none_or(|after| (key, seq) < after) {
            rows.push(Candidate {
                key,
                seq,
                row,
                verdict,
            });
        }
    }
    let has_to_read = rows.iter().any(|row| row.verdict != YES);
    if search.order != Order::Slowest || !has_to_read {
        rows.sort_unstable_by_key(|c| Reverse((c.key, c.seq)));
    }
    Ok(rows)
}
