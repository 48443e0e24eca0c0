//! Another Prometheus as a source of samples.

use super::Remote;
use ph_promql::{MatchOp, Matcher, Select, Series, SeriesSource, SourceError};
use tokio::runtime::Handle;

/// Longer times are asked for by the minute: raw samples of a month would be hundreds of megabytes.
const RAW_MAX_MS: i64 = 6 * 3_600_000;

/// Reads the samples of another Prometheus. Blocks, and so must not be asked on a thread of its runtime.
#[derive(Clone)]
pub struct RemoteSeries {
    remote: Remote,
    runtime: Handle,
}

impl RemoteSeries {
    /// - `runtime`: carries the connections.
    pub fn new(remote: Remote, runtime: Handle) -> Self {
        Self { remote, runtime }
    }
}

impl SeriesSource for RemoteSeries {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        let Some(selector) = selector(wish.matchers) else {
            return Ok(Vec::new());
        };
        // What is selected begins just after the beginning of a range.
        let range_ms = wish
            .to_ms
            .saturating_sub(wish.from_ms)
            .saturating_add(1)
            .max(1);
        let step = if range_ms > RAW_MAX_MS { ":1m" } else { "" };
        let query = format!("{selector}[{range_ms}ms{step}]");
        let answer = self.remote.matrix(&query, wish.to_ms);
        let series = self
            .runtime
            .block_on(answer)
            .map_err(|error| SourceError::Read(format!("{}: {error}", self.remote.url())))?;
        if series.len() > wish.series_max {
            return Err(SourceError::TooManySeries {
                max: wish.series_max,
            });
        }
        let samples: usize = series.iter().map(|one| one.samples.len()).sum();
        if samples > wish.samples_max {
            return Err(SourceError::TooManySamples {
                max: wish.samples_max,
            });
        }
        Ok(series)
    }
}

/// As PromQL writes it; none where it would match everything there is, which no Prometheus takes.
fn selector(matchers: &[Matcher]) -> Option<String> {
    if matchers.iter().all(|matcher| matcher.matches("")) {
        return None;
    }
    let one = |matcher: &Matcher| {
        let op = match matcher.op() {
            MatchOp::Eq => "=",
            MatchOp::Ne => "!=",
            MatchOp::Re => "=~",
            MatchOp::Nre => "!~",
        };
        format!("{}{op}{}", matcher.name(), quoted(matcher.value()))
    };
    let all: Vec<String> = matchers.iter().map(one).collect();
    Some(format!("{{{}}}", all.join(",")))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_written_so_that_they_are_read_back() {
        let matchers = [
            Matcher::new("__name__", MatchOp::Eq, "a:b").unwrap(),
            Matcher::new("c", MatchOp::Re, "d\\.\"e\n").unwrap(),
            Matcher::new("f", MatchOp::Nre, "g|h").unwrap(),
            Matcher::new("i", MatchOp::Ne, "").unwrap(),
        ];
        let text = selector(&matchers).unwrap();
        let read = ph_promql::parse(&text).unwrap().selectors();
        let shown = |all: &[Matcher]| -> Vec<String> {
            all.iter()
                .map(|m| format!("{} {:?} {}", m.name(), m.op(), m.value()))
                .collect()
        };
        let (mut got, mut want) = (shown(&read[0]), shown(&matchers));
        got.sort();
        want.sort();
        assert_eq!(got, want, "{text}");
        assert_eq!(selector(&matchers[2..3]), None);
        assert_eq!(selector(&[]), None);
    }
}
