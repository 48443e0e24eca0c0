//! Write-ahead files: what was appended and is not yet sealed.
//!
//! A file is a row of frames ([`crate::frame`]). The first payload is the head, each further one a record with its
//! number, so that a record which also stands in a sealed segment is known to be the same one.

use super::block::Zone;
use super::columns::{BLOCK_RECORDS, Columns, NO_DURATION, Row, trace_hash};
use super::names::{NameId, NameTable};
use super::{Damage, Entry, Kind, Level};
use crate::disk::ReadFile;
use crate::frame::{self, Read};
use ph_base::trace::TraceId;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// First byte of the payload that begins a file.
const HEAD: u8 = b'H';
/// First byte of the payload of a record.
const RECORD: u8 = b'R';
/// What stands behind it in a head: what the file is, and its format.
const MAGIC: &[u8] = b"PHWAL\x01";
/// Bytes before the names of a record.
const FIXED_BYTES: usize = 1 + 8 + 8 + 8 + 2 + 1 + 1 + 16 + 4 * 2;

/// The frame that begins a file.
pub(crate) fn write_head(out: &mut Vec<u8>) {
    frame::write(out, |out| {
        out.push(HEAD);
        out.extend_from_slice(MAGIC);
    });
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
    shown: Mutex<Shown>,
}

/// Never locked while a file is read or written.
#[derive(Debug, Default)]
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
        let shown = Mutex::default();
        Self { name, file, shown }
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

    /// Reads a record's JSON.
    pub(crate) fn json(&self, at: (u64, u32), out: &mut Vec<u8>) -> io::Result<()> {
        out.resize(at.1 as usize, 0);
        self.file.read_exact_at(out, at.0)
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
}

/// Bytes read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Reads a file up to its end and hands over each record with the position of its frame.
pub(crate) fn scan(
    name: &str,
    file: &dyn ReadFile,
    record: &mut dyn FnMut(u64, u64, &Entry<'_>),
) -> io::Result<Scanned> {
    let end = file.len()?;
    let mut scanned = Scanned::default();
    let mut buffer = Vec::new();
    let (mut buffer_at, mut at) = (0_u64, 0_u64);
    let mut suspect: Option<u64> = None;
    while at < end {
        let used = (at - buffer_at) as usize;
        let needed = match frame::read(&buffer[used.min(buffer.len())..]) {
            Read::Payload(payload) => {
                let whole = (frame::HEAD_BYTES + payload.len()) as u64;
                if let Some((seq, entry)) = read_record(payload) {
                    record(seq, at, &entry);
                    scanned.records += 1;
                }
                if let Some(from) = suspect.take() {
                    scanned.damage.push(damage(name, from, at));
                }
                at += whole;
                scanned.good_bytes = at;
                continue;
            }
            Read::Partial { needed } if at + needed as u64 <= end => needed,
            // A length that is right leads to the next frame; one that is wrong is searched past byte by byte.
            Read::BadSum { bytes }
                if suspect.is_none() && at + ((frame::HEAD_BYTES + bytes) as u64) < end =>
            {
                suspect = Some(at);
                let next = at + (frame::HEAD_BYTES + bytes) as u64;
                if is_frame_at(file, next, end)? {
                    at = next;
                } else {
                    at += 1;
                }
                continue;
            }
            Read::Partial { .. } | Read::BadSum { .. } | Read::BadLength => {
                suspect.get_or_insert(at);
                at += 1;
                continue;
            }
        };
        let take = needed.max(CHUNK_BYTES).min((end - at) as usize);
        buffer.resize(take, 0);
        file.read_exact_at(&mut buffer, at)?;
        buffer_at = at;
    }
    scanned.torn_bytes = end - scanned.good_bytes;
    Ok(scanned)
}

fn is_frame_at(file: &dyn ReadFile, at: u64, end: u64) -> io::Result<bool> {
    let mut bytes = vec![0; CHUNK_BYTES.min((end - at) as usize)];
    file.read_exact_at(&mut bytes, at)?;
    if let Read::Partial { needed } = frame::read(&bytes)
        && at + needed as u64 <= end
    {
        bytes.resize(needed, 0);
        file.read_exact_at(&mut bytes, at)?;
    }
    Ok(matches!(frame::read(&bytes), Read::Payload(_)))
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

/// The text of a number, where it has one.
pub(crate) fn name(names: &[Arc<str>], id: NameId) -> Option<&str> {
    names.get(usize::from(id)).map(|name| &**name)
}
