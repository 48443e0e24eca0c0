//! Whatever breaks, and whenever: nobody is left in the dark, and nobody is told twice without a reason.

use crate::desk::Desk;
use crate::keep::OUTBOX;
use crate::outbox::{Lane, Task, Way};
use crate::post::Outcome;
use crate::saved::Saved;
use crate::settings::Settings;
use crate::trial::{Memory, open, settings};
use ph_promql::Labels;
use ph_rules::Alert;
use ph_rules::dispatch::Incoming;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const NOTIFY: &str = "  receivers: {r: {webhook: {url: \"http://h/\"}}}\n  route: {group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}\n";

/// Which alert: its group, and which one of it.
type Name = (u8, u8);

#[derive(Clone, Debug)]
enum Step {
    /// Rules say that it fires, or is over.
    Say(Name, bool),
    /// The same, and the process dies before it is on disk.
    SayAndDie(Name, bool),
    Wait(u16),
    /// A notification is sent.
    Send(Fate),
    Die,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    /// The process dies before it knows.
    ArrivesAndDies,
    /// The answer is lost.
    ArrivesUnknown,
    IsLost,
}

fn step() -> impl Strategy<Value = Step> {
    let name = (0_u8..2, 0_u8..2);
    let fate = prop_oneof![
        4 => Just(Fate::Arrives),
        1 => Just(Fate::ArrivesAndDies),
        1 => Just(Fate::ArrivesUnknown),
        1 => Just(Fate::IsLost),
    ];
    prop_oneof![
        4 => (name.clone(), any::<bool>()).prop_map(|(name, fires)| Step::Say(name, fires)),
        1 => (name, any::<bool>()).prop_map(|(name, fires)| Step::SayAndDie(name, fires)),
        4 => (0_u16..4_000).prop_map(Step::Wait),
        4 => fate.prop_map(Step::Send),
        1 => Just(Step::Die),
    ]
}

struct World {
    settings: Arc<Settings>,
    memory: Memory,
    desk: Desk,
    now_ms: i64,
    /// What rules say: since when it fires, or when it was over.
    truth: BTreeMap<Name, (i64, Option<i64>)>,
    received: Vec<Saved>,
    /// How often a key may come.
    allowed: BTreeMap<String, usize>,
}

impl World {
    fn new() -> Self {
        let (settings, memory) = (settings(NOTIFY), Memory::default());
        let (desk, _) = open(&settings, &memory, 0);
        Self {
            settings,
            memory,
            desk,
            now_ms: 0,
            truth: BTreeMap::new(),
            received: Vec::new(),
            allowed: BTreeMap::new(),
        }
    }

    fn say(&mut self, name: Name, fires: bool) {
        let now_ms = self.now_ms;
        let (since_ms, over_ms) = self.truth.entry(name).or_insert((now_ms, Some(now_ms)));
        match (fires, &over_ms) {
            (true, Some(_)) => (*since_ms, *over_ms) = (now_ms, None),
            (false, None) => *over_ms = Some(now_ms),
            _ => {}
        }
        self.offer(name);
    }

    /// As rules do again and again.
    fn offer(&mut self, name: Name) {
        let Some((since_ms, over_ms)) = self.truth.get(&name) else {
            return;
        };
        let (group, one) = (name.0.to_string(), name.1.to_string());
        let alert = Alert {
            labels: Labels::from_pairs([("alertname", group), ("one", one)]),
            annotations: Labels::default(),
            starts_at_ms: *since_ms,
            ends_at_ms: over_ms.unwrap_or(self.now_ms + 3_600_000),
            resolved: over_ms.is_some(),
            generator_url: String::new(),
        };
        self.desk.offer([Incoming::from(alert)], self.now_ms);
    }

    fn round(&mut self) {
        self.desk.tick(self.now_ms);
        assert!(self.desk.save().is_none());
    }

    fn die(&mut self) {
        (self.desk, _) = open(&self.settings, &self.memory, self.now_ms);
    }

    /// False when there was nothing to send.
    fn send(&mut self, fate: Fate) -> bool {
        let lane = Lane {
            receiver: "r".to_owned(),
            way: Way::Webhook,
        };
        let Task::Send(id, saved) = self.desk.take(&lane, self.now_ms) else {
            return false;
        };
        let allowed = self.allowed.entry(saved.dedupe_key.clone()).or_insert(1);
        if !matches!(fate, Fate::IsLost) {
            self.received.push((*saved).clone());
        }
        match fate {
            Fate::Arrives => self.desk.done(&lane, id, &Outcome::Taken, self.now_ms),
            Fate::ArrivesAndDies => {
                *allowed += 1;
                self.die();
            }
            Fate::ArrivesUnknown => {
                *allowed += 1;
                self.desk
                    .done(&lane, id, &Outcome::Later(None, String::new()), self.now_ms);
            }
            Fate::IsLost => {
                self.desk
                    .done(&lane, id, &Outcome::Later(None, String::new()), self.now_ms);
            }
        }
        true
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Say(name, fires) => self.say(*name, *fires),
            Step::SayAndDie(name, fires) => {
                self.say(*name, *fires);
                self.desk.tick(self.now_ms);
                self.die();
            }
            Step::Wait(ms) => self.now_ms += i64::from(*ms),
            Step::Send(fate) => {
                self.send(*fate);
            }
            Step::Die => self.die(),
        }
        self.round();
    }

    /// Nothing breaks any more.
    fn settle(&mut self) {
        for _ in 0..200 {
            for name in self.truth.keys().copied().collect::<Vec<_>>() {
                self.offer(name);
            }
            self.round();
            while self.send(Fate::Arrives) {
                self.round();
            }
            self.now_ms += 1_000;
        }
    }

    /// What the receiver believes.
    fn believed(&self) -> BTreeMap<Name, bool> {
        let mut all = BTreeMap::new();
        for alert in self.received.iter().flat_map(|saved| &saved.alerts) {
            let digit = |name: &str| alert.labels[name].parse().unwrap();
            let name = (digit("alertname"), digit("one"));
            all.insert(name, alert.ends_at_ms.is_none());
        }
        all
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_is_lost_and_nothing_is_repeated_without_a_reason(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.settle();
        let believed = world.believed();
        for (name, (_, over_ms)) in &world.truth {
            let believed = believed.get(name).copied();
            match over_ms {
                None => prop_assert_eq!(believed, Some(true), "{:?} fires", name),
                Some(_) => prop_assert_ne!(believed, Some(true), "{:?} is over", name),
            }
        }
        let mut by_key: BTreeMap<&str, Vec<&Saved>> = BTreeMap::new();
        for saved in &world.received {
            by_key.entry(&saved.dedupe_key).or_default().push(saved);
        }
        for (key, all) in by_key {
            prop_assert!(all.len() <= world.allowed[key], "{} came {} times", key, all.len());
            prop_assert!(all.iter().all(|saved| *saved == all[0]), "one key, two texts");
        }
        prop_assert_eq!(world.memory.len(OUTBOX), 0);
    }
}

/// A sender that is woken by its own question would ask for ever.
#[test]
fn only_what_is_new_wakes_senders() {
    let mut world = World::new();
    assert!(world.desk.take_news(), "what an earlier process has left");
    world.say((0, 0), true);
    world.round();
    assert!(!world.desk.take_news());
    world.now_ms += 1_500;
    world.round();
    assert!(world.desk.take_news());
    assert!(world.send(Fate::IsLost));
    world.round();
    assert!(!world.send(Fate::Arrives), "not before its pause is over");
    world.now_ms += 5_000;
    assert!(world.send(Fate::Arrives));
    world.round();
    assert!(!world.send(Fate::Arrives));
    assert!(!world.desk.take_news());
}

#[test]
fn a_full_disk_holds_up_no_notification() {
    let mut world = World::new();
    world.memory.set_full(true);
    world.say((0, 0), true);
    assert!(world.desk.save().is_some(), "it is said once");
    assert!(world.desk.save().is_none());
    world.now_ms += 1_500;
    world.desk.tick(world.now_ms);
    world.desk.save();
    assert!(world.send(Fate::Arrives));
    world.desk.save();
    world.memory.set_full(false);
    world.round();
    world.die();
    world.settle();
    assert_eq!(world.received.len(), 1, "what was told is known after all");
}
