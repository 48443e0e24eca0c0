//! Whose time it was: own time, and what the whole waited for.

use super::span::Span;

/// Fills in the times of every span. Without recursion: how deep a trace is, its senders decide.
///
/// - `roots`: the spans at the top.
pub(super) fn measure(spans: &mut [Span], roots: &[usize]) {
    for at in 0..spans.len() {
        spans[at].self_ns = self_ns(spans, at);
    }
    // Each root is waited for on its own: between them nothing is known.
    let mut open: Vec<(usize, u64)> = roots.iter().map(|at| (*at, spans[*at].end_ns())).collect();
    while let Some((at, until)) = open.pop() {
        let (own, waited_for) = waits(spans, at, until);
        spans[at].critical_ns = own;
        spans[at].is_critical = true;
        open.extend(waited_for);
    }
}

/// What none of the children covers.
fn self_ns(spans: &[Span], at: usize) -> u64 {
    let span = &spans[at];
    let (mut covered, mut until) = (0, span.start_ns);
    let mut children: Vec<&Span> = span.children.iter().map(|child| &spans[*child]).collect();
    children.sort_by_key(|child| begin_ns(child));
    for child in children {
        let start = begin_ns(child).max(until);
        let end = child.end_ns().min(span.end_ns());
        if end > start {
            covered += end - start;
            until = end;
        }
    }
    let own = span.duration_ns.saturating_sub(covered);
    busy_at_most(span, own)
}

/// From when on it was busy: with steps that lie apart, as if they had been done one after the other up to its end.
fn begin_ns(span: &Span) -> u64 {
    let busy_ns = span.busy_ns.unwrap_or(span.duration_ns);
    span.end_ns().saturating_sub(busy_ns.min(span.duration_ns))
}

/// Between the steps that a span stands for its sender did something else.
fn busy_at_most(span: &Span, own_ns: u64) -> u64 {
    span.busy_ns.map_or(own_ns, |busy_ns| own_ns.min(busy_ns))
}

/// Goes back from the end: whatever child ended last was waited for, and before it began, whatever ended last
/// then. Returns how long the span itself was what was waited for, and the children with the times up to which
/// they were.
fn waits(spans: &[Span], at: usize, until: u64) -> (u64, Vec<(usize, u64)>) {
    let span = &spans[at];
    let mut now = span.end_ns().min(until);
    let mut by_end: Vec<usize> = span.children.clone();
    by_end.sort_by_key(|child| spans[*child].end_ns());
    let (mut own, mut waited_for) = (0, Vec::new());
    for child in by_end.into_iter().rev() {
        let (start, end) = (begin_ns(&spans[child]), spans[child].end_ns());
        // One that outlives what waits for it counts up to its end; one that began before counts from its start.
        // Steps that lie apart went on between those of another.
        let is_cut = waited_for.is_empty() || spans[child].busy_ns.is_some();
        let end = if is_cut { end.min(now) } else { end };
        if end > now || start >= now || end <= span.start_ns {
            continue;
        }
        own += now - end;
        waited_for.push((child, end));
        now = start.min(end).max(span.start_ns);
    }
    let own = own + now.saturating_sub(span.start_ns);
    (busy_at_most(span, own), waited_for)
}
