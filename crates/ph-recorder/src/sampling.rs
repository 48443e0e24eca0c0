//! Which traces are kept. Decided when a call is over, so that a failed or slow one is never missed.

use ph_record::CallRecord;
use std::time::Duration;

/// What is kept besides failures and what the caller samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sampling {
    /// Traces whose id is below this are kept: the same ones in every process with the same ratio.
    below: u64,
    slow_ns: u64,
}

impl Sampling {
    /// - `ratio`: share of traces kept for no other reason, 0 to 1.
    /// - `slow`: calls of at least this length are kept.
    pub(crate) fn new(ratio: f64, slow: Duration) -> Self {
        let below = (ratio.clamp(0.0, 1.0) * TRACE_SPACE) as u64;
        Self {
            below,
            slow_ns: u64::try_from(slow.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Whether the spans of `record` are kept.
    pub(crate) fn keeps(&self, record: &CallRecord) -> bool {
        let failed = !record.verdict.outcome.is_answer()
            || record.verdict.outcome == ph_record::Outcome::ToolError;
        let slow = !record.is_stream && record.duration_ns >= self.slow_ns;
        let asked = record.trace.parent.is_some() && record.trace.flags & 1 == 1;
        failed || slow || asked || self.falls_in(record)
    }

    /// By the trace's last seven bytes, which W3C asks to be random.
    fn falls_in(&self, record: &CallRecord) -> bool {
        let [.., a, b, c, d, e, f, g] = record.trace.trace_id.0;
        u64::from_be_bytes([0, a, b, c, d, e, f, g]) < self.below
    }
}

/// 2^56: the values of seven bytes.
const TRACE_SPACE: f64 = (1_u64 << 56) as f64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{record, server};
    use ph_base::trace::{SpanId, TraceId};
    use ph_record::{Answer, Ending};

    fn with_trace(id: u8) -> CallRecord {
        let mut record = record(&server(), Ending::Answered(Answer::Complete));
        record.trace.trace_id = TraceId([id; 16]);
        record
    }

    #[test]
    fn ratios_are_met_and_the_same_for_every_process() {
        let kept = |ratio| {
            let sampling = Sampling::new(ratio, Duration::from_secs(1));
            (0..=u8::MAX)
                .filter(|id| sampling.keeps(&with_trace(*id)))
                .count()
        };
        assert_eq!(
            [kept(0.0), kept(0.25), kept(1.0), kept(7.0)],
            [0, 64, 256, 256]
        );
    }

    #[test]
    fn failed_slow_and_sampled_calls_are_always_kept() {
        let keeps = |change: &dyn Fn(&mut CallRecord)| {
            let mut record = with_trace(1);
            change(&mut record);
            Sampling::new(0.0, Duration::from_secs(1)).keeps(&record)
        };
        let ended =
            |ending: Ending| move |r: &mut CallRecord| r.verdict = ending.verdict(r.method, true);
        assert!(!keeps(&|_| {}));
        assert!(!keeps(&ended(Ending::Answered(Answer::InputRequired))));
        assert!(keeps(&ended(Ending::Answered(Answer::ToolError))));
        assert!(keeps(&ended(Ending::Answered(Answer::Error(-32601)))));
        assert!(keeps(&ended(Ending::ServerDied)));
        assert!(keeps(&|r| r.duration_ns = 1_000_000_000));
        assert!(!keeps(
            &|r| (r.duration_ns, r.is_stream) = (1_000_000_000, true)
        ));
        assert!(keeps(
            &|r| (r.trace.parent, r.trace.flags) = (Some(SpanId([1; 8])), 1)
        ));
        assert!(!keeps(
            &|r| (r.trace.parent, r.trace.flags) = (Some(SpanId([1; 8])), 0)
        ));
    }
}
