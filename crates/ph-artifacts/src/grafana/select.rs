//! Selectors and expressions that are used again and again.

/// `metric{job=~"$job", instance=~"$instance"}` with further matchers.
pub(super) fn of(metric: &str, matchers: &str) -> String {
    let comma = if matchers.is_empty() { "" } else { ", " };
    format!("{metric}{{job=~\"$job\", instance=~\"$instance\"{comma}{matchers}}}")
}

/// Per second.
pub(super) fn rate(metric: &str, matchers: &str) -> String {
    format!("rate({}[$__rate_interval])", of(metric, matchers))
}

/// Per second, summed up.
pub(super) fn sum_rate(by: &str, metric: &str, matchers: &str) -> String {
    format!("sum{} ({})", grouping(by), rate(metric, matchers))
}

/// Of the last 30 days, summed up.
pub(super) fn sum_of_month(by: &str, metric: &str, matchers: &str) -> String {
    format!(
        "sum{} (increase({}[30d]))",
        grouping(by),
        of(metric, matchers)
    )
}

/// A quantile of a histogram over the rate's interval.
pub(super) fn quantile(q: &str, by: &str, metric: &str, matchers: &str) -> String {
    let by = if by.is_empty() {
        "le".to_owned()
    } else {
        format!("le, {by}")
    };
    let buckets = rate(&format!("{metric}_bucket"), matchers);
    format!("histogram_quantile({q}, sum by ({by}) ({buckets}))")
}

fn grouping(by: &str) -> String {
    if by.is_empty() {
        String::new()
    } else {
        format!(" by ({by})")
    }
}

/// A matcher of a bucket, as Prometheus 2 (`1`) and 3 (`1.0`) write its bound.
///
/// - `bound`: a whole number.
pub(super) fn le(bound: u32) -> String {
    format!("le=~\"{bound}([.]0)?\"")
}

/// The share of a part that has no series before it happens for the first time: 0 until then.
pub(super) fn share(part: &str, whole: &str) -> String {
    format!("({part} or 0 * {whole}) / {whole}")
}
