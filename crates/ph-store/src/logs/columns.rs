//! The columns of a run of records.

use super::names::NameId;
use ph_base::trace::TraceId;

/// Records of a block, when it is full.
pub(crate) const BLOCK_RECORDS: usize = 4096;

/// In the column of durations: none.
pub(crate) const NO_DURATION: u64 = u64::MAX;

/// What is known of one record without its JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    pub(crate) time_ns: u64,
    pub(crate) duration_ns: u64,
    pub(crate) trace: u64,
    pub(crate) status: u16,
    pub(crate) level: u8,
    pub(crate) kind: u8,
    /// Server, method, tool, outcome.
    pub(crate) names: [NameId; 4],
    /// Where the JSON is in its write-ahead file.
    pub(crate) json_at: u64,
    pub(crate) json_bytes: u32,
}

/// Columns of at most [`BLOCK_RECORDS`] records, in the order of their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) seq: Vec<u64>,
    pub(crate) time_ns: Vec<u64>,
    pub(crate) duration_ns: Vec<u64>,
    pub(crate) trace: Vec<u64>,
    pub(crate) status: Vec<u16>,
    pub(crate) level: Vec<u8>,
    pub(crate) kind: Vec<u8>,
    pub(crate) names: [Vec<NameId>; 4],
    pub(crate) json: Vec<(u64, u32)>,
}

impl Columns {
    pub(crate) fn len(&self) -> usize {
        self.seq.len()
    }

    pub(crate) fn push(&mut self, row: &Row) {
        self.seq.push(row.seq);
        self.time_ns.push(row.time_ns);
        self.duration_ns.push(row.duration_ns);
        self.trace.push(row.trace);
        self.status.push(row.status);
        self.level.push(row.level);
        self.kind.push(row.kind);
        for (column, id) in self.names.iter_mut().zip(row.names) {
            column.push(id);
        }
        self.json.push((row.json_at, row.json_bytes));
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        (0..self.len()).map(|i| Row {
            seq: self.seq[i],
            time_ns: self.time_ns[i],
            duration_ns: self.duration_ns[i],
            trace: self.trace[i],
            status: self.status[i],
            level: self.level[i],
            kind: self.kind[i],
            names: [0, 1, 2, 3].map(|k: usize| self.names[k][i]),
            json_at: self.json[i].0,
            json_bytes: self.json[i].1,
        })
    }

    /// Leaves the first `len` records.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.seq.truncate(len);
        self.time_ns.truncate(len);
        self.duration_ns.truncate(len);
        self.trace.truncate(len);
        self.status.truncate(len);
        self.level.truncate(len);
        self.kind.truncate(len);
        for column in &mut self.names {
            column.truncate(len);
        }
        self.json.truncate(len);
    }
}

/// A trace id in 64 bits, for columns and blooms. 0 is none.
pub(crate) fn trace_hash(id: Option<TraceId>) -> u64 {
    let Some(TraceId(bytes)) = id else {
        return 0;
    };
    let half = |from: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[from..from + 8]);
        u64::from_le_bytes(eight)
    };
    // Ids are random, as a rule; those that are counted up must spread as well.
    mix(half(0) ^ half(8).rotate_left(32)).max(1)
}

/// Spreads every bit over all (the finalizer of MurmurHash3).
pub(crate) fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}
