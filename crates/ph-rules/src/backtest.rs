//! How often an alert would have fired over what was recorded.
//!
//! It is computed for all steps at once, so what a template or another rule would have made of it is not seen;
//! episodes are told apart by the labels of the expression's elements.

use crate::{Rule, RuleKind};
use ph_promql::{EvalError, Labels, Limits, Sample, Series, SeriesSource, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// Steps of one evaluation; a longer time is evaluated piece by piece.
const STEPS_MAX: i64 = 10_000;

/// A time in which an alert would have fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// The labels of the element, without the metric's name.
    pub labels: Labels,
    /// When it would have begun to fire, Unix milliseconds.
    pub begin_ms: i64,
    /// When it would have been resolved; none when it still fired at the end.
    pub end_ms: Option<i64>,
    /// The highest value in that time.
    pub peak: f64,
}

/// Over which time, and how finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first time, Unix milliseconds.
    pub from_ms: i64,
    /// The last time.
    pub to_ms: i64,
    /// The interval of the rule's group, milliseconds; positive.
    pub step_ms: i64,
}

/// When `rule` would have fired, in the order of time; nothing for a recording rule.
///
/// # Errors
/// When its expression cannot be answered, or takes more than `limits` allow.
pub fn episodes(
    rule: &Rule,
    source: &dyn SeriesSource,
    span: Span,
    limits: &Limits<'_>,
) -> Result<Vec<Episode>, EvalError> {
    let RuleKind::Alert {
        hold,
        keep_firing_for,
        ..
    } = &rule.kind
    else {
        return Ok(Vec::new());
    };
    let mut runs: BTreeMap<Labels, Run> = BTreeMap::new();
    let mut done = Vec::new();
    let watch = Watch {
        step_ms: span.step_ms.max(1),
        hold_ms: ms(*hold),
        keep_ms: ms(*keep_firing_for),
    };
    let mut from_ms = span.from_ms;
    while from_ms <= span.to_ms {
        let last_ms = from_ms.saturating_add((STEPS_MAX - 1).saturating_mul(watch.step_ms));
        let to_ms = last_ms.min(span.to_ms);
        let limits = Limits {
            steps_max: STEPS_MAX as usize,
            ..*limits
        };
        let answer = ph_promql::range(source, &rule.expr, from_ms, to_ms, watch.step_ms, &limits)?;
        let Value::Matrix(series) = answer.value else {
            break;
        };
        for Series { labels, samples } in series {
            let labels = labels.without_name();
            let run = runs.entry(labels.clone()).or_default();
            for sample in samples {
                done.extend(watch.seen(&labels, run, sample));
            }
        }
        from_ms = last_ms.saturating_add(watch.step_ms);
    }
    for (labels, run) in runs {
        done.extend(watch.over(&labels, &run, span.to_ms));
    }
    done.sort_by_key(|one| one.begin_ms);
    Ok(done)
}

/// What is known of one element.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    /// Since when it is there without a gap, and when it was seen last.
    seen: Option<(i64, i64)>,
    /// Since when it fires, and its highest value since.
    fires: Option<(i64, f64)>,
}

#[derive(Clone, Copy)]
struct Watch {
    step_ms: i64,
    hold_ms: i64,
    keep_ms: i64,
}

impl Watch {
    /// Takes what the element is worth at the next time at which it is there; gives what ended before.
    fn seen(self, labels: &Labels, run: &mut Run, sample: Sample) -> Option<Episode> {
        let mut ended = None;
        let since_ms = match run.seen {
            Some((since_ms, last_ms)) if sample.t_ms - last_ms <= self.step_ms => since_ms,
            Some((_, last_ms)) => {
                // It may have gone on firing in the gap.
                let end_ms = self.end(last_ms);
                if run.fires.is_some() && sample.t_ms <= end_ms {
                    sample.t_ms
                } else {
                    ended = episode(labels, run, Some(end_ms));
                    run.fires = None;
                    sample.t_ms
                }
            }
            None => sample.t_ms,
        };
        run.seen = Some((since_ms, sample.t_ms));
        match &mut run.fires {
            Some((_, peak)) => *peak = peak.max(sample.v),
            None if sample.t_ms - since_ms >= self.hold_ms => {
                run.fires = Some((sample.t_ms, sample.v));
            }
            None => {}
        }
        ended
    }

    /// What is left when all was seen.
    fn over(self, labels: &Labels, run: &Run, to_ms: i64) -> Option<Episode> {
        let (_, last_ms) = run.seen?;
        let end_ms = self.end(last_ms);
        episode(labels, run, (end_ms <= to_ms).then_some(end_ms))
    }

    /// When what was seen last at this time is resolved: at the first evaluation without it.
    fn end(self, last_ms: i64) -> i64 {
        last_ms
            .saturating_add(self.step_ms)
            .saturating_add(self.keep_ms)
    }
}

fn episode(labels: &Labels, run: &Run, end_ms: Option<i64>) -> Option<Episode> {
    let (begin_ms, peak) = run.fires?;
    Some(Episode {
        labels: labels.clone(),
        begin_ms,
        end_ms,
        peak,
    })
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_promql::{Select, SourceError};

    /// One series `m` with a sample every second; its value is that of the letter at that second.
    struct Recorded(&'static str);

    impl SeriesSource for Recorded {
        fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
            let samples = self.0.bytes().enumerate().map(|(at, byte)| Sample {
                t_ms: at as i64 * 1_000,
                v: f64::from(byte - b'0'),
            });
            let samples = samples.filter(|s| (wish.from_ms..=wish.to_ms).contains(&s.t_ms));
            Ok(vec![Series {
                labels: Labels::from_pairs([("__name__", "m"), ("a", "x")]),
                samples: samples.collect(),
            }])
        }
    }

    #[track_caller]
    fn check(more: &str, recorded: &'static str, want: &[(i64, Option<i64>, f64)]) {
        let text = format!("groups: [{{name: g, rules: [{{alert: A, expr: m > 1{more}}}]}}]");
        let file = crate::file::read("f", &text).unwrap();
        let span = Span {
            from_ms: 0,
            to_ms: (recorded.len() as i64 - 1) * 1_000,
            step_ms: 1_000,
        };
        let rule = &file.groups[0].rules[0];
        let got = episodes(rule, &Recorded(recorded), span, &Limits::default()).unwrap();
        let shown: Vec<_> = got
            .iter()
            .map(|one| {
                assert_eq!(one.labels.to_string(), "{a=\"x\"}");
                let seconds = |ms: i64| ms / 1_000;
                (seconds(one.begin_ms), one.end_ms.map(seconds), one.peak)
            })
            .collect();
        assert_eq!(shown, want, "{recorded} {more}");
    }

    #[test]
    fn it_fires_once_it_was_there_for_long_enough() {
        check("", "0000", &[]);
        check("", "02350", &[(1, Some(4), 5.0)]);
        check("", "0200330", &[(1, Some(2), 2.0), (4, Some(6), 3.0)]);
        check(", for: 2s", "0220222400", &[(6, Some(8), 4.0)]);
        check(", for: 2s", "022", &[]);
        check(", for: 1s", "0022", &[(3, None, 2.0)]);
    }

    #[test]
    fn it_may_go_on_firing_in_a_gap() {
        check(", keep_firing_for: 2s", "02002000000", &[(1, Some(7), 2.0)]);
        check(
            ", keep_firing_for: 1s",
            "02000200000",
            &[(1, Some(3), 2.0), (5, Some(7), 2.0)],
        );
    }

    #[test]
    fn a_long_time_is_evaluated_piece_by_piece_without_a_seam() {
        static LONG: std::sync::LazyLock<String> =
            std::sync::LazyLock::new(|| format!("0{}0", "3".repeat(25_000)));
        check(", for: 10s", &LONG, &[(11, Some(25_001), 3.0)]);
    }
}
