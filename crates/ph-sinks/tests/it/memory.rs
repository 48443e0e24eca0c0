//! A store in memory.

use ph_sinks::{Entry, Feed, FeedError, Page};
use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Default)]
pub(crate) struct Memory {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<u64, Entry>,
    head: u64,
    holds: BTreeMap<String, u64>,
}

impl Memory {
    /// Appends calls whose messages are their numbers.
    pub(crate) fn add(&self, count: u64) {
        for _ in 0..count {
            let mut state = self.state.lock().unwrap();
            let seq = state.head;
            state.head += 1;
            let json = format!(
                r#"{{"timestamp":"2026-11-22T00:00:00Z","level":"info","kind":"call","message":"{seq}","trace_id":"{:032x}","span_id":"{:016x}","upstream_span_id":"{:016x}","upstream_start_ms":1,"upstream_ms":1,"method":"tools/call","tool":"echo","outcome":"ok","status":200,"duration":3}}"#,
                seq + 1,
                2 * seq + 1,
                2 * seq + 2
            );
            let entry = Entry {
                seq,
                time_unix_ns: 1_000_000_000 + seq,
                kind: "call",
                json: json.into_bytes(),
            };
            state.entries.insert(seq, entry);
        }
    }

    /// What retention does.
    pub(crate) fn forget_below(&self, seq: u64) {
        self.state
            .lock()
            .unwrap()
            .entries
            .retain(|at, _| *at >= seq);
    }

    pub(crate) fn held(&self, name: &str) -> Option<u64> {
        self.state.lock().unwrap().holds.get(name).copied()
    }
}

impl Feed for Memory {
    fn read(&self, from: u64, entries_max: usize, bytes_max: usize) -> Result<Page, FeedError> {
        let state = self.state.lock().unwrap();
        let mut bytes = 0;
        let entries: Vec<Entry> = state
            .entries
            .range(from..)
            .map(|(_, entry)| entry.clone())
            .take(entries_max)
            .take_while(|entry| {
                let fits = bytes < bytes_max;
                bytes += entry.json.len();
                fits
            })
            .collect();
        let next = entries
            .last()
            .map_or(state.head.max(from), |last| last.seq + 1);
        let lost = next - from - entries.len() as u64;
        Ok(Page {
            entries,
            next,
            lost,
        })
    }

    fn head(&self) -> u64 {
        self.state.lock().unwrap().head
    }

    fn bytes_from(&self, seq: u64) -> u64 {
        let state = self.state.lock().unwrap();
        state
            .entries
            .range(seq..)
            .map(|(_, entry)| entry.json.len() as u64)
            .sum()
    }

    fn seq_within(&self, bytes: u64) -> u64 {
        let state = self.state.lock().unwrap();
        let mut left = bytes;
        let mut place = state.head;
        for (seq, entry) in state.entries.iter().rev() {
            let Some(rest) = left.checked_sub(entry.json.len() as u64) else {
                break;
            };
            (left, place) = (rest, *seq);
        }
        place
    }

    fn hold(&self, name: &str, from: Option<u64>) {
        let holds = &mut self.state.lock().unwrap().holds;
        match from {
            Some(from) => holds.insert(name.to_owned(), from),
            None => holds.remove(name),
        };
    }

    fn store_id(&self) -> String {
        "00112233aabbccdd".to_owned()
    }
}
