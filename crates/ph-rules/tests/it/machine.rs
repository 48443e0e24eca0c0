//! The states of alerts, tick by tick.

use ph_promql::{Labels, Sample, is_stale};
use ph_rules::group::AlertState;
use ph_rules::unit::Memory;
use ph_rules::{GroupRun, Settings, Tick, file};
use std::time::Duration;

const STEP_MS: i64 = 15_000;

/// A group over series in memory, which gets one sample of `m{i="a"}` per tick.
struct World {
    run: GroupRun,
    memory: Memory,
    at_ms: i64,
}

fn group(text: &str) -> ph_rules::Group {
    let read = file::read("r.yml", text).unwrap_or_else(|found| panic!("{found:?}"));
    read.groups.into_iter().next().expect("a group")
}

fn settings() -> Settings {
    Settings {
        external_labels: Labels::from_pairs([("site", "x"), ("i", "never")]),
        external_url: "http://here".to_owned(),
        ..Settings::default()
    }
}

fn m() -> Labels {
    Labels::from_pairs([("__name__", "m"), ("i", "a")])
}

impl World {
    fn new(text: &str) -> Self {
        Self {
            run: GroupRun::new(&group(text), "r.yml", &settings()),
            memory: Memory::default(),
            at_ms: 1_000_000_000_000,
        }
    }

    fn tick(&mut self, value: Option<f64>) -> Tick {
        self.at_ms += STEP_MS;
        if let Some(v) = value {
            let t_ms = self.at_ms;
            self.memory.add(&m(), Sample { t_ms, v });
        }
        self.run.tick(self.at_ms, &mut self.memory)
    }

    fn state(&self) -> AlertState {
        let status = self.run.status();
        status.rules[0].alerting.as_ref().expect("an alert").state
    }
}

/// What a tick wrote, without the name of the alert: `pending`, `firing`, `-pending` for a marker.
fn alerts(tick: &Tick) -> Vec<String> {
    let of_alerts = |(labels, v): &(Labels, f64)| {
        let state = labels.get("alertstate")?;
        let sign = if is_stale(*v) { "-" } else { "" };
        (labels.metric_name() == Some("ALERTS")).then(|| format!("{sign}{state}"))
    };
    tick.samples.iter().filter_map(of_alerts).collect()
}

const HELD: &str = "
groups:
  - name: g
    rules:
      - alert: High
        expr: m > 1
        for: 30s
        labels: {severity: 'p{{ $value }}'}
        annotations: {summary: '{{ $labels.i }} is {{ $value }}'}
";

#[test]
fn pending_then_firing_then_resolved() {
    let mut world = World::new(&HELD.replace("p{{ $value }}", "page"));
    let pending = world.tick(Some(2.0));
    assert_eq!(alerts(&pending), ["pending"]);
    assert_eq!(pending.alerts, []);
    let since = pending
        .samples
        .iter()
        .find(|(l, _)| l.metric_name() == Some("ALERTS_FOR_STATE"));
    assert_eq!(since.unwrap().1, 1_000_000_015.0);
    assert_eq!(alerts(&world.tick(Some(2.0))), ["pending"]);
    let firing = world.tick(Some(3.0));
    assert_eq!(alerts(&firing), ["firing", "-pending"]);
    let [alert] = firing.alerts.as_slice() else {
        panic!("{:?}", firing.alerts)
    };
    assert_eq!(
        alert.labels.to_string(),
        r#"{alertname="High", i="a", severity="page", site="x"}"#
    );
    assert_eq!(alert.annotations.get("summary"), Some("a is 3"));
    assert_eq!((alert.starts_at_ms, alert.resolved), (world.at_ms, false));
    assert_eq!(alert.ends_at_ms, world.at_ms + 240_000);
    assert_eq!(
        alert.generator_url,
        "http://here/graph?g0.expr=m+%3E+1&g0.tab=1"
    );
    let resolved = world.tick(Some(0.0));
    assert_eq!(alerts(&resolved), ["-firing"]);
    assert!(resolved.alerts[0].resolved);
    assert_eq!(resolved.alerts[0].ends_at_ms, world.at_ms);
    assert_eq!(resolved.alerts[0].starts_at_ms, world.at_ms - STEP_MS);
    assert_eq!(world.state(), AlertState::Inactive);
}

#[test]
fn pending_that_goes_away_says_nothing() {
    let mut world = World::new(&HELD.replace("p{{ $value }}", "page"));
    world.tick(Some(2.0));
    let gone = world.tick(Some(0.0));
    assert_eq!(
        (alerts(&gone), gone.alerts),
        (vec!["-pending".to_owned()], vec![])
    );
}

#[test]
fn a_firing_alert_is_said_again_and_a_resolved_one_for_a_while() {
    let mut world = World::new("groups: [{name: g, rules: [{alert: A, expr: m > 1}]}]");
    let sent: Vec<usize> = (0..12)
        .map(|_| world.tick(Some(2.0)).alerts.len())
        .collect();
    // Later than a minute after the last time: the next multiple of 15 s.
    assert_eq!(sent, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]);
    let resolved: Vec<usize> = (0..80)
        .map(|_| world.tick(Some(0.0)).alerts.len())
        .collect();
    assert_eq!(resolved.iter().sum::<usize>(), 13, "{resolved:?}");
    assert_eq!(resolved[0], 1);
    // After 15 minutes it is forgotten.
    assert_eq!(resolved[62..], [0; 18]);
}

#[test]
fn an_error_keeps_the_state() {
    let mut world =
        World::new("groups: [{name: g, rules: [{alert: A, expr: 'm * on() n > 1', for: 1m}]}]");
    let n = |i: &str| Labels::from_pairs([("__name__", "n"), ("i", i)]);
    let give = |world: &mut World, i: &str, t_ms: i64| {
        world.memory.add(&n(i), Sample { t_ms, v: 1.0 });
    };
    let t_ms = world.at_ms;
    give(&mut world, "a", t_ms + 1);
    assert_eq!(alerts(&world.tick(Some(2.0))), ["pending"]);
    give(&mut world, "b", t_ms + STEP_MS + 1);
    let failed = world.tick(Some(2.0));
    assert_eq!((failed.samples.len(), failed.failures.len()), (0, 1));
    assert_eq!(world.state(), AlertState::Pending);
    let status = world.run.status();
    assert_eq!(status.rules[0].health.as_str(), "err");
    assert!(
        status.rules[0]
            .last_error
            .as_ref()
            .unwrap()
            .contains("many"),
        "{status:?}"
    );
}

#[test]
fn the_same_labels_twice_are_an_error_and_nothing_is_sent() {
    let mut world =
        World::new("groups: [{name: g, rules: [{alert: A, expr: '{__name__=~\"m|n\"} > 1'}]}]");
    let n = Labels::from_pairs([("__name__", "n"), ("i", "a")]);
    let t_ms = world.at_ms + 1;
    world.memory.add(&n, Sample { t_ms, v: 5.0 });
    let tick = world.tick(Some(2.0));
    assert_eq!((tick.alerts.len(), tick.samples.len()), (0, 0));
    assert_eq!(
        tick.failures[0].error,
        "vector contains metrics with the same labelset after applying alert labels"
    );
}

#[test]
fn beyond_the_limit_all_alerts_of_the_rule_are_gone() {
    let mut world = World::new("groups: [{name: g, limit: 1, rules: [{alert: A, expr: m > 1}]}]");
    assert_eq!(world.tick(Some(2.0)).alerts.len(), 1);
    let other = Labels::from_pairs([("__name__", "m"), ("i", "b")]);
    let t_ms = world.at_ms + 1;
    world.memory.add(&other, Sample { t_ms, v: 5.0 });
    let tick = world.tick(Some(2.0));
    assert_eq!(tick.failures[0].error, "exceeded limit of 1 with 2 alerts");
    assert_eq!((tick.alerts.len(), tick.samples.len()), (0, 0));
    assert_eq!(world.state(), AlertState::Inactive);
}

#[test]
fn it_keeps_firing_for_a_while() {
    let mut world =
        World::new("groups: [{name: g, rules: [{alert: A, expr: m > 1, keep_firing_for: 30s}]}]");
    world.tick(Some(2.0));
    assert_eq!(alerts(&world.tick(Some(0.0))), ["firing"]);
    assert_eq!(alerts(&world.tick(Some(0.0))), ["firing"]);
    // A hit clears what was waited.
    assert_eq!(alerts(&world.tick(Some(2.0))), ["firing"]);
    assert_eq!(alerts(&world.tick(Some(0.0))), ["firing"]);
    assert_eq!(alerts(&world.tick(Some(0.0))), ["firing"]);
    let gone = world.tick(Some(0.0));
    assert_eq!(alerts(&gone), ["-firing"]);
    assert!(gone.alerts[0].resolved);
}

#[test]
fn later_rules_see_what_earlier_ones_wrote_in_the_same_tick() {
    let mut world = World::new(
        "groups: [{name: g, rules: [{record: 'a:b', expr: m * 2, labels: {x: y}}, {alert: A, expr: 'a:b > 3'}]}]",
    );
    let tick = world.tick(Some(2.0));
    assert_eq!(tick.samples[0].0.to_string(), r#"a:b{i="a", x="y"}"#);
    assert_eq!(tick.alerts.len(), 1);
    // No sample for six minutes: what was recorded ends at once.
    world.at_ms += 360_000;
    let tick = world.tick(None);
    let ended: Vec<_> = tick
        .samples
        .iter()
        .map(|(l, v)| (l.metric_name(), is_stale(*v)))
        .collect();
    let of = |name| (Some(name), true);
    assert_eq!(ended, [of("a:b"), of("ALERTS"), of("ALERTS_FOR_STATE")]);
}

#[test]
fn expressions_are_evaluated_earlier_where_the_group_says_so() {
    let mut world =
        World::new("groups: [{name: g, query_offset: 15s, rules: [{alert: A, expr: m > 1}]}]");
    let first = world.tick(Some(2.0));
    assert_eq!(
        (first.samples.len(), first.samples_at_ms),
        (0, world.at_ms - 15_000)
    );
    let second = world.tick(Some(0.0));
    assert_eq!(alerts(&second), ["firing"]);
    assert_eq!(second.alerts[0].starts_at_ms, world.at_ms);
}

#[test]
fn a_reload_keeps_alerts_and_ends_the_series_of_rules_that_are_gone() {
    let text = "groups: [{name: g, rules: [{alert: A, expr: m > 1}, {record: r, expr: m}]}]";
    let mut world = World::new(text);
    let began = world.tick(Some(2.0)).alerts[0].starts_at_ms;
    let adopt = |world: &mut World, text: &str| {
        let new = GroupRun::new(&group(text), "r.yml", &settings());
        let old = std::mem::replace(&mut world.run, new);
        world.run.adopt(old);
    };
    adopt(
        &mut world,
        "groups: [{name: g, rules: [{alert: A, expr: m > 1.5}]}]",
    );
    let tick = world.tick(Some(2.0));
    assert_eq!(alerts(&tick), ["firing"]);
    assert_eq!(tick.alerts, [], "it was sent before the reload");
    let ended = tick.samples.iter().filter(|(_, v)| is_stale(*v));
    assert_eq!(
        ended.map(|(l, _)| l.to_string()).collect::<Vec<_>>(),
        [r#"r{i="a"}"#]
    );
    // A longer `for`: pending again.
    adopt(
        &mut world,
        "groups: [{name: g, rules: [{alert: A, expr: m > 1, for: 1m}]}]",
    );
    assert_eq!(alerts(&world.tick(Some(2.0))), ["pending", "-firing"]);
    assert_eq!(alerts(&world.tick(Some(2.0))), ["pending"]);
    assert!(world.tick(Some(2.0)).alerts[0].starts_at_ms > began);
    let at_ms = world.at_ms + 1;
    let end = world.run.end(at_ms);
    assert_eq!((end.samples_at_ms, end.samples.len()), (at_ms, 2));
    assert!(end.samples.iter().all(|(_, v)| is_stale(*v)));
}

/// Ticks with a value, then nobody looks for a while, then a new group is restored and ticks.
fn restarted(hold: &str, ticks: usize, away_ms: i64, settings: &Settings) -> (World, Vec<String>) {
    let text = format!("groups: [{{name: g, rules: [{{alert: A, expr: m > 1, for: {hold}}}]}}]");
    let mut world = World::new(&text);
    for _ in 0..ticks {
        world.tick(Some(2.0));
    }
    world.at_ms += away_ms;
    world.run = GroupRun::new(&group(&text), "r.yml", settings);
    assert_eq!(world.run.restore(world.at_ms, &mut world.memory), []);
    let states = (0..6)
        .map(|_| alerts(&world.tick(Some(2.0))).join(" "))
        .collect();
    (world, states)
}

#[test]
fn what_fired_before_a_restart_fires_at_once() {
    let (_, states) = restarted("1m", 10, 120_000, &settings());
    assert_eq!(states[0], "firing");
}

#[test]
fn the_time_away_does_not_count_as_pending() {
    // 30 s of 60 s were over; 30 s are left, from the first tick on.
    let (_, states) = restarted("1m", 3, 600_000, &settings());
    assert_eq!(states[..3], ["pending", "pending", "firing -pending"]);
}

#[test]
fn after_too_long_an_outage_it_begins_anew() {
    let (_, states) = restarted("1m", 10, 3_700_000, &settings());
    assert_eq!(
        states[..5],
        [
            "pending",
            "pending",
            "pending",
            "pending",
            "firing -pending"
        ]
    );
}

#[test]
fn with_a_grace_period_it_fires_after_that() {
    let graceful = |grace: u64| Settings {
        for_grace_period: Duration::from_secs(grace),
        ..settings()
    };
    // 15 s are left, less than the 30 s of grace.
    let (_, states) = restarted("1m", 4, 60_000, &graceful(30));
    assert_eq!(states[..3], ["pending", "pending", "firing -pending"]);
    // A `for` shorter than the grace period is not restored.
    let (_, states) = restarted("1m", 10, 60_000, &graceful(90));
    assert_eq!(states[0], "pending");
}

#[test]
fn what_ended_before_a_restart_is_not_restored() {
    let text = "groups: [{name: g, rules: [{alert: A, expr: m > 1, for: 1m}]}]";
    let mut world = World::new(text);
    for _ in 0..6 {
        world.tick(Some(2.0));
    }
    world.tick(Some(0.0));
    world.at_ms += 30_000;
    world.run = GroupRun::new(&group(text), "r.yml", &settings());
    world.run.restore(world.at_ms, &mut world.memory);
    assert_eq!(alerts(&world.tick(Some(2.0))), ["pending"]);
}

#[test]
fn a_template_that_fails_says_so_and_the_alert_fires() {
    let mut world = World::new(
        "groups: [{name: g, rules: [{alert: A, expr: m > 1, annotations: {s: '{{ humanize $labels.i }}'}}]}]",
    );
    let tick = world.tick(Some(2.0));
    let said = tick.alerts[0].annotations.get("s").unwrap();
    assert!(said.starts_with("<error expanding template: "), "{said}");
}
