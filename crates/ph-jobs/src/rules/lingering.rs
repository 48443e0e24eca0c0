//! What a process that was killed left behind.

use super::Outlet;
use ph_promql::{Labels, Limits, MatchOp, Matcher, STALE_NAN_BITS, Select, SeriesSource, is_stale};

/// Alerts of a process that was killed would count as firing until nobody looks back so far. They end at
/// `now_ms`; those that still fire go on with the first evaluation.
pub(super) fn end(store: &dyn SeriesSource, outlet: &dyn Outlet, now_ms: i64) {
    let limits = Limits::default();
    let Ok(name) = Matcher::new("__name__", MatchOp::Eq, "ALERTS") else {
        return;
    };
    let wish = Select {
        matchers: &[name],
        from_ms: now_ms.saturating_sub(limits.lookback_ms),
        to_ms: now_ms,
        range_ms: None,
        step_ms: None,
        function: None,
        resolution_ms: 0,
        samples_max: limits.samples_max,
        series_max: limits.series_max,
    };
    // What cannot be read ends by itself, once it is too old to count.
    let found = store.select(&wish).unwrap_or_default();
    let open = found.into_iter().filter(|series| {
        let last = series.samples.last();
        last.is_some_and(|last| !is_stale(last.v) && last.t_ms < now_ms)
    });
    let marker = f64::from_bits(STALE_NAN_BITS);
    let ends: Vec<(Labels, f64)> = open.map(|series| (series.labels, marker)).collect();
    if !ends.is_empty() {
        outlet.samples("start", now_ms, ends);
    }
}
