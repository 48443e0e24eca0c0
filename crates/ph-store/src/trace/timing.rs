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
    // By start, as children are.
    for child in span.children.iter().map(|child| &spans[*child]) {
        let start = child.start_ns.max(until);
        let end = child.end_ns().min(span.end_ns());
        if end > start {
            covered += end - start;
            until = end;
        }
    }
    span.duration_ns.saturating_sub(covered)
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
        let (start, end) = (spans[child].start_ns, spans[child].end_ns());
        // One that outlives what waits for it counts up to its end; one that began before counts from its start.
        let end = if waited_for.is_empty() {
            end.min(now)
        } else {
            end
        };
        if end > now || start >= now || end <= span.start_ns {
            continue;
        }
        own += now - end;
        waited_for.push((child, end));
        now = start.max(span.start_ns);
    }
    (own + now.saturating_sub(span.start_ns), waited_for)
}
