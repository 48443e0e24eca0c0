//! Parameters as a form has them: what is wrong is said with the field's name.

use super::answers::Priced;
use crate::clock;
use crate::endpoint::Param;
use crate::params::Params;
use crate::prometheus::duration_ms;
use crate::reply::ApiError;
use crate::sources::Shared;
use ph_cost::price::Money;
use ph_cost::sizing::{CpuHpa, Resources, cpu_of, memory_of};
use ph_ledger::WhatIf;
use ph_plan::Plan;
use std::ops::RangeInclusive;
use std::sync::Arc;

pub(super) const SERVER: Param =
    Param::text("server", "The server's name; all of them by default.");
pub(super) const SINCE: Param = Param::text("since", "How far back: `6h`, `7d`.");
pub(super) const CPU_HOUR: Param = Param::text(
    "cpu_hour",
    "Price of a core for an hour, instead of `cost.cpu_hour`.",
);
pub(super) const GIB_HOUR: Param = Param::text(
    "gib_hour",
    "Price of a GiB of memory for an hour, instead of `cost.gib_hour`.",
);

/// Pods of an autoscaler, at most.
pub(super) const PODS_MAX: u32 = 10_000;

/// What was given.
#[derive(Clone, Copy)]
pub(super) struct Form<'a>(pub(super) &'a Params);

impl Form<'_> {
    /// From `since` up to now, in Unix milliseconds.
    pub(super) fn since(self, default: &str) -> Result<(i64, i64), ApiError> {
        let now_ms = clock::unix_ms();
        let ms = duration_ms(self.since_text(default)).filter(|ms| (1_000..=now_ms).contains(ms));
        let ms = ms.ok_or_else(|| wrong("since", "a duration such as `6h` or `7d`"))?;
        Ok((now_ms - ms, now_ms))
    }

    /// The same as it is shown.
    pub(super) fn since_text<'b>(&'b self, default: &'b str) -> &'b str {
        self.0.get("since").unwrap_or(default)
    }

    /// A duration in whole seconds.
    pub(super) fn seconds(self, name: &str) -> Result<Option<i64>, ApiError> {
        self.read(name, "a duration such as `30s`", |text| {
            duration_ms(text).filter(|ms| *ms >= 0).map(|ms| ms / 1_000)
        })
    }

    /// A duration of `1ms` or more, in seconds.
    pub(super) fn duration(self, name: &str) -> Result<Option<f64>, ApiError> {
        self.read(name, "a duration such as `500ms`", |text| {
            let ms = duration_ms(text).filter(|ms| (1..=3_600_000).contains(ms))?;
            Some(ms as f64 / 1e3)
        })
    }

    pub(super) fn whole(
        self,
        name: &str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, ApiError> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(name, &expected, |text| {
            text.parse().ok().filter(|number| range.contains(number))
        })
    }

    pub(super) fn decimal(
        self,
        name: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, ApiError> {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        self.read(name, &expected, |text| {
            text.parse().ok().filter(|number| range.contains(number))
        })
    }

    pub(super) fn cpu(self, name: &str) -> Result<Option<u64>, ApiError> {
        self.read(
            name,
            "CPU as in a manifest, such as `500m` or `2`",
            |text| cpu_of(text).ok().filter(|milli| *milli > 0),
        )
    }

    pub(super) fn memory(self, name: &str) -> Result<Option<u64>, ApiError> {
        self.read(name, "memory as in a manifest, such as `512Mi`", |text| {
            memory_of(text).ok().filter(|bytes| *bytes > 0)
        })
    }

    fn money(self, name: &str) -> Result<Option<Money>, ApiError> {
        self.read(name, "an amount such as `0.031611`", |text| {
            Money::parse(text)
                .ok()
                .filter(|price| *price >= Money::ZERO)
        })
    }

    /// The plan that runs, with the prices that were given instead, and what that comes to.
    pub(super) fn prices(self, shared: &Shared) -> Result<(Arc<Plan>, Priced), ApiError> {
        let mut plan = (*super::plan(shared)).clone();
        let given = (self.money("cpu_hour")?, self.money("gib_hour")?);
        plan.cost.cpu_hour = given.0.or(plan.cost.cpu_hour);
        plan.cost.gib_hour = given.1.or(plan.cost.gib_hour);
        let prices = plan.cost.prices();
        let source = match given {
            _ if prices.is_placeholder => "of OpenCost, placeholders that nobody pays",
            (Some(_), Some(_)) => "as given",
            (None, None) => "of the configuration",
            _ => "in part as given, in part of the configuration",
        };
        let priced = Priced {
            currency: plan.cost.currency.as_str().to_owned(),
            cpu_hour: prices.cpu_hour.to_string(),
            gib_hour: prices.gib_hour.to_string(),
            is_placeholder: prices.is_placeholder,
            source: source.to_owned(),
        };
        Ok((Arc::new(plan), priced))
    }

    /// What is asked for today, and by what it is scaled.
    pub(super) fn what_if(self) -> Result<WhatIf, ApiError> {
        let asked = Resources {
            cpu_request_milli: self.cpu("cpu_request")?,
            cpu_limit_milli: self.cpu("cpu_limit")?,
            memory_request_bytes: self.memory("memory_request")?,
            memory_limit_bytes: self.memory("memory_limit")?,
        };
        for (request, limit, field) in [
            (asked.cpu_request_milli, asked.cpu_limit_milli, "cpu_limit"),
            (
                asked.memory_request_bytes,
                asked.memory_limit_bytes,
                "memory_limit",
            ),
        ] {
            if request
                .zip(limit)
                .is_some_and(|(request, limit)| limit < request)
            {
                return Err(wrong(field, "a limit that is not below the request"));
            }
        }
        let hpa = match self.whole("hpa_cpu", 1..=1_000)? {
            None => None,
            Some(target_percent) => {
                let (min, max) = self.bounds(("hpa_min", "hpa_max"), (2, 10))?;
                if asked.cpu_request_milli.is_none() {
                    return Err(wrong(
                        "cpu_request",
                        "the CPU request of today: the target is a share of it",
                    ));
                }
                Some(CpuHpa {
                    target_percent,
                    min,
                    max,
                })
            }
        };
        Ok(WhatIf { asked, hpa })
    }

    /// The least and the most replicas.
    pub(super) fn bounds(
        self,
        (least, most): (&'static str, &'static str),
        default: (u32, u32),
    ) -> Result<(u32, u32), ApiError> {
        let min = self.whole(least, 1..=PODS_MAX)?.unwrap_or(default.0);
        let given = self.whole(most, 1..=PODS_MAX)?;
        let max = given.unwrap_or(default.1);
        if max >= min {
            return Ok((min, max));
        }
        // The one that somebody wrote is the one to mend.
        Err(match given {
            Some(_) => wrong(most, &format!("at least {min}, the fewest replicas")),
            None => wrong(least, &format!("at most {max}, the most replicas")),
        })
    }

    fn read<T>(
        self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.0.get(name) else {
            return Ok(None);
        };
        read(text.trim())
            .map(Some)
            .ok_or_else(|| wrong(name, expected))
    }
}

/// What a field is not.
pub(super) fn wrong(field: &str, expected: &str) -> ApiError {
    ApiError::bad_request(format!("expected {expected}")).field(field)
}
