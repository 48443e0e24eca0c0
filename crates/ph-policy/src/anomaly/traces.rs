//! Seeded traces: what honest clients do for a month, and what others do for a minute.
//!
//! The rates of false alarms that `docs/anomalies.md` states are asserted here.

use super::{Detectors, Finding, Seen, What};
use ph_plan::Anomalies;
use ph_record::{AnomalyKind, Caller, ServerIdx, ToolIdx};

const DAY_S: u64 = 86_400;
/// A Monday.
const START_S: u64 = 19_723 * DAY_S;

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: u32) -> u32 {
        (self.next() * f64::from(end)) as u32
    }

    fn poisson(&mut self, mean: f64) -> u32 {
        if mean > 50.0 {
            return (mean + mean.sqrt() * self.normal()).max(0.0) as u32;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.next(), 0);
        while product > limit {
            product *= self.next();
            count += 1;
        }
        count
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

struct Trace {
    detectors: Detectors,
    random: Random,
    found: Vec<Finding>,
}

const SERVER: ServerIdx = ServerIdx(0);

impl Trace {
    fn new(seed: u64) -> Self {
        Self::with(Anomalies::default(), seed)
    }

    fn with(settings: Anomalies, seed: u64) -> Self {
        let mut detectors = Detectors::new(settings);
        detectors.tools(SERVER, 258, START_S * 1_000);
        Self {
            detectors,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            found: Vec::new(),
        }
    }

    fn call(&mut self, client: u32, at_s: u64, tool: u16, what: What, sizes: (u32, u32)) {
        let seen = Seen {
            at_ms: at_s * 1_000,
            caller: Caller::V4(client),
            server: Some(SERVER),
            tool: ToolIdx(tool + 2),
            what,
            target: u32::from(tool) + 1,
            request_bytes: sizes.0,
            response_bytes: sizes.1,
            shape: None,
        };
        self.detectors.see(&seen, &mut self.found);
    }

    /// A call as honest clients make them: of 30 tools the first are the usual ones, three in a hundred calls
    /// fail, and sizes are spread over powers of two.
    fn usual_call(&mut self, client: u32, at_s: u64) {
        let tool = (self.random.next().powi(4) * 30.0) as u16;
        let what = if self.random.next() < 0.03 {
            What::Failed
        } else {
            What::Answered
        };
        let response = (2_000.0 * (1.5 * self.random.normal()).exp()) as u32;
        let request = 200 + self.random.below(400);
        self.call(client, at_s, tool, what, (request, response));
    }

    fn usual_calls(&mut self, client: u32, minute: u64, calls: u32) {
        for nth in 0..calls {
            let at_s = minute * 60 + u64::from(nth) * 60 / u64::from(calls.max(1));
            self.usual_call(client, at_s);
        }
    }

    fn of(&self, kind: AnomalyKind) -> usize {
        self.found.iter().filter(|f| f.kind == kind).count()
    }

    /// Every kind but the first use of a tool, which is what it says and no mistake.
    fn alarms(&self) -> usize {
        self.found.len() - self.of(AnomalyKind::FirstUse)
    }
}

fn minutes(days: u64) -> impl Iterator<Item = (u64, f64, u64)> {
    (0..days * 1_440).map(|n| {
        let hour = (n % 1_440) as f64 / 60.0;
        (START_S / 60 + n, hour, n / 1_440)
    })
}

/// An agent that works on weekdays from nine to five: tasks of some minutes, each minute a burst of calls whose
/// number is spread over two orders of magnitude.
#[test]
fn a_month_of_an_agent_in_bursts() {
    let mut trace = Trace::new(1);
    for client in 0..20 {
        let mut left = 0;
        for (minute, hour, day) in minutes(30) {
            if day % 7 >= 5 || !(9.0..17.0).contains(&hour) {
                continue;
            }
            if left == 0 && trace.random.next() < 0.05 {
                left = 1 + trace.random.below(8);
            }
            if left > 0 {
                left -= 1;
                let calls = (6.0 * trace.random.normal().exp()) as u32;
                trace.usual_calls(client, minute, calls.min(400));
            }
        }
    }
    // 600 days of clients.
    let kinds: Vec<_> = AnomalyKind::ALL.iter().map(|k| trace.of(*k)).collect();
    assert!(trace.alarms() <= 3, "{}: {kinds:?}", trace.alarms());
    assert_eq!(
        trace.of(AnomalyKind::Errors) + trace.of(AnomalyKind::Enumeration),
        0
    );
}

/// Load that follows the day, from nothing to 120 calls a minute.
#[test]
fn two_weeks_of_load_that_follows_the_day() {
    let mut trace = Trace::new(2);
    for client in 0..2 {
        for (minute, hour, _) in minutes(14) {
            let mean = 120.0 * ((hour - 6.0) / 24.0 * std::f64::consts::TAU).sin().max(0.0);
            let calls = trace.random.poisson(mean);
            trace.usual_calls(client, minute, calls);
        }
    }
    // The first hour of the first morning may be steeper than what is known by then.
    assert_eq!(
        trace.alarms(),
        trace.of(AnomalyKind::Rate),
        "{:?}",
        trace.found
    );
    assert!(trace.alarms() <= 2, "{:?}", trace.found);
}

/// A job each hour, and one each night: both are told once, and are usual then.
#[test]
fn jobs_are_told_once() {
    let mut trace = Trace::new(3);
    for (minute, _, day) in minutes(14) {
        let mut calls = trace.random.poisson(3.0);
        calls += if minute % 60 == 17 && day > 0 { 500 } else { 0 };
        calls += if minute % 1_440 == 180 && day > 2 {
            4_000
        } else {
            0
        };
        trace.usual_calls(1, minute, calls);
    }
    assert_eq!(trace.of(AnomalyKind::Rate), 2, "{:?}", trace.found);
    assert_eq!(trace.alarms(), 2);
}

/// A new client finds out what there is, and goes on working.
#[test]
fn a_new_client_is_no_alarm() {
    let mut trace = Trace::new(4);
    for client in 0..50 {
        for tool in 0..15 {
            trace.call(
                client,
                START_S + u64::from(tool),
                tool,
                What::Answered,
                (300, 2_000),
            );
        }
        for (minute, ..) in minutes(1) {
            let calls = trace.random.poisson(4.0);
            trace.usual_calls(client, minute, calls);
        }
    }
    assert_eq!(trace.found, []);
}

/// A server that breaks for everybody is nobody's anomaly; a client whose calls alone fail is.
#[test]
fn errors_of_all_are_the_servers() {
    let mut trace = Trace::new(5);
    for (minute, ..) in minutes(2) {
        for client in 0..5 {
            let broken = minute % 1_440 > 1_400 && minute % 1_440 < 1_420;
            for nth in 0..8 {
                let what = if broken { What::Failed } else { What::Answered };
                trace.call(client, minute * 60 + nth, 0, what, (300, 2_000));
            }
        }
    }
    // Whoever is first to fail so often is told before the others have failed as often: at most one of them.
    assert!(trace.alarms() <= 2, "{:?}", trace.found);
    trace.found.clear();
    let at_s = START_S + 2 * DAY_S;
    for nth in 0..40 {
        trace.call(9, at_s + nth, 0, What::Failed, (300, 100));
        for client in 0..4 {
            trace.call(client, at_s + nth, 0, What::Answered, (300, 2_000));
        }
    }
    assert_eq!(trace.of(AnomalyKind::Errors), 1, "{:?}", trace.found);
    assert_eq!(trace.found[0].caller, Some(Caller::V4(9)));
}

#[test]
fn a_thief_is_told_by_what_the_owner_never_did() {
    let mut trace = Trace::new(6);
    for (minute, hour, _) in minutes(5) {
        if (9.0..17.0).contains(&hour) {
            let calls = trace.random.poisson(5.0);
            trace.usual_calls(1, minute, calls);
        }
    }
    trace.found.clear();
    let night = START_S + 5 * DAY_S + 3 * 3_600;
    trace.call(1, night, 77, What::Answered, (300, 2_000));
    assert_eq!(trace.of(AnomalyKind::FirstUse), 1);
    trace.call(1, night + 1, 0, What::Answered, (300, 900_000_000));
    assert_eq!(trace.of(AnomalyKind::Size), 1);
    for nth in 0..300 {
        trace.call(1, night + nth / 10, 0, What::Answered, (300, 2_000));
    }
    assert_eq!(trace.of(AnomalyKind::Rate), 1);
    for name in 0..12 {
        trace.call(1, night + 40, 100 + name, What::Unknown, (300, 100));
    }
    assert_eq!(trace.of(AnomalyKind::Enumeration), 1);
    let rate = trace
        .found
        .iter()
        .find(|f| f.kind == AnomalyKind::Rate)
        .unwrap();
    let evidence = rate.evidence.as_ref().unwrap();
    assert!(
        evidence.usual.starts_with("a median of 5 and at most "),
        "{evidence:?}"
    );
    assert!(evidence.seen.ends_with("calls"), "{evidence:?}");
    assert!(
        evidence.over.contains("60 minutes with calls"),
        "{evidence:?}"
    );
}

#[test]
fn trying_tools_one_after_the_other_is_told_of_a_new_client_too() {
    let mut trace = Trace::new(7);
    for tool in 0..40 {
        trace.call(
            1,
            START_S + 5 * u64::from(tool),
            tool,
            What::Answered,
            (300, 2_000),
        );
    }
    assert_eq!(trace.of(AnomalyKind::Enumeration), 1);
    let slow = |trace: &mut Trace| {
        for tool in 0..40 {
            trace.call(
                2,
                START_S + 60 * u64::from(tool),
                tool,
                What::Answered,
                (300, 2_000),
            );
        }
    };
    slow(&mut trace);
    assert_eq!(
        trace.of(AnomalyKind::Enumeration),
        1,
        "one a minute is work"
    );
}

#[test]
fn failures_to_authenticate_are_told_of_one_and_of_all() {
    let mut trace = Trace::new(8);
    let fail = |trace: &mut Trace, client, at_s| {
        let seen = Seen::of_stranger(Caller::V4(client), Some(SERVER), at_s * 1_000_000_000);
        trace.detectors.see(&seen, &mut trace.found);
    };
    // Somebody whose key ran out tries again every ten seconds.
    for nth in 0..1_000 {
        fail(&mut trace, 1, START_S + nth * 10);
    }
    assert_eq!(trace.found, []);
    for nth in 0..30 {
        fail(&mut trace, 2, START_S + 20_000 + nth);
    }
    assert_eq!(trace.of(AnomalyKind::AuthFailures), 1);
    // Many addresses, two tries each.
    for nth in 0..120 {
        fail(&mut trace, 1_000 + nth / 2, START_S + 40_000);
    }
    assert_eq!(trace.of(AnomalyKind::AuthFailures), 2);
    assert_eq!(trace.found[1].caller, None);
}

#[test]
fn what_is_exempt_or_disabled_is_not_told() {
    let text =
        "anomalies: {exempt: [\"0.0.0.1\"], disabled: [enumeration]}\nservers: {a: {command: x}}\n";
    let (plan, _) = ph_plan::Plan::from_yaml(text, &ph_plan::NoSecrets).unwrap();
    let mut trace = Trace::with(plan.anomalies.unwrap(), 9);
    for client in 1..3 {
        for nth in 0..30 {
            let seen = Seen::of_stranger(Caller::V4(client), None, (START_S + nth) * 1_000_000_000);
            trace.detectors.see(&seen, &mut trace.found);
            let name = u16::try_from(nth).unwrap();
            trace.call(client, START_S + nth, name, What::Unknown, (300, 100));
        }
    }
    let callers: Vec<_> = trace
        .found
        .iter()
        .map(|f| (f.kind, f.caller.clone()))
        .collect();
    assert_eq!(callers, [(AnomalyKind::AuthFailures, Some(Caller::V4(2)))]);
}

#[test]
fn floods_of_clients_stay_within_the_bound() {
    let mut trace = Trace::new(10);
    for minute in 0..33 {
        for client in 0..14_000 {
            trace.call(
                client,
                START_S + minute * 60,
                0,
                What::Answered,
                (300, 2_000),
            );
        }
    }
    for client in 100_000..300_000 {
        trace.call(client, START_S + 3_600, 0, What::Answered, (300, 2_000));
    }
    let bytes = trace.detectors.bytes();
    assert!(bytes <= Detectors::BYTES_MAX, "{bytes}");
    assert_eq!(trace.detectors.clients(), Detectors::CLIENTS_MAX);
    trace.detectors.forget((START_S + 3 * 3_600) * 1_000);
    assert_eq!(trace.detectors.clients(), Detectors::KNOWN_MAX);
    trace.detectors.forget((START_S + 9 * DAY_S) * 1_000);
    assert_eq!(trace.detectors.clients(), 0);
}
