//! The machine, step by step and against a simpler one.

mod model;

use super::*;
use crate::Alert;
use ph_promql::Labels;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

fn route(receiver: &str, matchers: &str, routes: Vec<Route>) -> Route {
    Route {
        matchers: Matchers::parse([matchers]).unwrap(),
        receiver: receiver.to_owned(),
        group_by: GroupBy::Names(vec!["alertname".to_owned()]),
        group_wait_ms: 30_000,
        group_interval_ms: 5 * MINUTE,
        repeat_interval_ms: 60 * MINUTE,
        goes_on: false,
        routes,
    }
}

fn settings(route: Route) -> Settings {
    Settings {
        route,
        receivers: [("r".to_owned(), true), ("quiet".to_owned(), false)].into(),
        inhibit: Vec::new(),
        resolve_timeout_ms: 5 * MINUTE,
        silence_retention_ms: 60 * MINUTE,
        bounds: Bounds::default(),
    }
}

fn machine(settings: Settings) -> Dispatcher {
    Dispatcher::restore(settings, [], 0)
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

fn alert(pairs: &[(&str, &str)], starts_at_ms: i64, ends_at_ms: i64) -> Incoming {
    Incoming::from(Alert {
        labels: labels(pairs),
        annotations: Labels::default(),
        starts_at_ms,
        ends_at_ms,
        resolved: false,
        generator_url: String::new(),
    })
}

const FAR: i64 = i64::MAX / 8;

/// What is told, as `receiver group: +firing -resolved`, and when.
fn told(all: &[Notification]) -> Vec<String> {
    let one = |notification: &Notification| {
        let alerts = notification.alerts.iter().map(|alert| {
            let sign = if alert.ends_at_ms.is_none() { '+' } else { '-' };
            let shown = alert.labels.filtered(|name| name != "alertname");
            format!(" {sign}{shown}")
        });
        let alerts: String = alerts.collect();
        format!(
            "{} {}:{alerts}",
            notification.receiver, notification.group_labels
        )
    };
    all.iter().map(one).collect()
}

/// Lets the machine run until a time.
fn run(machine: &mut Dispatcher, until_ms: i64) -> Vec<Notification> {
    let mut all = Vec::new();
    while machine.next_due() <= until_ms {
        all.extend(machine.due(machine.next_due()));
    }
    all
}

#[test]
fn a_group_waits_then_changes_then_repeats() {
    let mut machine = machine(settings(route("r", "", vec![])));
    machine.offer([alert(&[("alertname", "A"), ("x", "1")], 0, FAR)], 0);
    assert!(run(&mut machine, 29_999).is_empty());
    machine.offer(
        [alert(&[("alertname", "A"), ("x", "2")], 20_000, FAR)],
        20_000,
    );
    let got = run(&mut machine, 30_000);
    assert_eq!(told(&got), [r#"r {alertname="A"}: +{x="1"} +{x="2"}"#]);
    assert_eq!(got[0].group_key, r#"{}:{alertname="A"}"#);
    assert!(run(&mut machine, 20 * MINUTE).is_empty(), "nothing changed");
    machine.offer(
        [alert(&[("alertname", "A"), ("x", "1")], 0, 21 * MINUTE)],
        21 * MINUTE,
    );
    let got = run(&mut machine, 40 * MINUTE);
    assert_eq!(told(&got), [r#"r {alertname="A"}: -{x="1"} +{x="2"}"#]);
    assert!(run(&mut machine, 85 * MINUTE).is_empty());
    let got = run(&mut machine, 91 * MINUTE);
    assert_eq!(told(&got), [r#"r {alertname="A"}: +{x="2"}"#]);
    assert!(got[0].is_repeat);
}

#[test]
fn who_does_not_want_to_hear_of_ends_does_not() {
    let mut machine = machine(settings(route("quiet", "", vec![])));
    let one = |ends| alert(&[("alertname", "A"), ("x", "1")], 0, ends);
    machine.offer([one(FAR)], 0);
    assert_eq!(run(&mut machine, MINUTE).len(), 1);
    machine.offer([one(2 * MINUTE)], 2 * MINUTE);
    assert!(run(&mut machine, 10 * MINUTE).is_empty());
    machine.offer([one(FAR)], 11 * MINUTE);
    assert_eq!(
        run(&mut machine, 12 * MINUTE).len(),
        1,
        "that it is over was known"
    );
}

#[test]
fn an_alert_that_is_not_heard_of_is_over() {
    let mut machine = machine(settings(route("r", "", vec![])));
    let posted = Posted {
        labels: vec![("alertname".to_owned(), "A".to_owned())],
        ..Posted::default()
    };
    machine.offer([posted.checked(0, 5 * MINUTE).unwrap()], 0);
    assert_eq!(
        told(&run(&mut machine, MINUTE)),
        [r#"r {alertname="A"}: +{}"#]
    );
    assert_eq!(machine.alerts(MINUTE).len(), 1);
    assert_eq!(
        told(&run(&mut machine, 6 * MINUTE)),
        [r#"r {alertname="A"}: -{}"#]
    );
    assert!(machine.alerts(6 * MINUTE).is_empty());
}

#[test]
fn silences_hold_from_their_beginning_to_their_end() {
    let mut machine = machine(settings(route("r", "", vec![])));
    let draft = |starts_at_ms, ends_at_ms| SilenceDraft {
        matchers: vec![MatcherRow {
            name: "x".to_owned(),
            value: "1|2".to_owned(),
            is_regex: true,
            is_equal: true,
        }],
        starts_at_ms,
        ends_at_ms,
        ..SilenceDraft::default()
    };
    let id = machine.set_silence(draft(0, 7 * MINUTE), "one", 0).unwrap();
    assert_eq!(id, "one");
    let both = [("alertname", "A"), ("x", "1")];
    machine.offer(
        [
            alert(&both, 0, FAR),
            alert(&[("alertname", "A"), ("x", "3")], 0, FAR),
        ],
        0,
    );
    assert_eq!(
        told(&run(&mut machine, MINUTE)),
        [r#"r {alertname="A"}: +{x="3"}"#]
    );
    let views = machine.alerts(MINUTE);
    let quiet: Vec<_> = views.iter().filter(|view| view.is_suppressed()).collect();
    assert_eq!(
        (quiet.len(), &quiet[0].silenced_by),
        (1, &vec!["one".to_owned()])
    );
    assert_eq!(
        told(&run(&mut machine, 11 * MINUTE)),
        [r#"r {alertname="A"}: +{x="1"} +{x="3"}"#]
    );
    // Other times keep the id, other matchers do not; what is over cannot be ended.
    let now = 12 * MINUTE;
    let pending = machine
        .set_silence(draft(20 * MINUTE, 30 * MINUTE), "two", now)
        .unwrap();
    let change = |id: &str, draft: SilenceDraft| SilenceDraft {
        id: Some(id.to_owned()),
        ..draft
    };
    let later = change(&pending, draft(25 * MINUTE, 40 * MINUTE));
    assert_eq!(machine.set_silence(later, "three", now).unwrap(), "two");
    let mut other = change(&pending, draft(25 * MINUTE, 40 * MINUTE));
    other.matchers[0].value = "9".to_owned();
    assert_eq!(machine.set_silence(other, "four", now).unwrap(), "four");
    let states = |machine: &Dispatcher, now| {
        let silences = machine.silences(now).into_iter();
        silences
            .map(|s| format!("{} {}", s.id, s.state.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        states(&machine, now),
        ["four pending", "two expired", "one expired"]
    );
    assert_eq!(
        machine.expire_silence("two", now),
        Err(SilenceError::Expired("two".to_owned()))
    );
    assert_eq!(
        machine.expire_silence("none", now),
        Err(SilenceError::NotFound)
    );
    assert_eq!(
        machine.set_silence(change("none", draft(now, FAR)), "x", now),
        Err(SilenceError::NotFound)
    );
    machine.expire_silence("four", now).unwrap();
    run(&mut machine, now + 2 * 60 * MINUTE);
    assert!(
        machine.silences(now + 2 * 60 * MINUTE).is_empty(),
        "forgotten with time"
    );
}

#[test]
fn silences_that_mean_nothing_or_everything_are_refused() {
    let mut machine = machine(settings(route("r", "", vec![])));
    let mut set = |value: &str, is_equal, starts_at_ms, ends_at_ms| {
        let matchers = vec![MatcherRow {
            name: "x".to_owned(),
            value: value.to_owned(),
            is_regex: true,
            is_equal,
        }];
        let draft = SilenceDraft {
            matchers,
            starts_at_ms,
            ends_at_ms,
            ..SilenceDraft::default()
        };
        machine.set_silence(draft, "id", 100).is_ok()
    };
    assert!(set("a", true, 0, 200));
    assert!(!set("a*", true, 0, 200), "what is absent is silenced, too");
    assert!(!set("a", false, 0, 200));
    assert!(!set("(", true, 0, 200));
    assert!(!set("a", true, 200, 200));
    assert!(!set("a", true, 0, 99));
}

#[test]
fn one_alert_keeps_another_quiet_but_not_each_the_other() {
    let mut with = settings(route("r", "", vec![]));
    with.inhibit = vec![Inhibit {
        source: Matchers::parse(["severity=~critical|both"]).unwrap(),
        target: Matchers::parse(["severity=~warning|both"]).unwrap(),
        equal: vec!["server".to_owned()],
    }];
    let mut machine = machine(with);
    let one = |severity, server| {
        alert(
            &[
                ("alertname", severity),
                ("server", server),
                ("severity", severity),
            ],
            0,
            FAR,
        )
    };
    machine.offer(
        [
            one("critical", "a"),
            one("warning", "a"),
            one("warning", "b"),
            one("both", "c"),
        ],
        0,
    );
    let quiet = |machine: &Dispatcher| {
        let views = machine
            .alerts(1)
            .into_iter()
            .filter(|view| view.is_suppressed());
        views
            .map(|view| view.labels.to_string())
            .collect::<Vec<_>>()
    };
    let warning_a = r#"{alertname="warning", server="a", severity="warning"}"#;
    assert_eq!(quiet(&machine), [warning_a]);
    let source = fingerprint(&labels(&[
        ("alertname", "critical"),
        ("server", "a"),
        ("severity", "critical"),
    ]));
    let view = machine
        .alerts(1)
        .into_iter()
        .find(AlertView::is_suppressed)
        .unwrap();
    assert_eq!(view.inhibited_by, [source]);
    assert_eq!(machine.count_alerts(1), (3, 1));
    let got = told(&run(&mut machine, MINUTE));
    assert_eq!(got.len(), 3, "{got:?}");
    assert!(
        !got.iter()
            .any(|text| text.contains("warning") && text.contains(r#"server="a""#))
    );
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let mut with = settings(route("r", "", vec![]));
    with.bounds = Bounds {
        alerts: 3,
        groups: 2,
        silences: 1,
        log: 1,
    };
    let mut machine = machine(with);
    let one = |name| alert(&[("alertname", name)], 0, FAR);
    machine.offer([one("a"), one("b"), one("c"), one("d")], 0);
    let dropped = machine.dropped();
    assert_eq!((dropped.alerts, dropped.groups), (1, 1));
    assert_eq!(run(&mut machine, MINUTE).len(), 2);
    assert_eq!(machine.dropped().log, 1);
}

#[test]
fn fingerprints_are_those_of_alertmanager() {
    // From a capture of Alertmanager 0.25.
    for (pairs, want) in [
        (
            &[("alertname", "Simple"), ("job", "z"), ("server", "one")][..],
            0x540f_d2a7_ad24_709e_u64,
        ),
        (
            &[("alertname", "Simple"), ("server", "one")],
            0x1c0e_2eb4_4885_72f7,
        ),
        (&[], 0xcbf2_9ce4_8422_2325),
    ] {
        assert_eq!(fingerprint(&labels(pairs)), want, "{pairs:?}");
    }
}

#[test]
fn what_fired_fires_on_across_a_restart_until_rules_could_say_so() {
    let with = settings(route("r", "", vec![]));
    let mut before = machine(with.clone());
    before.offer([alert(&[("alertname", "A")], 0, 4 * MINUTE)], 0);
    assert_eq!(run(&mut before, MINUTE).len(), 1);
    let rows = before
        .take_changes()
        .into_iter()
        .filter_map(|change| change.row);
    let now = 60 * MINUTE;
    let mut after = Dispatcher::restore(with, rows, now);
    assert!(
        run(&mut after, now + 3 * MINUTE)
            .iter()
            .all(|n| n.is_repeat)
    );
    assert_eq!(after.alerts(now + 3 * MINUTE).len(), 1);
    // Four minutes, which is how long it was to hold, and a group's interval.
    let got = run(&mut after, now + 9 * MINUTE);
    assert_eq!(told(&got), [r#"r {alertname="A"}: -{}"#]);
}

/// One step of a random life.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// An alert fires, until then unless it is said again.
    Fire {
        name: u8,
        one: u8,
        for_s: u16,
    },
    /// It is over.
    Resolve {
        name: u8,
        one: u8,
    },
    Wait {
        s: u16,
    },
    Silence {
        value: u8,
        for_s: u16,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..3, 0_u8..3, 1_u16..2_000).prop_map(|(name, one, for_s)| Step::Fire { name, one, for_s }),
        2 => (0_u8..3, 0_u8..3).prop_map(|(name, one)| Step::Resolve { name, one }),
        5 => (1_u16..600).prop_map(|s| Step::Wait { s }),
        1 => (0_u8..3, 1_u16..900).prop_map(|(value, for_s)| Step::Silence { value, for_s }),
    ]
}

/// Two levels, one route that goes on, an inhibition, a receiver that does not hear of ends.
pub(super) fn busy() -> Settings {
    let mut first = route("quiet", "one=~\"1|2\"", vec![]);
    first.goes_on = true;
    first.group_wait_ms = 0;
    first.repeat_interval_ms = 20 * MINUTE;
    let mut second = route("r", "name=\"1\"", vec![]);
    second.group_by = GroupBy::All;
    second.group_interval_ms = MINUTE;
    let mut with = settings(route("r", "", vec![first, second]));
    with.inhibit = vec![Inhibit {
        source: Matchers::parse(["one=0"]).unwrap(),
        target: Matchers::parse(["one=2"]).unwrap(),
        equal: vec!["alertname".to_owned()],
    }];
    with
}

fn of_step(step: &Step, now_ms: i64) -> Option<Incoming> {
    let (name, one, ends_at_ms) = match step {
        Step::Fire { name, one, for_s } => (name, one, now_ms + i64::from(*for_s) * 1000),
        Step::Resolve { name, one } => (name, one, now_ms),
        Step::Wait { .. } | Step::Silence { .. } => return None,
    };
    let (name, one) = (name.to_string(), one.to_string());
    let pairs = [("alertname", name.as_str()), ("name", &name), ("one", &one)];
    Some(alert(&pairs, now_ms - 5_000, ends_at_ms))
}

fn silence(value: u8, for_s: u16, now_ms: i64) -> SilenceDraft {
    SilenceDraft {
        matchers: vec![MatcherRow {
            name: "one".to_owned(),
            value: value.to_string(),
            is_regex: false,
            is_equal: true,
        }],
        starts_at_ms: now_ms,
        ends_at_ms: now_ms + i64::from(for_s) * 1000,
        ..SilenceDraft::default()
    }
}

proptest! {
    /// Whatever happens, both tell the same.
    #[test]
    fn it_tells_what_the_model_tells(steps in prop::collection::vec(step(), 1..50)) {
        let (mut machine, mut model) = (machine(busy()), model::Model::new(busy()));
        let mut now_ms = 0;
        for (at, step) in steps.iter().enumerate() {
            if let Some(incoming) = of_step(step, now_ms) {
                machine.offer([incoming.clone()], now_ms);
                model.offer(&incoming.alert, now_ms);
            }
            if let Step::Silence { value, for_s } = step {
                let draft = silence(*value, *for_s, now_ms);
                model.silence("one", &value.to_string(), now_ms, draft.ends_at_ms);
                machine.set_silence(draft, &format!("s{at}"), now_ms).unwrap();
            }
            let until_ms = match step {
                Step::Wait { s } => now_ms + i64::from(*s) * 1000,
                _ => now_ms,
            };
            let mut got: Vec<String> = told_at(&run(&mut machine, until_ms));
            let mut want = model.run(until_ms);
            got.sort();
            want.sort();
            prop_assert_eq!(got, want, "step {} at {}", at, now_ms);
            now_ms = until_ms;
        }
    }

    /// A machine that is put away and taken up again at any point tells what the other tells.
    #[test]
    fn a_restart_at_any_point_changes_nothing(
        steps in prop::collection::vec(step(), 1..50),
        restarts in prop::collection::vec(any::<bool>(), 50),
    ) {
        let (mut lasting, mut dying) = (machine(busy()), machine(busy()));
        let mut rows = std::collections::BTreeMap::new();
        let mut now_ms = 0;
        for ((at, step), dies) in steps.iter().enumerate().zip(restarts) {
            for machine in [&mut lasting, &mut dying] {
                if let Some(mut incoming) = of_step(step, now_ms) {
                    // What ends by itself soon may end later after a restart, on purpose.
                    if incoming.alert.ends_at_ms > now_ms {
                        incoming.alert.ends_at_ms = FAR;
                    }
                    machine.offer([incoming], now_ms);
                }
                if let Step::Silence { value, for_s } = step {
                    let draft = silence(*value, *for_s, now_ms);
                    machine.set_silence(draft, &format!("s{at}"), now_ms).unwrap();
                }
            }
            if let Step::Wait { s } = step {
                now_ms += i64::from(*s) * 1000;
            }
            let (got, want) = (run(&mut dying, now_ms), run(&mut lasting, now_ms));
            prop_assert_eq!(got, want, "step {} at {}", at, now_ms);
            for change in dying.take_changes() {
                match change.row {
                    Some(row) => rows.insert((change.room, change.key), row),
                    None => rows.remove(&(change.room, change.key)),
                };
            }
            if dies {
                dying = Dispatcher::restore(busy(), rows.values().cloned(), now_ms);
            }
        }
    }
}

/// What is told, and when.
fn told_at(all: &[Notification]) -> Vec<String> {
    let texts = told(all).into_iter().zip(all);
    texts
        .map(|(text, notification)| format!("{} {text}", notification.at_ms))
        .collect()
}
