//! The script decides as the pure function does.

use crate::server::{Client, Redis};
use ph_plan::{NoSecrets, Plan};
use ph_policy::{Allowance, Asked, Charge, Charges, ClientId, Kind, Limits, Now};
use ph_redis::script::{Answer, Question, TAKE};
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;

/// The script with a clock of the test's: keys do not expire while it stands still, and leases not at all.
fn script(now_us: u64) -> String {
    let clock = format!("{{'{}', '{}'}}", now_us / 1_000_000, now_us % 1_000_000);
    let script = replaced(TAKE, "redis.call('TIME')", &clock);
    let script = replaced(&script, "math.max(idle_ms, 1)", "idle_ms + 3600000");
    let script = replaced(&script, "now_us + tonumber(ARGV[2])", "now_us * 2");
    replaced(&script, "tonumber(ARGV[2]) / 1000", "3600000")
}

fn replaced(text: &str, part: &str, by: &str) -> String {
    assert_eq!(text.matches(part).count(), 1, "{part}");
    text.replace(part, by)
}

fn ask(redis: &mut Client, charges: &Charges<'_>, lease: &str, now_us: u64) -> Answer {
    let question = Question::new(charges, "test", lease);
    let mut out = Vec::new();
    question.write("EVAL", &script(now_us), &mut out);
    let reply = redis.send(&out);
    question
        .answer(&reply)
        .unwrap_or_else(|| panic!("{reply:?}"))
}

/// What [`Allowance::charge`] says, of everything that a call costs.
#[derive(Default)]
struct Model {
    kept: HashMap<String, u64>,
    held: HashMap<String, Vec<String>>,
}

impl Model {
    fn take(&mut self, charges: &Charges<'_>, lease: &str, now: Now) -> Answer {
        let mut keys = match self.take_all(&charges.enforced, now) {
            Ok(keys) => keys,
            Err((charge, wait)) => return Answer::Refused { charge, wait },
        };
        let mut would_refuse = Vec::new();
        let mut at = 0;
        for of_one in charges.dry.chunk_by(|a, b| a.limit.name == b.limit.name) {
            match self.take_all(of_one, now) {
                Ok(more) => keys.extend(more),
                Err((charge, _)) => would_refuse.push(at + charge),
            }
            at += of_one.len();
        }
        self.held.insert(lease.to_owned(), keys);
        Answer::Taken {
            leases: Vec::new(),
            would_refuse,
        }
    }

    fn take_all(
        &mut self,
        charges: &[Charge<'_>],
        now: Now,
    ) -> Result<Vec<String>, (usize, Duration)> {
        let mut next = Vec::new();
        let mut lacking: Option<(usize, Duration)> = None;
        for (nth, charge) in charges.iter().enumerate() {
            let key = format!("{:?}", charge.subject);
            let state = self.kept.get(&key).copied().unwrap_or(0);
            match charge.allowance.charge(state, now) {
                Ok(state) => next.push((key, state, charge.allowance.kind())),
                Err(spent) if lacking.is_none_or(|(_, wait)| spent.wait > wait) => {
                    lacking = Some((nth, spent.wait));
                }
                Err(_) => {}
            }
        }
        if let Some(lacking) = lacking {
            return Err(lacking);
        }
        let mut held = Vec::new();
        for (key, state, kind) in next {
            if kind == Kind::Concurrent {
                held.push(key.clone());
            }
            self.kept.insert(key, state);
        }
        Ok(held)
    }

    fn give_back(&mut self, lease: &str) {
        for key in self.held.remove(lease).unwrap_or_default() {
            let state = self.kept.entry(key).or_default();
            *state = Allowance::Concurrent(1).give_back(*state);
        }
    }
}

/// Limits of all kinds, and what calls under them are like.
fn limits() -> impl Strategy<Value = String> {
    let rate = prop_oneof![
        Just("7/s".to_owned()),
        (1..50_u32, 1..40_u32).prop_map(|(c, s)| format!("{c}/{s}s")),
        (1..=1_000_000_u32).prop_map(|c| format!("{c}/min")),
    ];
    let one = (
        proptest::option::of((rate, proptest::option::of(1..20_u32))),
        proptest::option::of(1..6_u32),
        proptest::option::of(1..4_u32),
        any::<bool>(),
        prop_oneof![
            Just("[client]"),
            Just("[tool]"),
            Just("[]"),
            Just("[client, tool]")
        ],
    );
    proptest::collection::vec(one, 1..4).prop_map(|all| {
        let mut text = String::from("limits:\n");
        for (nth, (rate, daily, concurrency, dry, per)) in all.into_iter().enumerate() {
            text += &format!("  l{nth}: {{per: {per}, dry_run: {dry}");
            match rate {
                Some((rate, Some(burst))) => text += &format!(", rate: {rate}, burst: {burst}"),
                Some((rate, None)) => text += &format!(", rate: {rate}"),
                None if daily.is_none() && concurrency.is_none() => text += ", daily: 3",
                None => {}
            }
            text += &daily.map_or_else(String::new, |d| format!(", daily: {d}"));
            text += &concurrency.map_or_else(String::new, |c| format!(", concurrency: {c}"));
            text += "}\n";
        }
        text + "servers: {a: {command: x}}\n"
    })
}

/// A client, a tool, how long after the one before (before it, when the clock is set back), and which of the calls
/// that are on ends first.
fn calls() -> impl Strategy<Value = Vec<(u32, bool, i64, Option<prop::sample::Index>)>> {
    let gap = prop_oneof![
        3 => Just(0_i64),
        3 => 0..2_000_000_i64,
        1 => 0..40_000_000_i64,
        1 => -20_000_000..0_i64,
        1 => Just(50_000_000_000_i64),
    ];
    let ended = proptest::option::of(any::<prop::sample::Index>());
    proptest::collection::vec((0..2_u32, any::<bool>(), gap, ended), 1..60)
}

/// Some day, a few seconds before midnight.
const BEGIN_US: u64 = (20_000 * 86_400 - 9) * 1_000_000;

#[test]
fn the_script_decides_as_the_pure_function_does() {
    let redis = Redis::start();
    let mut config = ProptestConfig::with_cases(60);
    config.failure_persistence = None;
    proptest!(config, |(text in limits(), calls in calls())| {
        let mut redis = redis.client();
        redis.ask(&["FLUSHALL"]);
        let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap();
        let limits = Limits::new(&plan);
        let mut model = Model::default();
        let mut now_us = BEGIN_US;
        let mut on: Vec<(String, Vec<Box<str>>)> = Vec::new();
        for (nth, (client, is_search, gap, ended)) in calls.iter().enumerate() {
            now_us = now_us.saturating_add_signed(*gap);
            if let Some(ended) = ended.filter(|_| !on.is_empty()) {
                let (lease, keys) = on.remove(ended.index(on.len()));
                end(&mut redis, &mut model, &lease, &keys);
            }
            let asked = Asked {
                client: ClientId::V4(*client),
                server: "a",
                method: "tools/call",
                tool: Some(if *is_search { "search" } else { "echo" }),
                is_stream: false,
            };
            let charges = limits.decide(&asked);
            let now = Now { ns: now_us * 1_000, unix_s: now_us / 1_000_000 };
            let lease = format!("call-{nth}");
            let want = model.take(&charges, &lease, now);
            match (ask(&mut redis, &charges, &lease, now_us), want) {
                (Answer::Taken { leases, would_refuse: got }, Answer::Taken { would_refuse, .. }) => {
                    prop_assert_eq!(got, would_refuse);
                    prop_assert_eq!(leases.len(), model.held[&lease].len());
                    on.push((lease, leases));
                }
                (got, want) => prop_assert_eq!(got, want),
            }
        }
    });
}

fn end(redis: &mut Client, model: &mut Model, lease: &str, keys: &[Box<str>]) {
    for key in keys {
        redis.ask(&["ZREM", key, lease]);
    }
    model.give_back(lease);
}
