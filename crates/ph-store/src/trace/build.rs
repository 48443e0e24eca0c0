//! From lines to a tree.

use super::span::{self, Found, Note, Place, Span};
use super::timing;
use std::collections::HashMap;

/// A trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// All spans, by start.
    pub spans: Vec<Span>,
    /// Places of those at the top, by start.
    pub roots: Vec<usize>,
    /// Lines that are no spans, by time.
    pub notes: Vec<Note>,
    /// Places of the notes that belong to no span here.
    pub loose_notes: Vec<usize>,
    /// What was left out.
    pub omitted: Omitted,
}

/// What was left out of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Omitted {
    /// Spans beyond [`Trace::SPANS_MAX`].
    pub spans: usize,
    /// Notes beyond [`Trace::NOTES_MAX`].
    pub notes: usize,
    /// Spans that came twice: senders repeat what was not acknowledged.
    pub duplicates: usize,
}

impl Trace {
    /// More spans are counted, and left out.
    pub const SPANS_MAX: usize = 20_000;
    /// More notes are counted, and left out.
    pub const NOTES_MAX: usize = 2_000;

    /// Builds the tree.
    ///
    /// - `lines`: the lines that carry the trace's id, one JSON object each, in the order of the store.
    pub fn build<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut trace = Self::default();
        let mut known = HashMap::new();
        for (nth, json) in lines.into_iter().enumerate() {
            match span::read(json, nth) {
                Found::Call(spans) => {
                    for span in spans {
                        trace.add_span(span, &mut known);
                    }
                }
                Found::Span(span) => trace.add_span(*span, &mut known),
                Found::Note(note) if trace.notes.len() < Self::NOTES_MAX => trace.notes.push(note),
                Found::Note(_) => trace.omitted.notes += 1,
                Found::Nothing => {}
            }
        }
        trace.notes.sort_by_key(|note| note.at_ns);
        trace.sort_spans();
        trace.link();
        trace.place_notes();
        timing::measure(&mut trace.spans, &trace.roots);
        trace
    }

    /// When the first span began and the last one ended, in nanoseconds since 1970; `None` without spans.
    pub fn bounds_ns(&self) -> Option<(u64, u64)> {
        let start = self.spans.iter().map(|span| span.start_ns).min()?;
        let end = self.spans.iter().map(Span::end_ns).max()?;
        Some((start, end))
    }

    fn add_span(&mut self, span: Span, known: &mut HashMap<String, usize>) {
        if let Some(&first) = known.get(&span.id).filter(|_| !span.id.is_empty()) {
            self.omitted.duplicates += 1;
            // A call's own line says more than the same span sent to us by an exporter.
            if span.is_own && !self.spans[first].is_own {
                self.spans[first] = span;
            }
        } else if self.spans.len() >= Self::SPANS_MAX {
            self.omitted.spans += 1;
        } else {
            known.insert(span.id.clone(), self.spans.len());
            self.spans.push(span);
        }
    }

    /// By start; a parent before a child that began with it, as far as it is known by its length.
    fn sort_spans(&mut self) {
        self.spans.sort_by(|a, b| {
            let by_start = a.start_ns.cmp(&b.start_ns);
            by_start.then(b.duration_ns.cmp(&a.duration_ns))
        });
    }

    /// Gives every span its parent, or a place at the top.
    fn link(&mut self) {
        let by_id: HashMap<&str, usize> = self
            .spans
            .iter()
            .enumerate()
            .filter(|(_, span)| !span.id.is_empty())
            .map(|(at, span)| (span.id.as_str(), at))
            .collect();
        let parents: Vec<Option<usize>> = self
            .spans
            .iter()
            .map(|span| by_id.get(span.parent.as_deref()?).copied())
            .collect();
        for (at, parent) in parents.iter().enumerate() {
            let place = match (parent, &self.spans[at]) {
                (Some(_), _) => Place::Child,
                (None, span) if span.parent.is_none() || span.is_own => Place::Root,
                (None, _) => Place::Orphan,
            };
            self.spans[at].place = place;
        }
        self.cut_circles(&parents);
        for (at, parent) in parents.iter().enumerate() {
            match parent {
                Some(parent) if self.spans[at].place == Place::Child => {
                    self.spans[*parent].children.push(at);
                }
                _ => self.roots.push(at),
            }
        }
    }

    /// Who goes up from a span comes to the top, or to where he was: there the earliest is cut loose.
    fn cut_circles(&mut self, parents: &[Option<usize>]) {
        const NEW: usize = 0;
        let mut seen_from = vec![NEW; parents.len()];
        for start in 0..parents.len() {
            let mark = start + 1;
            let mut at = start;
            while seen_from[at] == NEW {
                seen_from[at] = mark;
                match parents[at] {
                    Some(parent) if self.spans[at].place == Place::Child => at = parent,
                    _ => break,
                }
            }
            let is_circle = seen_from[at] == mark && self.spans[at].place == Place::Child;
            if is_circle {
                let first = circle_of(at, parents).min();
                self.spans[first.unwrap_or(at)].place = Place::Cut;
            }
        }
    }

    fn place_notes(&mut self) {
        let by_id: HashMap<String, usize> = self
            .spans
            .iter()
            .enumerate()
            .map(|(at, span)| (span.id.clone(), at))
            .collect();
        for (nth, note) in self.notes.iter().enumerate() {
            match note.span_id.as_ref().and_then(|id| by_id.get(id)) {
                Some(at) => self.spans[*at].notes.push(nth),
                None => self.loose_notes.push(nth),
            }
        }
    }
}

/// The places of the circle that `at` is in. Spans are sorted, so the least is the earliest.
fn circle_of(at: usize, parents: &[Option<usize>]) -> impl Iterator<Item = usize> {
    let mut next = parents[at];
    std::iter::once(at).chain(std::iter::from_fn(move || {
        let here = next.filter(|here| *here != at)?;
        next = parents[here];
        Some(here)
    }))
}
