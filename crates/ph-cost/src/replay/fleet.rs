//! Pods of a replay: those that were started together are alike.

use super::scenario::Measuring;
use crate::hpa::{Phase, Pod, Ready, Sample, Seen};

/// A pod's sample covers at least so much, or there is none: two scrapes.
const COVERED_MIN_S: i64 = 15;

/// Pods that were started at the same time.
#[derive(Clone, Copy, Debug)]
struct Batch {
    pods: i64,
    /// When they were started, and when they were ready, in seconds since the beginning.
    born_s: i64,
    ready_s: i64,
    is_ready: bool,
}

/// All pods, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Fleet {
    batches: Vec<Batch>,
}

/// Pods that are old enough for nobody to look at their start.
const LONG_AGO_S: i64 = -86_400;

impl Fleet {
    pub(super) fn of_ready(pods: i64) -> Self {
        Self {
            batches: vec![Batch {
                pods,
                born_s: LONG_AGO_S,
                ready_s: LONG_AGO_S,
                is_ready: true,
            }],
        }
    }

    /// Time passes: what has started is ready.
    pub(super) fn pass(&mut self, now_s: i64) {
        for batch in self.batches.iter_mut().rev() {
            if batch.is_ready {
                break;
            }
            batch.is_ready = batch.ready_s <= now_s;
        }
    }

    /// More are started; fewer: those that are not ready go first, then the youngest, as a ReplicaSet has it.
    pub(super) fn scale(&mut self, replicas: i64, now_s: i64, start_s: i64) {
        let mut surplus = self.pods() - replicas;
        if surplus < 0 {
            self.batches.push(Batch {
                pods: -surplus,
                born_s: now_s,
                ready_s: now_s + start_s,
                is_ready: start_s == 0,
            });
        }
        while surplus > 0
            && let Some(youngest) = self.batches.last_mut()
        {
            let gone = surplus.min(youngest.pods);
            youngest.pods -= gone;
            surplus -= gone;
            if youngest.pods == 0 {
                self.batches.pop();
            }
        }
    }

    pub(super) fn pods(&self) -> i64 {
        self.batches.iter().map(|batch| batch.pods).sum()
    }

    pub(super) fn ready(&self) -> i64 {
        let ready = self.batches.iter().filter(|batch| batch.is_ready);
        ready.map(|batch| batch.pods).sum()
    }

    /// What is known of each pod now.
    ///
    /// - `served`: calls per pod, summed up to the beginning of each step.
    pub(super) fn measured(
        &self,
        served: &[f64],
        now_s: i64,
        step_s: i64,
        measuring: &Measuring,
    ) -> Measured {
        let last = served.len() as i64 - 1;
        let lag = (measuring.lag_s + step_s - 1) / step_s;
        let window = (measuring.window_s / step_s).max(1);
        let to = last - lag;
        let rates = self.batches.iter().map(|batch| {
            let begin = (batch.ready_s.max(0) + step_s - 1) / step_s;
            let from = (to - window).max(begin);
            let covered_s = (to - from) * step_s;
            let rate = |from: i64, to: i64| -> Option<f64> {
                let at = |nth: i64| served.get(usize::try_from(nth).ok()?).copied();
                Some((at(to)? - at(from)?) / covered_s as f64)
            };
            let is_known = batch.is_ready && covered_s >= COVERED_MIN_S.min(window * step_s);
            is_known.then(|| rate(from, to)).flatten()
        });
        let batches = self.batches.iter().copied().zip(rates).collect();
        Measured {
            batches,
            at_s: now_s - lag * step_s,
            window_s: measuring.window_s,
        }
    }
}

/// What was measured of the pods.
pub(super) struct Measured {
    /// With the calls per second that each of its pods answered.
    batches: Vec<(Batch, Option<f64>)>,
    at_s: i64,
    window_s: i64,
}

impl Measured {
    /// As the autoscaler sees them.
    ///
    /// - `value_milli`: of calls per second.
    pub(super) fn seen(&self, value_milli: impl Fn(f64) -> f64, request_milli: i64) -> Vec<Seen> {
        let seen = self.batches.iter().map(|(batch, rate)| Seen {
            pod: Pod {
                phase: if batch.is_ready {
                    Phase::Running
                } else {
                    Phase::Pending
                },
                is_deleted: false,
                started_s: Some(batch.born_s),
                ready: batch.is_ready.then_some(Ready {
                    is_ready: true,
                    since_s: batch.ready_s,
                }),
            },
            sample: rate.map(|rate| Sample {
                value_milli: value_milli(rate) as i64,
                at_s: self.at_s,
                window_s: self.window_s,
            }),
            request_milli: Some(request_milli),
            further: batch.pods - 1,
        });
        seen.collect()
    }

    /// Calls per second of all.
    pub(super) fn total_rate(&self) -> f64 {
        let rates = self.batches.iter();
        rates
            .map(|(batch, rate)| batch.pods as f64 * rate.unwrap_or(0.0))
            .sum()
    }

    /// Whether nothing was measured of any.
    pub(super) fn is_blind(&self) -> bool {
        self.batches.iter().all(|(_, rate)| rate.is_none())
    }
}
