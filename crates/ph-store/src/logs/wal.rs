//! Write-ahead files: what was appended and is not yet sealed.
//!
//! A file is a row of frames ([`crate::frame`]). The first payload is the head, each further one a record with its
//! number, so that a record which also stands in a sealed segment is known to be the same one.

use super::block::Zone;
use super::columns::{BLOCK_RECORDS, Columns, NO_DURATION, Row, trace_hash};
use super::names::NameTable;
use super::{Damage, Entry, Kind, Level};
use crate::disk::ReadFile;
use crate::frame::{self, Read};
use ph_base::trace::TraceId;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// First byte of the payload that begins a file.
const HEAD: u8 = b'H';
/// First byte of the payload of a record.
const RECORD: u8 = b'R';
/// What stands behind it in a head: what the file is, and its format.
const MAGIC: &[u8] = b"PHWAL\x01";
/// Bytes before the names of a record.
const FIXED_BYTES: usize = 1 + 8 + 8 + 8 + 2 + 1 + 1 + 16 + 4 * 2;

/// The frame that begins a file. `next`: no record before has this number.
pub(crate) fn write_head(out: &mut Vec<u8>, next: u64) {
    frame::write(out, |out| {
        out.push(HEAD);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&next.to_le_bytes());
    });
}

fn read_head(payload: &[u8]) -> Option<u64> {
    let next = payload.strip_prefix(&[HEAD])?.strip_prefix(MAGIC)?;
    Some(u64::from_le_bytes(next.try_into().ok()?))
}

/// Appends a record's frame and says at which byte of it the JSON begins.
pub(crate) fn write_record(out: &mut Vec<u8>, seq: u64, entry: &Entry<'_>) -> usize {
    let start = out.len();
    frame::write(out, |out| {
        out.push(RECORD);
        out.extend_from_slice(&seq.to_le_bytes());
        out.extend_from_slice(&entry.time_unix_ns.to_le_bytes());
        let duration = entry.duration_ns.unwrap_or(NO_DURATION);
        out.extend_from_slice(&duration.to_le_bytes());
        out.extend_from_slice(&entry.status.to_le_bytes());
        out.push(entry.level as u8);
        out.push(entry.kind as u8);
        out.extend_from_slice(&entry.trace_id.map_or([0; 16], |id| id.0));
        let names = names_of(entry);
        for name in names {
            out.extend_from_slice(&(name.len() as u16).to_le_bytes());
        }
        for name in names {
            out.extend_from_slice(name.as_bytes());
        }
        out.extend_from_slice(entry.json);
    });
    out.len() - start - entry.json.len()
}

/// At which byte of its frame the JSON of an entry begins.
pub(crate) fn json_offset(entry: &Entry<'_>) -> u64 {
    let names: usize = names_of(entry).iter().map(|name| name.len()).sum();
    (frame::HEAD_BYTES + FIXED_BYTES + names) as u64
}

/// The names of an entry, each cut to what a length of 16 bits can say; a cut one is too long for a column anyway.
fn names_of<'a>(entry: &Entry<'a>) -> [&'a str; 4] {
    [entry.server, entry.method, entry.tool, entry.outcome].map(|name| {
        let mut end = name.len().min(1024);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        &name[..end]
    })
}

/// Reads the payload of a record; `None` when it is none.
pub(crate) fn read_record(payload: &[u8]) -> Option<(u64, Entry<'_>)> {
    let (fixed, mut rest) = payload.split_at_checked(FIXED_BYTES)?;
    let number = |at: usize| fixed[at..at + 8].try_into().map(u64::from_le_bytes).ok();
    if fixed[0] != RECORD {
        return None;
    }
    let duration = number(17)?;
    let mut trace = [0; 16];
    trace.copy_from_slice(&fixed[29..45]);
    let mut names = [""; 4];
    for (i, name) in names.iter_mut().enumerate() {
        let bytes = u16::from_le_bytes([fixed[45 + 2 * i], fixed[46 + 2 * i]]);
        let (text, after) = rest.split_at_checked(usize::from(bytes))?;
        *name = std::str::from_utf8(text).ok()?;
        rest = after;
    }
    // Nothing of ours writes one, and a segment could not hold it.
    if memchr::memchr(b'\n', rest).is_some() {
        return None;
    }
    let entry = Entry {
        kind: Kind::from_byte(fixed[28])?,
        level: Level::from_byte(fixed[27])?,
        time_unix_ns: number(9)?,
        duration_ns: (duration != NO_DURATION).then_some(duration),
        status: u16::from_le_bytes([fixed[25], fixed[26]]),
        trace_id: (trace != [0; 16]).then_some(TraceId(trace)),
        server: names[0],
        method: names[1],
        tool: names[2],
        outcome: names[3],
        json: rest,
    };
    Some((number(1)?, entry))
}

/// The columns of a record whose JSON is at `json_at`.
pub(crate) fn row(names: &mut NameTable, seq: u64, entry: &Entry<'_>, json_at: u64) -> Row {
    Row {
        seq,
        time_ns: entry.time_unix_ns,
        duration_ns: entry.duration_ns.unwrap_or(NO_DURATION),
        trace: trace_hash(entry.trace_id),
        status: entry.status,
        level: entry.level as u8,
        kind: entry.kind as u8,
        names: names_of(entry).map(|name| names.id(name)),
        json_at,
        json_bytes: entry.json.len() as u32,
    }
}

/// What readers see of a write-ahead file: its columns in memory, its JSON on disk.
#[derive(Debug)]
pub(crate) struct Wal {
    /// Its name in the directory.
    pub(crate) name: String,
    pub(crate) file: Arc<dyn ReadFile>,
    /// Nothing more comes; it can be sealed.
    closed: AtomicBool,
    shown: Mutex<Shown>,
}

/// Never locked while a file is read or written.
#[derive(Clone, Debug, Default)]
struct Shown {
    full: Vec<Arc<WalBlock>>,
    open: Columns,
    names: Vec<Arc<str>>,
    json_bytes: u64,
}

/// A run of records of a write-ahead file.
#[derive(Debug)]
pub(crate) struct WalBlock {
    pub(crate) columns: Columns,
    pub(crate) zone: Zone,
}

impl WalBlock {
    fn new(columns: Columns) -> Arc<Self> {
        let zone = Zone::of(&columns);
        Arc::new(Self { columns, zone })
    }
}

impl Wal {
    pub(crate) fn new(name: String, file: Arc<dyn ReadFile>) -> Self {
        Self {
            name,
            file,
            closed: AtomicBool::new(false),
            shown: Mutex::default(),
        }
    }

    /// The same records in another file, which has the same bytes.
    pub(crate) fn moved_to(&self, name: String, file: Arc<dyn ReadFile>) -> Self {
        let shown = self.shown();
        Self {
            name,
            file,
            closed: AtomicBool::new(self.is_closed()),
            shown: Mutex::new(shown.clone()),
        }
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn reopen(&self) {
        self.closed.store(false, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Shows further records, all of which are in the file.
    pub(crate) fn show(&self, rows: &[Row], names: &[Arc<str>]) {
        let mut shown = self.shown();
        for row in rows {
            shown.open.push(row);
            shown.json_bytes += u64::from(row.json_bytes);
            if shown.open.len() == BLOCK_RECORDS {
                let full = std::mem::take(&mut shown.open);
                shown.full.push(WalBlock::new(full));
            }
        }
        let known = shown.names.len();
        shown.names.extend_from_slice(&names[known..]);
    }

    /// Shows only the records up to `seq_last`; the others stand in another file now.
    pub(crate) fn show_until(&self, seq_last: u64) {
        let mut shown = self.shown();
        while let Some(block) = shown.full.last()
            && block.zone.seq_last > seq_last
        {
            shown.open = block.columns.clone();
            shown.full.pop();
        }
        let keep = shown.open.seq.partition_point(|seq| *seq <= seq_last);
        shown.open.truncate(keep);
    }

    /// The records as they are now.
    pub(crate) fn blocks(&self) -> (Vec<Arc<WalBlock>>, Vec<Arc<str>>) {
        let shown = self.shown();
        let mut blocks = shown.full.clone();
        let (open, names) = (shown.open.clone(), shown.names.clone());
        drop(shown);
        if open.len() > 0 {
            blocks.push(WalBlock::new(open));
        }
        (blocks, names)
    }

    /// Bytes of JSON, and records.
    pub(crate) fn size(&self) -> (u64, usize) {
        let shown = self.shown();
        let records = shown.full.len() * BLOCK_RECORDS + shown.open.len();
        (shown.json_bytes, records)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file held when it was read from its beginning.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// Everything up to here is whole, or damaged and named.
    pub(crate) good_bytes: u64,
    /// Behind it: what a crash left of the last write.
    pub(crate) torn_bytes: u64,
    pub(crate) damage: Vec<Damage>,
    pub(crate) records: u64,
    /// What the head says of the records before.
    pub(crate) next: u64,
}

/// Bytes read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Reads a file up to its end and hands over each record with the position of its frame.
///
/// Behind a damaged place the next whole record is searched for.
pub(crate) fn scan(
    name: &str,
    file: &dyn ReadFile,
    record: &mut dyn FnMut(u64, u64, &Entry<'_>) -> io::Result<()>,
) -> io::Result<Scanned> {
    let end = file.len()?;
    let mut scanned = Scanned::default();
    let (mut buffer, mut buffer_at) = (Vec::new(), 0_u64);
    let mut at = 0_u64;
    let mut bad_from: Option<u64> = None;
    while at < end {
        let rest = buffer.get((at - buffer_at) as usize..).unwrap_or_default();
        let read = match bad_from {
            // Most places are no frame, and the sum over what they would claim is not worth its time.
            Some(_) if rest.len() > frame::HEAD_BYTES && !may_be_record(rest) => Read::BadLength,
            _ => frame::read(rest),
        };
        match read {
            Read::Payload(payload) => {
                if let Some((seq, entry)) = read_record(payload) {
                    record(seq, at, &entry)?;
                    scanned.records += 1;
                } else if let Some(next) = read_head(payload) {
                    scanned.next = next;
                }
                if let Some(from) = bad_from.take() {
                    scanned.damage.push(damage(name, from, at));
                }
                at += (frame::HEAD_BYTES + payload.len()) as u64;
                scanned.good_bytes = at;
            }
            Read::Partial { needed } if at + needed as u64 <= end => {
                let take = needed.max(CHUNK_BYTES).min((end - at) as usize);
                buffer.resize(take, 0);
                file.read_exact_at(&mut buffer, at)?;
                buffer_at = at;
            }
            Read::Partial { .. } | Read::BadSum { .. } | Read::BadLength => {
                bad_from.get_or_insert(at);
                at += 1;
            }
        }
    }
    scanned.torn_bytes = end - scanned.good_bytes;
    Ok(scanned)
}

/// Whether a frame of a record could begin here, as far as can be told without its sum.
fn may_be_record(bytes: &[u8]) -> bool {
    let byte = |at: usize| bytes.get(frame::HEAD_BYTES + at).copied();
    byte(0) == Some(RECORD)
        && byte(27).is_none_or(|level| Level::from_byte(level).is_some())
        && byte(28).is_none_or(|kind| Kind::from_byte(kind).is_some())
}

fn damage(name: &str, from: u64, to: u64) -> Damage {
    Damage {
        file: name.to_owned(),
        block: None,
        offset: from,
        bytes: to - from,
        records: None,
        problem: "checksum does not match",
    }
}
