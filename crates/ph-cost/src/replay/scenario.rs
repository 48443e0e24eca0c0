//! The parameters of a replay, each with what it is when nobody says anything.

use super::money::PodPrice;
use crate::hpa::{Hpa, SYNC_S};
use serde::Serialize;

/// How one pod answers calls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Service {
    /// Mean time that a call takes when nothing waits.
    pub service_s: f64,
    /// Calls that a pod works on at once.
    pub concurrency: i64,
    /// CPU that a call costs.
    pub cpu_s_per_call: f64,
    /// So long a caller waits.
    pub timeout_s: f64,
}

/// What a pod requests, and how long it takes to be ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PodShape {
    /// CPU.
    pub cpu_request_milli: i64,
    /// CPU that it cannot go beyond; `None` is no limit.
    pub cpu_limit_milli: Option<i64>,
    /// Memory.
    pub memory_request_bytes: i64,
    /// From the decision to the first call.
    pub start_s: i64,
}

/// How the autoscaler comes to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Measuring {
    /// How old a sample is when it is looked at.
    pub lag_s: i64,
    /// The time that a sample is the mean of.
    pub window_s: i64,
    /// The time between two looks.
    pub sync_s: i64,
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Slo {
    /// A call that takes longer is not good.
    pub latency_s: f64,
    /// The share of calls that must be good.
    pub objective: f64,
}

/// All parameters but those of the autoscaler.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scenario {
    /// How one pod answers calls.
    pub service: Service,
    /// What a pod requests.
    pub pod: PodShape,
    /// How the autoscaler comes to know.
    pub measuring: Measuring,
    /// What is promised.
    pub slo: Slo,
    /// What it costs.
    pub price: PodPrice,
}

/// Who decides how many pods there are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Scaling {
    /// Nobody: always so many.
    Static(i64),
    /// An autoscaler.
    Hpa {
        /// Its manifest.
        hpa: Hpa,
        /// Pods at the beginning; `None` is what the first minute needs.
        begin: Option<i64>,
    },
}

/// A parameter that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub String);

impl Default for Scenario {
    /// A pod of 250m and 256 MiB that works on 8 calls at once, each of 100 ms and 3.5 ms of CPU: 80 calls a second, and
    /// 50 of them are 70 % of its request.
    fn default() -> Self {
        Self {
            service: Service {
                service_s: 0.1,
                concurrency: 8,
                cpu_s_per_call: 0.003_5,
                timeout_s: 30.0,
            },
            pod: PodShape {
                cpu_request_milli: 250,
                cpu_limit_milli: Some(500),
                memory_request_bytes: 256 << 20,
                start_s: 30,
            },
            measuring: Measuring {
                lag_s: 15,
                window_s: 60,
                sync_s: SYNC_S,
            },
            slo: Slo {
                latency_s: 0.5,
                objective: 0.95,
            },
            price: PodPrice::default(),
        }
    }
}

impl Scenario {
    /// Calls per second that one pod can answer: as many as it works on at once, or as its CPU allows.
    #[must_use]
    pub fn pod_rate(&self) -> f64 {
        let by_turns = self.service.concurrency as f64 / self.service.service_s;
        by_turns.min(self.cpu_rate().unwrap_or(f64::INFINITY))
    }

    fn cpu_rate(&self) -> Option<f64> {
        let limit = self.pod.cpu_limit_milli? as f64 / 1_000.0;
        (self.service.cpu_s_per_call > 0.0).then(|| limit / self.service.cpu_s_per_call)
    }

    /// What one pod costs in an hour: what it requests, used or not.
    #[must_use]
    pub fn pod_hour_micro(&self) -> i64 {
        let cores = self.pod.cpu_request_milli as f64 / 1_000.0;
        let gib = self.pod.memory_request_bytes as f64 / f64::from(1 << 30);
        let micro =
            cores * self.price.cpu_hour_micro as f64 + gib * self.price.gib_hour_micro as f64;
        micro.round() as i64
    }

    /// Pods that a rate of calls needs by the targets of an autoscaler, within its bounds.
    #[must_use]
    pub fn pods_for(&self, rate: f64, hpa: &Hpa) -> i64 {
        let targets = hpa.metrics.iter().filter_map(|spec| self.target_rate(spec));
        let per_pod = targets.fold(self.pod_rate(), f64::min).max(1e-6);
        ((rate / per_pod).ceil() as i64).clamp(hpa.min, hpa.max)
    }

    /// The capacity of a pod, with its arithmetic.
    #[must_use]
    pub fn capacity_text(&self) -> String {
        let Service {
            service_s,
            concurrency,
            cpu_s_per_call,
            ..
        } = self.service;
        let by_turns = concurrency as f64 / service_s;
        let mut text = format!("a pod can answer {concurrency} / {service_s} s = {by_turns:.1}/s");
        if let Some(rate) = self.cpu_rate() {
            let limit = self.pod.cpu_limit_milli.unwrap_or(0);
            text.push_str(&format!(
                ", by its CPU limit {limit}m / {} ms = {rate:.1}/s",
                cpu_s_per_call * 1_000.0
            ));
        }
        text
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let above_0 = |what: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                Ok(())
            } else {
                Err(Problem(format!(
                    "the {what} must be above 0, and is {value}"
                )))
            }
        };
        let not_negative = |what: &str, value: f64| {
            if value.is_finite() && value >= 0.0 {
                Ok(())
            } else {
                Err(Problem(format!(
                    "the {what} must not be below 0, and is {value}"
                )))
            }
        };
        above_0("service time", self.service.service_s)?;
        above_0("concurrency", self.service.concurrency as f64)?;
        not_negative("CPU per call", self.service.cpu_s_per_call)?;
        above_0("time that callers wait", self.service.timeout_s)?;
        above_0("CPU request", self.pod.cpu_request_milli as f64)?;
        if let Some(limit) = self.pod.cpu_limit_milli {
            above_0("CPU limit", limit as f64)?;
        }
        not_negative("memory request", self.pod.memory_request_bytes as f64)?;
        not_negative("start of a pod", self.pod.start_s as f64)?;
        not_negative("lag of metrics", self.measuring.lag_s as f64)?;
        above_0("window of metrics", self.measuring.window_s as f64)?;
        above_0("time between looks", self.measuring.sync_s as f64)?;
        above_0("latency that is promised", self.slo.latency_s)?;
        not_negative("price of a CPU-hour", self.price.cpu_hour_micro as f64)?;
        not_negative("price of a GiB-hour", self.price.gib_hour_micro as f64)?;
        let objective = self.slo.objective;
        if objective.is_nan() || objective <= 0.0 || objective >= 1.0 {
            return Err(Problem(format!(
                "the objective must be between 0 and 1, and is {objective}"
            )));
        }
        Ok(())
    }
}

impl Scaling {
    pub(super) fn check(&self) -> Result<(), Problem> {
        match self {
            Self::Static(pods) if *pods < 1 => Err(Problem(format!("{pods} pods answer nothing"))),
            Self::Static(_) => Ok(()),
            Self::Hpa { hpa, .. } if hpa.min < 1 || hpa.max < hpa.min => Err(Problem(format!(
                "the bounds must be 1 <= min <= max, and are {} and {}",
                hpa.min, hpa.max
            ))),
            Self::Hpa { hpa, .. } if hpa.metrics.is_empty() => Err(Problem(
                "an autoscaler without a metric does nothing".to_owned(),
            )),
            Self::Hpa { .. } => Ok(()),
        }
    }
}
