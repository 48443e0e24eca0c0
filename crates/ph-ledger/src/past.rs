//! What was used and called in a time, as the daemon's store has it.

use crate::{Ask, Params, Refused, seconds};
use ph_cost::attribution::{Calls, Capacity, Input, Use};
use ph_plan::Plan;
use ph_record::catalogue::{CPU_SECONDS, PROCESS_CPU, PROCESS_RSS, RESIDENT_BYTES};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Points of a series that are asked for, below what an answer may have.
const POINTS_MAX: i64 = 5_000;
const MS_PER_S: i64 = 1_000;

/// A time, in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// From then.
    pub from_ms: i64,
    /// Until then.
    pub to_ms: i64,
}

/// What the store says of a time.
pub struct Recorded {
    /// What was used and called, with the prices of the plan.
    pub input: Input,
    /// What is to be known of how it was recorded.
    pub notes: Vec<String>,
}

/// Labels, and times in Unix seconds with values.
type Series = (Json, Vec<(f64, f64)>);

/// What servers used, by name, and Pilothouse itself.
type UsedBy = (BTreeMap<String, Use>, Option<Use>);

impl Past {
    /// Whole seconds of it.
    #[must_use]
    pub fn length_s(self) -> u64 {
        u64::try_from((self.to_ms - self.from_ms) / MS_PER_S).unwrap_or(0)
    }

    /// Asks for everything that has a price in `plan`.
    ///
    /// # Errors
    /// Those of whoever is asked.
    pub fn recorded<A: Ask>(self, api: &A, plan: &Plan) -> Result<Recorded, A::Error> {
        let cost = &plan.cost;
        let mut notes = Vec::new();
        let calls = self.calls(api, &mut notes)?;
        let (servers, own) = self.used(api, plan)?;
        if servers.is_empty() && own.is_none() {
            notes.push(
                "no samples of CPU and memory were recorded in this time: nothing is known of what was used".to_owned(),
            );
        }
        let called: Vec<&str> = calls.iter().map(|calls| calls.server.as_str()).collect();
        for name in called.iter().filter(|name| !servers.contains_key(**name)) {
            let note = format!(
                "nothing of `{name}` was measured in this time: if it runs elsewhere, give what it costs as `cost.fixed.{name}`"
            );
            let is_told = cost.fixed.keys().any(|row| row.as_str() == *name);
            if !is_told && !notes.contains(&note) {
                notes.push(note);
            }
        }
        let capacity = match (cost.capacity_cores, cost.capacity_memory) {
            (None, None) => None,
            (cores, memory) => Some(Capacity {
                cpu_milli: (cores.unwrap_or(0.0) * 1_000.0).round() as u64,
                memory_bytes: memory.map_or(0, |memory| memory.bytes()),
            }),
        };
        let fixed = cost.fixed.iter();
        Ok(Recorded {
            input: Input {
                currency: cost.currency.as_str().to_owned(),
                length_s: self.length_s(),
                prices: cost.prices(),
                capacity,
                fixed: fixed
                    .map(|(name, price)| (name.as_str().to_owned(), *price))
                    .collect(),
                transfer_gb: cost.transfer_gb,
                own,
                servers,
                calls,
            },
            notes,
        })
    }

    /// Calls by server, tool and client: the client is who was shown to have called, else what it says of itself.
    fn calls<A: Ask>(self, api: &A, notes: &mut Vec<String>) -> Result<Vec<Calls>, A::Error> {
        let tally = self.tally(
            api,
            "kind=call direction=to_server -stream=true",
            "server,tool,method,principal,client",
            "upstream_ms,request_bytes,response_bytes",
        )?;
        if tally["complete"] != true {
            notes.push(format!(
                "only {} of {} records were looked at in the time there is for a question: shares are those of the oldest of them",
                tally["scanned"], tally["total"]
            ));
        }
        let mut all: BTreeMap<(String, String, String), Calls> = BTreeMap::new();
        for group in tally["groups"].as_array().into_iter().flatten() {
            let value = |nth: usize| {
                group["values"][nth]
                    .as_str()
                    .filter(|text| !text.is_empty())
            };
            let sum = |nth: usize| group["sums_milli"][nth].as_u64().unwrap_or(0);
            let count = group["count"]
                .as_u64()
                .ok_or_else(|| Refused::new("the answer has an unknown form"))?;
            let server = value(0).unwrap_or_default().to_owned();
            let tool = value(1).or(value(2)).unwrap_or_default().to_owned();
            let client = value(3).or(value(4)).unwrap_or_default().to_owned();
            let key = (server.clone(), tool.clone(), client.clone());
            let calls = all.entry(key).or_insert_with(|| Calls {
                server,
                tool,
                client,
                calls: 0,
                in_flight_us: 0,
                bytes: 0,
            });
            calls.calls += count;
            // Thousandths of milliseconds, and of bytes.
            calls.in_flight_us += sum(0);
            calls.bytes += (sum(1) + sum(2)) / 1_000;
        }
        Ok(all.into_values().collect())
    }

    /// Records that fit, put together.
    ///
    /// # Errors
    /// Those of whoever is asked.
    pub fn tally<A: Ask>(
        self,
        api: &A,
        query: &str,
        by: &str,
        sum: &str,
    ) -> Result<Json, A::Error> {
        let params = Params::new()
            .with("by", by)
            .with("sum", sum)
            .with("query", query)
            .with("from", seconds(self.from_ms))
            .with("to", seconds(self.to_ms));
        api.json("/api/pilothouse/logs/tally", &params)
    }

    /// What processes of servers used, and Pilothouse itself.
    fn used<A: Ask>(self, api: &A, plan: &Plan) -> Result<UsedBy, A::Error> {
        let own_job = "job=\"mcp-server\"";
        let cpu = |name: &str| format!("{name}{{{own_job}}}");
        // A window that has a sample in it, so that what has ended is not carried on.
        let interval = plan.store.sample_interval.as_secs().max(1);
        let window = self
            .step_s()
            .max(i64::try_from(2 * interval + 1).unwrap_or(i64::MAX));
        let held = |name: &str| format!("avg_over_time({name}{{{own_job}}}[{window}s])");
        let mut servers: BTreeMap<String, Use> = BTreeMap::new();
        for (labels, points) in self.range(api, &cpu(CPU_SECONDS.name))? {
            let server = labels["server"].as_str().unwrap_or_default().to_owned();
            servers.entry(server).or_default().cpu_ms += self.grown_ms(&points);
        }
        for (labels, points) in self.range(api, &held(RESIDENT_BYTES.name))? {
            let server = labels["server"].as_str().unwrap_or_default().to_owned();
            servers.entry(server).or_default().memory_mib_s += self.held_mib_s(&points);
        }
        let mut own: Option<Use> = None;
        for (_, points) in self.range(api, &cpu(PROCESS_CPU.name))? {
            own.get_or_insert_default().cpu_ms += self.grown_ms(&points);
        }
        for (_, points) in self.range(api, &held(PROCESS_RSS.name))? {
            own.get_or_insert_default().memory_mib_s += self.held_mib_s(&points);
        }
        Ok((servers, own))
    }

    /// Seconds between two points that are asked for: what was used since the last of them is not in it yet.
    pub(crate) fn step_s(self) -> i64 {
        let span_s = (self.to_ms - self.from_ms) / MS_PER_S;
        span_s / POINTS_MAX + 1
    }

    /// How much a counter of seconds grew, in milliseconds. It begins at 0, and anew when Pilothouse does.
    fn grown_ms(self, points: &[(f64, f64)]) -> u64 {
        let step_s = self.step_s() as f64;
        let begins_within = points
            .first()
            .is_some_and(|(at_s, _)| *at_s > self.from_ms as f64 / 1e3 + step_s);
        let mut before = if begins_within { Some(0.0) } else { None };
        let mut grown_s = 0.0;
        for (_, value) in points {
            if let Some(before) = before {
                grown_s += if *value >= before {
                    value - before
                } else {
                    *value
                };
            }
            before = Some(*value);
        }
        (grown_s * 1e3).round() as u64
    }

    /// Memory times the time for which it was held.
    fn held_mib_s(self, points: &[(f64, f64)]) -> u64 {
        let sum: f64 = points.iter().map(|(_, bytes)| bytes).sum();
        (sum * self.step_s() as f64 / f64::from(1 << 20)).round() as u64
    }

    /// The series of an expression: labels, and times with values. What is no number is left out.
    fn range<A: Ask>(self, api: &A, query: &str) -> Result<Vec<Series>, A::Error> {
        let params = Params::new()
            .with("query", query)
            .with("start", seconds(self.from_ms))
            .with("end", seconds(self.to_ms))
            .with("step", self.step_s());
        let answer = api.json("/api/v1/query_range", &params)?;
        let series = answer["data"]["result"]
            .as_array()
            .ok_or_else(|| Refused::new(format!("the answer to `{query}` has an unknown form")))?;
        let point = |pair: &Json| {
            let value: f64 = pair[1].as_str()?.parse().ok()?;
            (value.is_finite() && value >= 0.0).then_some((pair[0].as_f64()?, value))
        };
        Ok(series
            .iter()
            .map(|one| {
                let points = one["values"].as_array().into_iter().flatten();
                (one["metric"].clone(), points.filter_map(point).collect())
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAST: Past = Past {
        from_ms: 1_000_000,
        to_ms: 1_060_000,
    };

    #[test]
    fn counters_begin_at_nothing_and_anew() {
        // It was there before: what it had then is not of this time.
        assert_eq!(
            PAST.grown_ms(&[(1_000.0, 5.0), (1_030.0, 7.5), (1_060.0, 8.0)]),
            3_000
        );
        // It began in it, and once more.
        assert_eq!(
            PAST.grown_ms(&[(1_010.0, 1.0), (1_030.0, 2.0), (1_060.0, 0.5)]),
            2_500
        );
        assert_eq!(PAST.grown_ms(&[]), 0);
    }

    #[test]
    fn memory_counts_by_the_time_that_it_was_held() {
        let mib = f64::from(1 << 20);
        let points: Vec<_> = (0..10).map(|s| (f64::from(s), 3.0 * mib)).collect();
        assert_eq!(PAST.held_mib_s(&points), 30);
    }
}
