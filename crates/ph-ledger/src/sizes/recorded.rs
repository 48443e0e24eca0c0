//! What was recorded of what processes used.

use super::Observed;
use crate::{Answer, Ask, Params, Refused, seconds};
use ph_cost::sizing::{PodSamples, Point, Resources, Samples};
use ph_record::catalogue;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// A range query gives no more points of a series than 11,000.
const POINTS_MAX: i64 = 10_000;
/// So many questions are asked for one series at most.
const QUERIES_MAX: i64 = 100;
/// Who has run for less than this may have samples of one thing and not yet of another.
const NEW_S: i64 = 600;

/// When, and how fine.
#[derive(Clone, Copy, Debug)]
pub struct Grain {
    from_s: i64,
    to_s: i64,
    step_s: i64,
}

impl Grain {
    /// - `step_s`: distance of two samples.
    ///
    /// # Errors
    /// For a step that is none, and for more points than are asked for.
    pub fn new(from_ms: i64, to_ms: i64, step_s: i64) -> Result<Self, Refused> {
        if !(15..=3_600).contains(&step_s) {
            let text = format!("{step_s} s are no step: expected 15 s to 1 h");
            return Err(Refused::new(text));
        }
        let rounded = |ms: i64| ms / 1_000 / step_s * step_s;
        let grain = Self {
            from_s: rounded(from_ms),
            to_s: rounded(to_ms),
            step_s,
        };
        let span_s = grain.to_s - grain.from_s;
        if span_s / step_s > POINTS_MAX * QUERIES_MAX {
            let text = format!("{span_s} s by {step_s} s are too many points");
            return Err(Refused::new(text).hint("take a larger step, or a shorter time"));
        }
        Ok(grain)
    }

    /// Distance of two samples, in seconds.
    #[must_use]
    pub fn step_s(self) -> i64 {
        self.step_s
    }

    /// The highest of a step, of a series that says at each time what the last minute's was.
    fn peak(self, series: &str) -> String {
        match self.step_s - 60 {
            rest if rest <= 0 => series.to_owned(),
            // From here to the end of the step there is a sample each 15 s.
            rest => format!("max_over_time({series}[{}s])", rest + 15),
        }
    }

    /// Pieces that one answer can hold.
    fn pieces(self) -> impl Iterator<Item = (i64, i64)> {
        let span_s = POINTS_MAX * self.step_s;
        let pieces = (self.to_s - self.from_s) / span_s + 1;
        (0..pieces).map(move |piece| {
            let from_s = self.from_s + piece * span_s;
            (from_s, (from_s + span_s - self.step_s).min(self.to_s))
        })
    }
}

/// Every server of which children were measured, or the one that is named.
///
/// # Errors
/// Those of whoever is asked; where nothing was recorded.
pub fn servers<A: Ask>(
    api: &A,
    grain: Grain,
    name: Option<&str>,
) -> Result<Vec<Observed>, A::Error> {
    let step = format!("{}s", grain.step_s);
    let of = match name {
        Some(name) => format!("{{server={}}}", quoted(name)),
        None => String::new(),
    };
    let by = ["server", "replica"];
    let cpu = format!("rate(mcp_server_cpu_seconds_total{of}[{step}]) * 1000");
    let memory = format!("mcp_server_resident_memory_bytes{of}");
    // Before there were peaks of their own there were only those of the samples.
    let peak = format!(
        "{} or max_over_time({memory}[{step}])",
        grain.peak(&format!("mcp_server_resident_memory_peak_bytes{of}"))
    );
    let cpu_peak = grain.peak(&format!("mcp_server_cpu_peak_cores{of}"));
    let held_up = format!("increase(mcp_server_cpu_throttled_seconds_total{of}[{step}]) > 0");
    let cpu = range(api, &cpu, grain, &by)?;
    let memory = range(api, &memory, grain, &by)?;
    let mut peaks = range(api, &peak, grain, &by)?;
    let mut cpu_peaks = range(api, &format!("({cpu_peak}) * 1000"), grain, &by)?;
    let mut held_up = range(api, &held_up, grain, &by)?;
    let restarted = format!(
        "sum by (server, replica) ({})",
        risen(catalogue::RESTARTS.name, &of, &step)
    );
    let mut restarts = range(api, &restarted, grain, &by)?;
    let mut kills = range(
        api,
        &risen(catalogue::MEMORY_KILLS.name, &of, &step),
        grain,
        &by,
    )?;
    let mut servers: BTreeMap<String, Vec<PodSamples>> = BTreeMap::new();
    for (key, memory) in memory {
        let mut pod = PodSamples {
            name: format!("replica {}", key[1]),
            cpu_milli: cpu.get(&key).cloned().unwrap_or_default(),
            cpu_peak_milli: cpu_peaks.remove(&key).unwrap_or_default(),
            memory_peak_bytes: peaks.remove(&key).unwrap_or_default(),
            throttled_s: held_up.remove(&key).unwrap_or_default(),
            memory_kills: kills.remove(&key).unwrap_or_default(),
            memory_bytes: memory,
            ..PodSamples::default()
        };
        let restarts = restarts.remove(&key).unwrap_or_default();
        pod.starts_s = restarts.iter().map(|point| point.at_s).collect();
        only_while_it_ran(&mut pod);
        servers.entry(key[0].clone()).or_default().push(pod);
    }
    if servers.is_empty() {
        return Err(Refused {
            error: match name {
                Some(name) => format!("nothing was recorded of children of `{name}`"),
                None => "nothing was recorded of children of any server".to_owned(),
            },
            hint: Some("`pilothouse query mcp_server_resident_memory_bytes` lists what is measured; servers behind a URL are not".into()),
        }
        .into());
    }
    let recorded = |(name, mut pods): (String, Vec<PodSamples>)| {
        // A replica that never ran in this time has nothing to say beside one that did.
        if pods.iter().any(|pod| !pod.memory_bytes.is_empty()) {
            pods.retain(|pod| !pod.memory_bytes.is_empty());
        }
        let source = without_newcomers(&mut pods, "store");
        Observed {
            name,
            source,
            samples: Samples {
                step_s: u32::try_from(grain.step_s).unwrap_or(u32::MAX),
                pods,
            },
            current: Resources::default(),
            is_own: true,
        }
    };
    Ok(servers.into_iter().map(recorded).collect())
}

/// Memory is 0 while nothing runs: that is no use, and its end is a start.
fn only_while_it_ran(pod: &mut PodSamples) {
    let mut ran_before = true;
    for point in &pod.memory_bytes {
        let runs = point.value > 0.0;
        if runs && !ran_before {
            pod.starts_s.push(point.at_s);
        }
        ran_before = runs;
    }
    pod.starts_s.sort_unstable();
    pod.starts_s.dedup();
    pod.memory_bytes.retain(|point| point.value > 0.0);
    let ran: BTreeSet<i64> = pod.memory_bytes.iter().map(|point| point.at_s).collect();
    pod.cpu_milli.retain(|point| ran.contains(&point.at_s));
    for peaks in [&mut pod.memory_peak_bytes, &mut pod.cpu_peak_milli] {
        peaks.retain(|point| ran.contains(&point.at_s));
    }
}

/// Leaves out what has just begun beside others that have run: a rate needs two samples. Gives the source, with those that
/// were left out.
pub fn without_newcomers(pods: &mut Vec<PodSamples>, source: &str) -> String {
    let is_new = |pod: &PodSamples| {
        let times = pod.cpu_milli.iter().chain(&pod.memory_bytes);
        let times: Vec<i64> = times.map(|point| point.at_s).collect();
        let span_s = times.iter().max().zip(times.iter().min());
        let is_short = span_s.is_none_or(|(last, first)| last - first < NEW_S);
        is_short && (pod.cpu_milli.is_empty() || pod.memory_bytes.is_empty())
    };
    if pods.iter().all(is_new) {
        return source.to_owned();
    }
    let (new, old): (Vec<_>, Vec<_>) = std::mem::take(pods).into_iter().partition(is_new);
    *pods = old;
    match &new[..] {
        [] => source.to_owned(),
        [one] => format!("{source}; without {}, which has just begun", one.name),
        [one, more @ ..] => format!(
            "{source}; without {} and {} more, which have just begun",
            one.name,
            more.len()
        ),
    }
}

/// By how much a counter of whole things has risen within a step; nothing where it has not. One that begins anew has not.
#[must_use]
pub fn risen(counter: &str, of: &str, step: &str) -> String {
    format!("{counter}{of} - {counter}{of} offset {step} > 0")
}

/// Points by the values of labels.
pub type Series = BTreeMap<Vec<String>, Vec<Point>>;

/// Asks piece by piece; what comes belongs to the values of the labels `by`.
///
/// # Errors
/// Those of whoever is asked.
pub fn range<A: Ask>(api: &A, query: &str, grain: Grain, by: &[&str]) -> Result<Series, A::Error> {
    let mut all = Series::new();
    for (from_s, to_s) in grain.pieces() {
        let params = Params::new()
            .with("query", query)
            .with("start", seconds(from_s * 1_000))
            .with("end", seconds(to_s * 1_000))
            .with("step", seconds(grain.step_s * 1_000));
        let data = answered(api, "/api/v1/query_range", &params, query)?;
        for series in data["result"].as_array().into_iter().flatten() {
            let label = |name: &&str| series["metric"][*name].as_str().unwrap_or("").to_owned();
            let points = all.entry(by.iter().map(label).collect()).or_default();
            for pair in series["values"].as_array().into_iter().flatten() {
                let form = || Refused::new(format!("the answer to `{query}` has an unknown form"));
                points.push(point(pair).ok_or_else(form)?);
            }
        }
    }
    Ok(all)
}

/// The value of an expression now, above 0.
///
/// # Errors
/// Those of whoever is asked.
pub fn instant<A: Ask>(api: &A, query: &str) -> Result<Option<f64>, A::Error> {
    let data = answered(
        api,
        "/api/v1/query",
        &Params::new().with("query", query),
        query,
    )?;
    let found = data["result"][0]["value"].as_array().is_some();
    let value = found.then(|| point(&data["result"][0]["value"])).flatten();
    Ok(value
        .map(|point| point.value)
        .filter(|value| value.is_finite() && *value > 0.0))
}

/// What is no number stays none: whoever sizes refuses it.
fn point(pair: &Json) -> Option<Point> {
    Some(Point {
        at_s: pair[0].as_f64()?.round() as i64,
        value: match pair[1].as_str()? {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            text => text.parse().unwrap_or(f64::NAN),
        },
    })
}

fn answered<A: Ask>(api: &A, path: &str, params: &Params, query: &str) -> Result<Json, A::Error> {
    let Answer { status, body } = api.get(path, params)?;
    let mut body: Json = serde_json::from_slice(&body).map_err(|_| {
        Refused::new(format!(
            "status {status} and no JSON: is this a Prometheus?"
        ))
    })?;
    if body["status"] == "success" {
        return Ok(body["data"].take());
    }
    let error = body["error"].as_str().unwrap_or("no reason is given");
    Err(Refused {
        error: format!("`{query}`: {error}"),
        hint: Some("a shorter time or a larger step asks for less".into()),
    }
    .into())
}

/// As a string of PromQL.
#[must_use]
pub fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_what_an_answer_holds_and_leave_nothing_out() {
        let grain = Grain {
            from_s: 0,
            to_s: 2_592_000,
            step_s: 60,
        };
        let pieces: Vec<_> = grain.pieces().collect();
        assert_eq!(pieces.len(), 5);
        assert!(
            pieces
                .iter()
                .all(|(from_s, to_s)| (to_s - from_s) / 60 < POINTS_MAX)
        );
        assert!(pieces.windows(2).all(|pair| pair[1].0 == pair[0].1 + 60));
        assert_eq!(pieces[4].1, 2_592_000);
    }

    #[test]
    fn while_nothing_runs_nothing_is_used_and_then_it_starts() {
        let points = |values: [f64; 4]| -> Vec<Point> {
            let at = |(index, value): (usize, f64)| Point {
                at_s: index as i64,
                value,
            };
            values.into_iter().enumerate().map(at).collect()
        };
        let mut pod = PodSamples {
            cpu_milli: points([5.0, 0.0, 0.0, 6.0]),
            memory_bytes: points([10.0, 0.0, 0.0, 12.0]),
            ..PodSamples::default()
        };
        only_while_it_ran(&mut pod);
        assert_eq!(pod.starts_s, [3]);
        assert_eq!(pod.memory_bytes.len(), 2);
        assert_eq!(pod.cpu_milli.len(), 2);
    }

    #[test]
    fn who_has_just_begun_is_left_out_beside_others_and_named() {
        let pod = |name: &str, cpu: usize, memory: usize| {
            let points = |count: usize| -> Vec<Point> {
                let at = |index| Point {
                    at_s: index as i64 * 60,
                    value: 1.0,
                };
                (0..count).map(at).collect()
            };
            PodSamples {
                name: name.to_owned(),
                cpu_milli: points(cpu),
                memory_bytes: points(memory),
                ..PodSamples::default()
            }
        };
        let mut pods = vec![pod("old", 20, 20), pod("new", 0, 1), pod("half", 0, 20)];
        let source = without_newcomers(&mut pods, "store");
        assert_eq!(source, "store; without new, which has just begun");
        // What has run for longer and has no CPU is missing a series; that is for whoever sizes to refuse.
        assert_eq!(pods.len(), 2);
        let mut alone = vec![pod("new", 0, 1)];
        assert_eq!(without_newcomers(&mut alone, "store"), "store");
        assert_eq!(alone.len(), 1);
    }

    #[test]
    fn names_are_no_promql() {
        assert_eq!(quoted("a\"} or up{x=\"\\"), r#""a\"} or up{x=\"\\""#);
    }
}
