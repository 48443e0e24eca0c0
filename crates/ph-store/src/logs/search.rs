//! Searching: blocks that cannot hold anything are passed over by their bounds, records that do not fit by their
//! columns, and only what is left is read.

use super::columns::NO_DURATION;
use super::evaluate::{NO, Node, Table, YES};
use super::wal::{self, Wal, WalBlock};
use super::{Batch, Cursor, Kind, Level, Seq, StoreError};
use crate::query::{Field, Filter, Known, Needle};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// Records whose JSON is read.
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
    /// When it began, nanoseconds of Unix time.
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
}

/// How often the values of a field occur.
#[derive(Clone, Debug, Default)]
pub struct Top {
    /// The most frequent first.
    pub values: Vec<TopValue>,
    /// Records whose value did not make it into the list.
    pub others: u64,
    /// Records without the field.
    pub without: u64,
    /// Records that were decided on.
    pub scanned: u64,
    /// Records within the asked time.
    pub total: u64,
    /// `false`: the budget ended first.
    pub complete: bool,
}

/// A value and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopValue {
    /// The value as a text.
    pub value: String,
    /// Records that have it.
    pub records: u64,
    /// The longest duration among them.
    pub duration_ns_max: Option<u64>,
}

/// Different values that are counted apart.
const TOP_VALUES_MAX: usize = 10_000;

/// A run of records.
pub(crate) struct Block {
    pub(crate) wal: Arc<Wal>,
    pub(crate) block: Arc<WalBlock>,
    pub(crate) names: Arc<[Arc<str>]>,
}

impl Block {
    pub(crate) fn zone(&self) -> &super::block::Zone {
        &self.block.zone
    }

    fn json(&self, i: usize, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.wal
            .json(self.block.columns.json[i], out)
            .map_err(StoreError::io("read", &self.wal.name))
    }

    fn hit(&self, i: usize, json: Vec<u8>) -> Hit {
        let columns = &self.block.columns;
        let duration = columns.duration_ns[i];
        Hit {
            seq: Seq(columns.seq[i]),
            time_unix_ns: columns.time_ns[i],
            duration_ns: (duration != NO_DURATION).then_some(duration),
            kind: Kind::from_byte(columns.kind[i]).unwrap_or(Kind::Event),
            level: Level::from_byte(columns.level[i]).unwrap_or(Level::Info),
            json,
        }
    }
}

impl Table for Block {
    type Error = StoreError;

    fn zone(&self) -> &super::block::Zone {
        &self.block.zone
    }
    fn durations(&self) -> Result<&[u64], StoreError> {
        Ok(&self.block.columns.duration_ns)
    }
    fn statuses(&self) -> Result<&[u16], StoreError> {
        Ok(&self.block.columns.status)
    }
    fn levels(&self) -> Result<&[u8], StoreError> {
        Ok(&self.block.columns.level)
    }
    fn kinds(&self) -> Result<&[u8], StoreError> {
        Ok(&self.block.columns.kind)
    }
    fn names(&self, column: usize) -> Result<&[u16], StoreError> {
        Ok(&self.block.columns.names[column])
    }
    fn of_trace(&self, hash: u64) -> Result<Vec<bool>, StoreError> {
        Ok(self
            .block
            .columns
            .trace
            .iter()
            .map(|t| *t == hash)
            .collect())
    }
    fn may_contain(&self, _needle: &Needle) -> Result<bool, StoreError> {
        Ok(true)
    }
}

/// How far a search has come.
struct Progress {
    budget: Budget,
    began: Instant,
    read: u64,
    scanned: u64,
    total: u64,
    complete: bool,
}

impl Progress {
    fn new(budget: Budget) -> Self {
        Self {
            budget,
            began: Instant::now(),
            read: 0,
            scanned: 0,
            total: 0,
            complete: true,
        }
    }

    /// `false` when the budget is used up.
    fn goes_on(&mut self) -> bool {
        if self.read >= self.budget.records || self.began.elapsed() >= self.budget.wall {
            self.complete = false;
        }
        self.complete
    }
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
}

/// Both turned round for `Oldest`, so that the highest always comes first.
fn rank(order: Order, key: u64, seq: u64) -> (u64, u64) {
    match order {
        Order::Newest | Order::Slowest => (key, seq),
        Order::Oldest => (!key, !seq),
    }
}

pub(crate) fn search(blocks: &[Block], search: &Search<'_>) -> Result<Found, StoreError> {
    let limit = search.limit.min(Search::LIMIT_MAX);
    let mut progress = Progress::new(search.budget);
    let mut order: Vec<usize> = within(blocks, search, &mut progress);
    order.sort_by_key(|i| Reverse(best_key(search.order, blocks[*i].zone())));
    let mut best = Best {
        limit,
        found: BTreeMap::new(),
    };
    let mut json = Vec::new();
    for at in order {
        let block = &blocks[at];
        let Some(key_max) = best_key(search.order, block.zone()) else {
            continue;
        };
        if limit == 0 || !best.takes(key_max, u64::MAX) || !progress.goes_on() {
            break;
        }
        let rows = rows(block, search, &mut progress)?;
        for (key, seq, row, verdict) in rows {
            if !best.takes(key, seq) {
                break;
            }
            let text = if verdict == YES {
                None
            } else {
                if !progress.goes_on() {
                    break;
                }
                progress.read += 1;
                block.json(row, &mut json)?;
                if !search.filter.matches(&json) {
                    continue;
                }
                Some(json.clone())
            };
            best.found
                .insert((Reverse(key), Reverse(seq)), (at, row, text));
            if best.found.len() > limit {
                best.found.pop_last();
            }
        }
    }
    hits(blocks, best, search, &progress)
}

fn hits(
    blocks: &[Block],
    best: Best,
    search: &Search<'_>,
    progress: &Progress,
) -> Result<Found, StoreError> {
    let mut found = Found {
        scanned: progress.scanned,
        total: progress.total,
        complete: progress.complete,
        ..Found::default()
    };
    let is_full = best.found.len() == best.limit;
    let (mut bytes, mut is_cut) = (0, false);
    for ((Reverse(key), Reverse(seq)), (at, row, text)) in best.found {
        let json = match text {
            Some(text) => text,
            None => {
                let mut json = Vec::new();
                blocks[at].json(row, &mut json)?;
                json
            }
        };
        bytes += json.len();
        if bytes > search.budget.bytes && !found.hits.is_empty() {
            is_cut = true;
            break;
        }
        let (key, seq) = rank(search.order, key, seq);
        let seq = Seq(seq);
        found.next = Some(Cursor { key, seq });
        found.hits.push(blocks[at].hit(row, json));
    }
    if !is_full && !is_cut {
        found.next = None;
    }
    Ok(found)
}

/// Blocks that reach into the asked time.
fn within(blocks: &[Block], search: &Search<'_>, progress: &mut Progress) -> Vec<usize> {
    let reaches = |i: &usize| {
        let zone = blocks[*i].zone();
        zone.time_max_ns >= search.from_unix_ns && zone.time_min_ns <= search.to_unix_ns
    };
    let within: Vec<usize> = (0..blocks.len()).filter(reaches).collect();
    progress.total = within
        .iter()
        .map(|i| blocks[*i].zone().records as u64)
        .sum();
    within
}

/// The rank of a block's best record; `None` when it has none.
fn best_key(order: Order, zone: &super::block::Zone) -> Option<u64> {
    match order {
        Order::Newest => Some(zone.time_max_ns),
        Order::Oldest => Some(!zone.time_min_ns),
        Order::Slowest => zone.durations_ns.map(|(_, max)| max),
    }
}

/// The records of a block that may fit, best first: key, number (both as ranks), row and verdict.
fn rows(
    block: &Block,
    search: &Search<'_>,
    progress: &mut Progress,
) -> Result<Vec<(u64, u64, usize, u8)>, StoreError> {
    let zone = block.zone();
    progress.scanned += zone.records as u64;
    let node = Node::new(search.filter, &block.names);
    if node.of_zone(zone) == NO {
        return Ok(Vec::new());
    }
    let verdicts = node.verdicts(block)?;
    let columns = &block.block.columns;
    let after = search.after.map(|c| rank(search.order, c.key, c.seq.0));
    let mut rows = Vec::new();
    for (i, verdict) in verdicts.into_iter().enumerate() {
        let time = columns.time_ns[i];
        if verdict == NO || time < search.from_unix_ns || time > search.to_unix_ns {
            continue;
        }
        let key = match search.order {
            Order::Newest | Order::Oldest => time,
            Order::Slowest => columns.duration_ns[i],
        };
        if search.order == Order::Slowest && key == NO_DURATION {
            continue;
        }
        let (key, seq) = rank(search.order, key, columns.seq[i]);
        if after.is_none_or(|after| (key, seq) < after) {
            rows.push((key, seq, i, verdict));
        }
    }
    rows.sort_unstable_by_key(|(key, seq, ..)| Reverse((*key, *seq)));
    Ok(rows)
}

pub(crate) fn top(blocks: &[Block], search: &Search<'_>, field: &Field) -> Result<Top, StoreError> {
    let mut progress = Progress::new(search.budget);
    let mut counts: HashMap<String, (u64, Option<u64>)> = HashMap::new();
    let mut top = Top::default();
    let mut json = Vec::new();
    for at in within(blocks, search, &mut progress) {
        let block = &blocks[at];
        for (_, _, row, verdict) in rows(block, search, &mut progress)? {
            let from_columns = value_in_columns(block, row, field);
            if verdict != YES || from_columns.is_none() {
                if !progress.goes_on() {
                    break;
                }
                progress.read += 1;
                block.json(row, &mut json)?;
                if verdict != YES && !search.filter.matches(&json) {
                    continue;
                }
            }
            let Some(value) =
                from_columns.unwrap_or_else(|| field.value(&json).map(Cow::into_owned))
            else {
                top.without += 1;
                continue;
            };
            if counts.len() == TOP_VALUES_MAX && !counts.contains_key(&value) {
                top.others += 1;
                continue;
            }
            let duration = block.block.columns.duration_ns[row];
            let (records, longest) = counts.entry(value).or_default();
            *records += 1;
            if duration != NO_DURATION {
                *longest = (*longest).max(Some(duration));
            }
        }
    }
    let mut values: Vec<TopValue> = counts
        .into_iter()
        .map(|(value, (records, duration_ns_max))| TopValue {
            value,
            records,
            duration_ns_max,
        })
        .collect();
    values.sort_unstable_by(|a, b| (b.records, &a.value).cmp(&(a.records, &b.value)));
    for rest in values.drain(search.limit.min(values.len())..) {
        top.others += rest.records;
    }
    top.values = values;
    (top.scanned, top.total, top.complete) = (progress.scanned, progress.total, progress.complete);
    Ok(top)
}

/// A field's value by its column: `None` when the column does not have it, `Some(None)` when the record does not.
fn value_in_columns(block: &Block, row: usize, field: &Field) -> Option<Option<String>> {
    let columns = &block.block.columns;
    let name = |column: usize| {
        let name = wal::name(&block.names, columns.names[column][row])?;
        Some((!name.is_empty()).then(|| name.to_owned()))
    };
    let Field::Known(known) = field else {
        return None;
    };
    match known {
        Known::Server => name(0),
        Known::Method => name(1),
        Known::Tool => name(2),
        Known::Outcome => name(3),
        Known::Kind => Some(Kind::from_byte(columns.kind[row]).map(|k| k.as_label().to_owned())),
        Known::Level => Some(Level::from_byte(columns.level[row]).map(|l| l.as_label().to_owned())),
        Known::Status => {
            let status = columns.status[row];
            Some((status != 0).then(|| status.to_string()))
        }
        _ => None,
    }
}

pub(crate) fn follow(
    blocks: &[Block],
    from: Seq,
    filter: &Filter,
    entries_max: usize,
    bytes_max: usize,
) -> Result<Batch, StoreError> {
    let from = from.max(Seq(1));
    let mut batch = Batch {
        next: from,
        ..Batch::default()
    };
    let mut bytes = 0;
    for block in blocks {
        let zone = block.zone();
        if zone.seq_last < from.0 {
            continue;
        }
        let verdicts = Node::new(filter, &block.names).verdicts(block)?;
        let columns = &block.block.columns;
        let start = columns.seq.partition_point(|seq| *seq < from.0);
        for (row, verdict) in verdicts.into_iter().enumerate().skip(start) {
            let seq = columns.seq[row];
            let mut json = Vec::new();
            if verdict != NO {
                block.json(row, &mut json)?;
                if verdict == YES || filter.matches(&json) {
                    bytes += json.len();
                    let is_full = batch.entries.len() >= entries_max || bytes > bytes_max;
                    if is_full && !batch.entries.is_empty() {
                        return Ok(batch);
                    }
                    batch.entries.push(block.hit(row, json));
                }
            }
            batch.missed += seq - batch.next.0;
            batch.next = Seq(seq).next();
        }
    }
    Ok(batch)
}
