//! How long calls take, from how busy those are that answer them.
//!
//! One queue for all, so many servers, calls that come by chance and take exponentially long. That a call waits, and how
//! long, is Sakasegawa's approximation of this queue, within a few percent above half load, without a sum over servers.
//! Where more comes than can be answered, the queue grows as a liquid would.

/// Latencies from 1 ms up, each bound 12 % above the one before: 120 bounds reach 13 minutes.
const BOUNDS: usize = 120;
const FIRST_S: f64 = 0.001;
const GROWTH: f64 = 1.12;
/// Waiting that is less likely is none.
const LEAST: f64 = 1e-6;

/// The distribution of latencies over a replay.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    service_s: f64,
    slo_s: f64,
    bounds: Vec<f64>,
    /// For each bound, calls that took longer.
    longer: Vec<f64>,
    /// Calls that never waited: all alike, and most.
    unhindered: f64,
    calls: f64,
    late: f64,
}

/// How a step's calls wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    /// By chance: with this probability, and then by this rate (1/s).
    Chance { probability: f64, rate: f64 },
    /// Behind a queue, from so many seconds to so many.
    Queue { from_s: f64, to_s: f64 },
}

impl Wait {
    /// - `servers`: that work at once.
    /// - `load`: calls per second by what all servers can do.
    pub(super) fn of_load(servers: f64, load: f64, service_s: f64) -> Self {
        let load = load.clamp(0.0, 0.999);
        Self::Chance {
            probability: load.powf((2.0 * (servers + 1.0)).sqrt() - 1.0).min(1.0),
            rate: (1.0 - load) * servers / service_s,
        }
    }
}

impl Latencies {
    pub(super) fn new(service_s: f64, slo_s: f64) -> Self {
        let mut bound = FIRST_S;
        let bounds = std::iter::repeat_with(|| {
            let this = bound;
            bound *= GROWTH;
            this
        });
        Self {
            service_s,
            slo_s,
            bounds: bounds.take(BOUNDS).collect(),
            longer: vec![0.0; BOUNDS],
            unhindered: 0.0,
            calls: 0.0,
            late: 0.0,
        }
    }

    pub(super) fn add(&mut self, calls: f64, wait: Wait) {
        if calls <= 0.0 {
            return;
        }
        match wait {
            Wait::Chance { probability, .. } if probability < LEAST => {
                self.calls += calls;
                self.unhindered += calls;
                self.late += calls * self.longer_than(self.slo_s, wait);
            }
            Wait::Chance { .. } => self.weigh(calls, wait),
            Wait::Queue { from_s, to_s } => {
                for part in [0.125, 0.375, 0.625, 0.875] {
                    let at = from_s + (to_s - from_s) * part;
                    let wait = Wait::Queue {
                        from_s: at,
                        to_s: at,
                    };
                    self.weigh(calls / 4.0, wait);
                }
            }
        }
    }

    /// Calls that got no answer: longer than everything.
    pub(super) fn lose(&mut self, calls: f64) {
        self.calls += calls;
        self.late += calls;
        self.longer.iter_mut().for_each(|longer| *longer += calls);
    }

    fn weigh(&mut self, calls: f64, wait: Wait) {
        self.calls += calls;
        self.late += calls * self.longer_than(self.slo_s, wait);
        for nth in 0..BOUNDS {
            let share = self.longer_than(self.bounds[nth], wait);
            self.longer[nth] += calls * share;
            if share < 1e-9 {
                break;
            }
        }
    }

    /// The share that takes longer: waiting and service, one after the other.
    fn longer_than(&self, seconds: f64, wait: Wait) -> f64 {
        let mu = 1.0 / self.service_s;
        match wait {
            Wait::Queue { from_s, .. } if seconds <= from_s => 1.0,
            Wait::Queue { from_s, .. } => (-(seconds - from_s) * mu).exp(),
            Wait::Chance { probability, .. } if probability < LEAST => (-seconds * mu).exp(),
            Wait::Chance { probability, rate } => {
                let alone = (-seconds * mu).exp();
                let both = if (rate - mu).abs() < 1e-6 * mu {
                    alone * (1.0 + mu * seconds)
                } else {
                    (rate * alone - mu * (-rate * seconds).exp()) / (rate - mu)
                };
                (1.0 - probability) * alone + probability * both
            }
        }
    }

    /// The share of calls that was answered within the objective's time; `None` without calls.
    pub(super) fn good_share(&self) -> Option<f64> {
        (self.calls > 0.0).then(|| (1.0 - self.late / self.calls).clamp(0.0, 1.0))
    }

    /// The latency that a share of calls stays below; infinite if too many got no answer.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        if self.calls <= 0.0 {
            return None;
        }
        let wait = Wait::Chance {
            probability: 0.0,
            rate: 1.0,
        };
        let longer = |nth: usize| {
            let bound = self.bounds[nth];
            (self.longer[nth] + self.unhindered * self.longer_than(bound, wait)) / self.calls
        };
        let allowed = 1.0 - share;
        let mut before = (0.0, 1.0);
        for (nth, bound) in self.bounds.iter().enumerate() {
            let here = (*bound, longer(nth));
            if here.1 <= allowed {
                let part = (before.1 - allowed) / (before.1 - here.1).max(1e-12);
                return Some(before.0 + (here.0 - before.0) * part.clamp(0.0, 1.0));
            }
            before = here;
        }
        Some(f64::INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_waiting_it_is_the_service() {
        let mut latencies = Latencies::new(0.1, 0.3);
        latencies.add(1_000.0, Wait::of_load(100.0, 0.1, 0.1));
        // 95 % of an exponential distribution are below 3 times its mean.
        let p95 = latencies.quantile(0.95).unwrap();
        assert!((p95 - 0.2996).abs() < 0.002, "{p95}");
        assert!((latencies.good_share().unwrap() - 0.950_2).abs() < 0.000_1);
    }

    #[test]
    fn one_server_is_as_the_textbook_has_it() {
        // M/M/1: the time in the system is exponential with the mean s / (1 - load).
        let mut latencies = Latencies::new(0.1, 1.0);
        latencies.add(1.0, Wait::of_load(1.0, 0.8, 0.1));
        let p95 = latencies.quantile(0.95).unwrap();
        assert!((p95 - 1.498).abs() < 0.02, "{p95}");
    }

    #[test]
    fn many_servers_wait_as_erlang_says() {
        // 10 servers at 0.8: Erlang's C is 0.409; the approximation is within a tenth of that.
        let Wait::Chance { probability, rate } = Wait::of_load(10.0, 0.8, 1.0) else {
            panic!("by chance")
        };
        assert!((probability - 0.409).abs() < 0.05, "{probability}");
        assert!((rate - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_queue_and_what_is_lost_count_as_long() {
        let mut latencies = Latencies::new(0.01, 1.0);
        latencies.add(90.0, Wait::of_load(10.0, 0.1, 0.01));
        latencies.add(
            10.0,
            Wait::Queue {
                from_s: 2.0,
                to_s: 4.0,
            },
        );
        assert!((latencies.good_share().unwrap() - 0.9).abs() < 1e-6);
        let p95 = latencies.quantile(0.95).unwrap();
        assert!((2.0..4.5).contains(&p95), "{p95}");
        latencies.lose(900.0);
        assert_eq!(latencies.quantile(0.95), Some(f64::INFINITY));
        assert_eq!(Latencies::new(1.0, 1.0).quantile(0.95), None);
    }
}
