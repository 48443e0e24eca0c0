//! Records on their way to the store: their lines and columns in one piece of memory.

use ph_base::trace::TraceId;
use ph_store::logs::{Entry, Kind, Level};

/// Records that are handed over together. Filled without an allocation of its own per record.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    rows: Vec<Row>,
    /// Of each row: its JSON, then its names.
    bytes: Vec<u8>,
}

/// What a record is found by, and how long its parts are.
#[derive(Clone, Copy, Debug)]
struct Row {
    kind: Kind,
    level: Level,
    time_unix_ns: u64,
    duration_ns: Option<u64>,
    status: u16,
    trace_id: Option<TraceId>,
    json: u32,
    /// Server, method, tool, outcome.
    names: [u16; 4],
}

/// One batch keeps at most so much memory when it is used again.
const KEEP_BYTES: usize = 512 * 1024;
/// The same in records.
const KEEP_ROWS: usize = 1024;

impl Batch {
    /// Copies a record. One whose parts are longer than can be told is cut in its names, and left out
    /// when its JSON is: the store refuses such a line anyway.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) {
        let names = [entry.server, entry.method, entry.tool, entry.outcome].map(cut);
        self.bytes.extend_from_slice(entry.json);
        for name in names {
            self.bytes.extend_from_slice(name.as_bytes());
        }
        self.rows.push(Row {
            kind: entry.kind,
            level: entry.level,
            time_unix_ns: entry.time_unix_ns,
            duration_ns: entry.duration_ns,
            status: entry.status,
            trace_id: entry.trace_id,
            json: u32::try_from(entry.json.len()).unwrap_or(u32::MAX),
            names: names.map(|name| u16::try_from(name.len()).unwrap_or(u16::MAX)),
        });
    }

    /// Its records, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = &self.bytes[..];
        self.rows.iter().map(move |row| {
            let json = take(&mut rest, row.json as usize);
            let [server, method, tool, outcome] = row
                .names
                .map(|len| std::str::from_utf8(take(&mut rest, usize::from(len))).unwrap_or(""));
            Entry {
                kind: row.kind,
                level: row.level,
                time_unix_ns: row.time_unix_ns,
                duration_ns: row.duration_ns,
                status: row.status,
                trace_id: row.trace_id,
                server,
                method,
                tool,
                outcome,
                json,
            }
        })
    }

    /// How many records.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Memory that it holds, about, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<Row>()
    }

    /// Empties it; its memory stays, within bounds, for the next one.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.bytes.clear();
        self.rows.shrink_to(KEEP_ROWS);
        self.bytes.shrink_to(KEEP_BYTES);
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (part, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
    *rest = after;
    part
}

/// Longest name of a column; a longer one stands whole in the JSON.
const NAME_BYTES_MAX: usize = 1024;

fn cut(name: &str) -> &str {
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(records in prop::collection::vec((any::<String>(), any::<[String; 4]>(), any::<u64>(), any::<Option<u64>>(), any::<u16>(), any::<Option<[u8; 16]>>()), 0..20)) {
            let mut batch = Batch::default();
            for round in 0..2 {
                for (json, [server, method, tool, outcome], time_unix_ns, duration_ns, status, trace) in &records {
                    batch.push(&Entry {
                        kind: Kind::Call, level: Level::Warn, time_unix_ns: *time_unix_ns, duration_ns: *duration_ns, status: *status,
                        trace_id: trace.map(TraceId), server, method, tool, outcome, json: json.as_bytes(),
                    });
                }
                prop_assert_eq!(batch.len(), records.len());
                for (entry, (json, names, time, duration, status, trace)) in batch.entries().zip(&records) {
                    prop_assert_eq!(entry.json, json.as_bytes());
                    prop_assert_eq!([entry.server, entry.method, entry.tool, entry.outcome], names.each_ref().map(String::as_str));
                    prop_assert_eq!((entry.time_unix_ns, entry.duration_ns, entry.status, entry.trace_id), (*time, *duration, *status, trace.map(TraceId)));
                }
                batch.clear();
                prop_assert_eq!((batch.len(), batch.bytes(), round), (0, 0, round));
            }
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let long = "é".repeat(NAME_BYTES_MAX);
        assert_eq!(cut(&long).len(), NAME_BYTES_MAX);
        assert_eq!(cut(&format!("a{long}")).len(), NAME_BYTES_MAX - 1);
    }
}
