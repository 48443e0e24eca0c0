//! A screen and what lies on it, with the line that is chosen.

use super::Order;
use crate::top::page::Row;
use ph_store::trace::Trace;
use serde_json::Value as Json;

/// One of the screens that lie upon each other.
pub(super) struct Screen {
    pub(super) what: What,
    /// The line that is chosen.
    pub(super) cursor: usize,
    /// The first line that is seen.
    pub(super) first: usize,
}

/// What is on it.
pub(super) enum What {
    Overview {
        filter: String,
    },
    Calls {
        title: String,
        query: String,
        order: Order,
        found: Option<Result<Vec<Json>, String>>,
    },
    Trace {
        id: String,
        call: Json,
        fold: bool,
        found: Option<Result<Trace, String>>,
    },
}

/// What the keys do.
pub(super) const HELP: [&str; 14] = [
    "j k ↓ ↑      next line, line before",
    "g G          first line, last line",
    "PgDn PgUp    a page on, a page back",
    "enter        open: the calls of a server or an alert, the trace of a call",
    "esc          back",
    "/            overview: show what holds this text;",
    "             calls: change the query (tool=searchFiles duration>=2s)",
    "o            calls: the newest or the slowest first",
    "u            trace: each span in a line of its own, or folded",
    "r            ask again now",
    "?            this list",
    "q            end",
    "",
    "What changes is seen by itself.",
];

impl Screen {
    pub(super) fn of(what: What) -> Self {
        Self {
            what,
            cursor: 0,
            first: 0,
        }
    }

    /// Puts the cursor on a line that can be opened, and sees to it that it is seen.
    pub(super) fn settle(&mut self, rows: &[Row], seen: usize) {
        let can_open = |at: &usize| rows.get(*at).is_some_and(|row| row.target.is_some());
        if !can_open(&self.cursor) {
            let after = (self.cursor..rows.len()).find(can_open);
            let before = || (0..self.cursor.min(rows.len())).rev().find(can_open);
            match after.or_else(before) {
                Some(at) => self.cursor = at,
                None => self.cursor = self.cursor.min(rows.len().saturating_sub(seen)),
            }
        }
        if self.cursor < self.first {
            self.first = self.cursor;
        }
        if self.cursor >= self.first + seen {
            self.first = self.cursor + 1 - seen;
        }
        // After a larger screen than before, no line stays empty that could show one.
        self.first = self.first.min(rows.len().saturating_sub(seen));
    }
}
