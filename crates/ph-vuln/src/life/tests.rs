//! Cases in every state, and their clock in virtual time.
use super::book::Book;
use super::case::{Case, HISTORY_MAX, Order, Refusal};
use super::deadline::Deadlines;
use super::event::{Move, Sight, after_move, after_sight, moves_from};
use super::look::Look;
use super::state::State;
use crate::Finding;
use crate::severity::{Severity, SeverityFrom};
use ph_inventory::{Component, Ecosystem};
use proptest::prelude::*;
use std::collections::BTreeSet;

mod scans;

const DAY: u64 = 24 * 3600;

pub(crate) fn finding(id: &str, version: &str, score: f64) -> Finding {
    Finding {
        id: id.to_owned(),
        aliases: Vec::new(),
        summary: "Prototype pollution".to_owned(),
        component: Component {
            version: Some(version.to_owned()),
            path: "node_modules/lodash".to_owned(),
            file: "package-lock.json".to_owned(),
            ..Component::new(Ecosystem::Npm, "lodash")
        },
        severity: Severity {
            score,
            from: SeverityFrom::Cvss,
        },
        fixed_in: vec!["4.17.21".to_owned()],
        is_exploited: false,
        epss: None,
        is_malicious: false,
        unknown: None,
        references: Vec::new(),
        symbols: Vec::new(),
        cwes: Vec::new(),
        informational: None,
    }
}

pub(crate) fn look(findings: Vec<Finding>, versions: &[&str]) -> Look {
    let versions: BTreeSet<_> = versions.iter().map(|&version| version.to_owned()).collect();
    Look {
        subject: "files".to_owned(),
        artefact: "node_modules of files".to_owned(),
        is_running: true,
        findings,
        components: [("npm/lodash".to_owned(), versions)].into(),
        ..Look::default()
    }
}

fn order(what: Move) -> Order {
    Order {
        what,
        actor: "key:ann".to_owned(),
        reason: "since".to_owned(),
        evidence: None,
        until: (what == Move::Accept).then_some(10 * DAY),
        score: None,
        justification: None,
    }
}

/// A case in a state, at time 0, brought there by what leads there.
pub(crate) fn case_in(state: State) -> Case {
    let mut book = Book::default();
    book.observe(
        &look(vec![finding("GHSA-1", "4.17.4", 7.5)], &["4.17.4"]),
        0,
    );
    let way: &[Move] = match state {
        State::Detected | State::Deployed | State::Withdrawn => &[],
        State::Assessed => &[Move::Assess],
        State::Patching => &[Move::Assess, Move::Patch],
        State::Testing => &[Move::Assess, Move::Patch, Move::Test],
        State::Accepted => &[Move::Assess, Move::Accept],
        State::Monitoring => &[Move::Assess, Move::Accept, Move::Monitor],
        State::FalsePositive => &[Move::Dismiss],
    };
    for by in way {
        book.order(1, &order(*by), 0).unwrap();
    }
    match state {
        State::Deployed => book.observe(&look(vec![], &["4.17.21"]), 0),
        State::Withdrawn => book.observe(&look(vec![], &["4.17.4"]), 0),
        _ => 0,
    };
    let case = book.case(1).unwrap().clone();
    assert_eq!(case.state, state);
    case
}

#[test]
fn every_move_in_every_state_goes_where_the_table_says_or_is_refused_with_what_is_possible() {
    for state in State::ALL {
        for by in Move::ALL {
            let mut case = case_in(state);
            let before = case.clone();
            let went = case.order(&order(by), 5);
            let Some(to) = after_move(state, by) else {
                let refusal = went.unwrap_err();
                assert_eq!(refusal, Refusal::NotFromHere { state, what: by });
                let said = refusal.to_string();
                for (possible, _) in moves_from(state) {
                    assert!(said.contains(possible.word()), "{said}");
                }
                assert_eq!(case, before);
                continue;
            };
            went.unwrap();
            assert_eq!(case.state, to, "{state:?} {by:?}");
            let entry = case.history.last().unwrap();
            assert_eq!((entry.at, entry.from, entry.to), (5, state, to));
            assert_eq!((&*entry.actor, &*entry.reason), ("key:ann", "since"));
            assert_eq!(case.first_detected, 0);
            for bad in [" ", ""] {
                let mut order = order(by);
                order.reason = bad.to_owned();
                let mut case = before.clone();
                assert_eq!(case.order(&order, 5), Err(Refusal::NoReason));
                assert_eq!(case, before);
            }
        }
    }
}

#[test]
fn every_sight_in_every_state_goes_where_the_table_says() {
    for state in State::ALL {
        for what in Sight::ALL {
            let mut case = case_in(state);
            let entries = case.history.len();
            case.see(what, "as it is", 5);
            assert_eq!(case.state, after_sight(state, what), "{state:?} {what:?}");
            let is_told = case.state != state || what == Sight::Changed;
            assert_eq!(case.history.len() - entries, usize::from(is_told));
        }
    }
}

#[test]
fn nothing_is_accepted_without_a_day_or_for_ever_or_when_it_is_malicious() {
    for (until, refusal) in [
        (None, Refusal::NoExpiry),
        (Some(5), Refusal::Expiry),
        (Some(4), Refusal::Expiry),
        (Some(5 + 366 * DAY + 1), Refusal::Expiry),
    ] {
        let mut case = case_in(State::Assessed);
        let mut order = order(Move::Accept);
        order.until = until;
        assert_eq!(case.order(&order, 5), Err(refusal));
    }
    let mut case = case_in(State::Assessed);
    case.is_malicious = true;
    assert_eq!(case.order(&order(Move::Accept), 5), Err(Refusal::Malicious));
}

#[test]
fn an_acceptance_ends_on_its_day_also_when_nobody_is_there() {
    let mut book = Book::default();
    book.observe(
        &look(vec![finding("GHSA-1", "4.17.4", 7.5)], &["4.17.4"]),
        0,
    );
    book.order(1, &order(Move::Assess), 3600).unwrap();
    book.order(1, &order(Move::Accept), 2 * 3600).unwrap();
    let clock = |book: &Book, now| book.case(1).unwrap().clock(&Deadlines::default(), now);
    assert_eq!(clock(&book, 9 * DAY).used_s, 2 * 3600);
    assert!(!clock(&book, 9 * DAY).is_running);
    assert!(!book.pass_time(10 * DAY - 1));
    // The daemon was away for half an hour.
    assert!(book.pass_time(10 * DAY + 1800));
    let case = book.case(1).unwrap();
    assert_eq!((case.state, case.reopened), (State::Assessed, 1));
    assert_eq!(case.history.last().unwrap().actor, "clock");
    assert_eq!(clock(&book, 10 * DAY + 1800).used_s, 2 * 3600 + 1800);
    assert!(clock(&book, 10 * DAY + 1800).is_running);
}

#[test]
fn a_known_malicious_package_is_due_at_once() {
    let mut bad = finding("MAL-1", "1.0.16", 0.0);
    bad.is_malicious = true;
    let mut book = Book::default();
    book.observe(&look(vec![bad], &["1.0.16"]), 7);
    let clock = book.case(1).unwrap().clock(&Deadlines::default(), 7);
    assert!(clock.is_overdue());
    assert_eq!((clock.due_unix_s, clock.share()), (7, 1.0));
}

#[test]
fn what_gets_worse_is_due_earlier_from_the_old_beginning() {
    let deadlines = Deadlines::default();
    let mut case = case_in(State::Assessed);
    for (score, exploited, days) in [
        (2.0, false, 30),
        (4.0, false, 7),
        (6.9, false, 7),
        (7.0, false, 1),
        (9.9, false, 1),
        (2.0, true, 1),
    ] {
        (case.score, case.is_exploited) = (score, exploited);
        assert_eq!(case.clock(&deadlines, DAY).due_unix_s, days * DAY);
    }
    // What was fixed and comes back has the old beginning.
    let mut case = case_in(State::Deployed);
    case.see(Sight::Seen, "again", 40 * DAY);
    assert_eq!((case.state, case.reopened), (State::Patching, 1));
    assert!(case.clock(&deadlines, 40 * DAY).is_overdue());
}

#[derive(Clone, Debug)]
enum Step {
    Order(Move, u64),
    See(Sight),
    Score(f64),
    Exploited(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..Move::ALL.len(), 1..4000_u64).prop_map(|(at, long)| Step::Order(Move::ALL[at], long)),
        (0..Sight::ALL.len()).prop_map(|at| Step::See(Sight::ALL[at])),
        (0..=100_u32).prop_map(|score| Step::Score(f64::from(score) / 10.0)),
        any::<bool>().prop_map(Step::Exploited),
        (0..2000_u64).prop_map(Step::Wait),
        (0..2000_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Against a clock that is looked at in every minute.
    #[test]
    fn the_clock_is_what_looking_in_every_minute_gives(steps in prop::collection::vec(step(), 1..60)) {
        const MINUTE: u64 = 60;
        let deadlines = Deadlines::default();
        let mut case = case_in(State::Detected);
        let (mut now, mut stood) = (0_u64, 0_u64);
        let mut proven = false;
        for step in steps {
            let before = case.clone();
            match step {
                Step::Order(by, long) => {
                    let mut order = order(by);
                    order.until = (by == Move::Accept).then_some(now + long * MINUTE);
                    let _maybe = case.order(&order, now);
                }
                Step::See(what) => {
                    case.see(what, "seen", now);
                    proven = what == Sight::Cleared && before.state.is_open()
                        || proven && case.state == State::Deployed;
                }
                Step::Score(score) => case.score = score,
                Step::Exploited(is) => case.is_exploited = is,
                Step::Wait(minutes) => {
                    for _ in 0..minutes {
                        now += MINUTE;
                        // The minute that is over was accepted or not.
                        stood += MINUTE * u64::from(case.state.is_accepted());
                        case.pass_time(now);
                    }
                }
            }
            let clock = case.clock(&deadlines, now);
            prop_assert_eq!(case.first_detected, 0);
            if case.state.is_open() {
                prop_assert_eq!(clock.used_s, now - stood);
                prop_assert_eq!(clock.due_unix_s, stood + clock.allowed_s);
            }
            prop_assert_eq!(clock.is_overdue(), case.state.is_on_the_clock() && now >= clock.due_unix_s);
            prop_assert_eq!(case.accepted_until.is_some(), case.state.is_accepted());
            prop_assert!(case.accepted_until.is_none_or(|until| until > now));
            prop_assert!(case.state != State::Deployed || proven);
            prop_assert!(case.history.len() <= HISTORY_MAX);
            let spent: u64 = case.spent(now).values().sum();
            prop_assert_eq!(spent, now);
            // Worse is never later, better never earlier.
            let (was, is) = (before.clock(&deadlines, now), clock);
            if case.score >= before.score && case.is_exploited >= before.is_exploited && case.assessed_score.is_none() && before.state == case.state {
                prop_assert!(is.due_unix_s <= was.due_unix_s);
            }
            let kept = serde_json::to_string(&case).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Case>(&kept).unwrap(), &case);
        }
    }
}
