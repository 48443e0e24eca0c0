//! Cases through one scan after the other.

use super::{finding, look};
use crate::Finding;
use crate::life::book::CASES_MAX;
use crate::life::{Book, Deadlines, Gap, Move, Order, State};
use std::collections::BTreeSet;

fn with_alias(mut of: Finding, aliases: &[&str]) -> Finding {
    of.aliases = aliases.iter().map(|&id| id.to_owned()).collect();
    of
}

fn decide(book: &mut Book, id: u64, what: Move, now: u64) {
    let order = Order {
        what,
        actor: "key:ann".to_owned(),
        reason: "since".to_owned(),
        evidence: None,
        until: (what == Move::Accept).then_some(now + 1000),
        score: None,
        justification: None,
    };
    book.order(id, &order, now).unwrap();
}

fn states(book: &Book) -> Vec<(u64, State)> {
    book.cases().map(|case| (case.id, case.state)).collect()
}

#[test]
fn a_case_goes_on_through_scans_and_versions_and_ends_when_it_is_gone_from_what_runs() {
    let mut book = Book::default();
    book.observe(
        &look(vec![finding("GHSA-1", "4.17.4", 7.5)], &["4.17.4"]),
        0,
    );
    book.observe(
        &look(vec![finding("GHSA-1", "4.17.10", 7.5)], &["4.17.10"]),
        50,
    );
    let case = book.case(1).unwrap();
    assert_eq!((case.first_detected, case.last_seen), (0, 50));
    assert_eq!(case.versions, BTreeSet::from(["4.17.10".to_owned()]));
    decide(&mut book, 1, Move::Assess, 60);
    decide(&mut book, 1, Move::Patch, 70);
    decide(&mut book, 1, Move::Test, 80);
    // A lockfile says what should run, not what does.
    let mut file = look(vec![], &["4.17.21"]);
    file.is_running = false;
    book.observe(&file, 90);
    assert_eq!(states(&book), [(1, State::Testing)]);
    book.observe(&look(vec![], &["4.17.21"]), 100);
    let case = book.case(1).unwrap();
    assert_eq!(case.state, State::Deployed);
    let proof = case.proof.clone().unwrap();
    assert_eq!((proof.at, &*proof.artefact), (100, "node_modules of files"));
    assert_eq!(proof.versions, BTreeSet::from(["4.17.21".to_owned()]));
    let tally = &book.head().remediated()["high"];
    assert_eq!((tally.sum_s, tally.buckets[0]), (100, 1));
    // The old version comes back: the old case goes on, with its old beginning.
    book.observe(
        &look(vec![finding("GHSA-1", "4.17.4", 7.5)], &["4.17.4"]),
        200,
    );
    let case = book.case(1).unwrap();
    assert_eq!((case.state, case.reopened), (State::Patching, 1));
    assert_eq!((case.first_detected, &case.proof), (0, &None));
    book.observe(&look(vec![], &[]), 230);
    assert_eq!(states(&book), [(1, State::Deployed)]);
    // 30 seconds since it came back.
    assert_eq!(book.head().remediated()["high"].sum_s, 130);
}

#[test]
fn what_a_scan_could_not_see_is_not_gone() {
    let base = || look(vec![], &["4.17.21"]);
    let mut stale = base();
    stale.gaps.insert(Gap::Stale);
    let mut failed = base();
    failed.gaps.insert(Gap::Failed);
    let mut blind = base();
    blind.gaps.insert(Gap::NotInventoried);
    let mut no_version = base();
    no_version.gaps.insert(Gap::Unchecked);
    no_version.unchecked.insert("npm/lodash".to_owned());
    let mut no_ecosystem = base();
    no_ecosystem.unchecked.insert("npm".to_owned());
    let mut unread = look(vec![], &[]);
    unread.gaps.insert(Gap::Unchecked);
    let mut not_restarted = base();
    let loaded = ("npm/lodash".to_owned(), "CVE-1".to_owned());
    not_restarted.loaded.insert(loaded);
    let mut overridden = base();
    let out = ("npm/lodash".to_owned(), "CVE-1".to_owned());
    overridden.overridden.insert(out);
    for silent in [
        stale,
        failed,
        blind,
        no_version,
        no_ecosystem,
        unread,
        not_restarted,
        overridden,
    ] {
        let mut book = Book::default();
        let found = with_alias(finding("GHSA-1", "4.17.4", 7.5), &["CVE-1"]);
        book.observe(&look(vec![found], &["4.17.4"]), 7);
        book.observe(&silent, 10);
        assert_eq!(states(&book), [(1, State::Detected)], "{silent:?}");
    }
    // That another package could not be judged is nothing to this one.
    let mut other = base();
    other.gaps.insert(Gap::Unchecked);
    other.unchecked.insert("npm/other".to_owned());
    let mut book = Book::default();
    book.observe(
        &look(vec![finding("GHSA-1", "4.17.4", 7.5)], &["4.17.4"]),
        0,
    );
    book.observe(&other, 10);
    assert_eq!(states(&book), [(1, State::Deployed)]);
    assert_eq!(book.head().scans()["files"].complete_at, Some(0));
}

#[test]
fn an_advisory_that_is_taken_back_or_changes_is_judged_again() {
    let mut book = Book::default();
    let found = |score| look(vec![finding("GHSA-1", "4.17.4", score)], &["4.17.4"]);
    book.observe(&found(5.0), 0);
    decide(&mut book, 1, Move::Assess, 10);
    decide(&mut book, 1, Move::Accept, 20);
    book.observe(&found(5.5), 25);
    assert_eq!(states(&book), [(1, State::Monitoring)]);
    book.observe(&found(9.8), 30);
    let case = book.case(1).unwrap();
    assert_eq!((case.state, case.reopened), (State::Detected, 1));
    let clock = case.clock(&Deadlines::default(), 30);
    assert_eq!((clock.allowed_s, clock.used_s), (24 * 3600, 20));
    assert!(
        case.history
            .iter()
            .any(|entry| entry.reason.contains("critical"))
    );
    // The same version, and no finding: the record was taken back, nothing was fixed.
    book.observe(&look(vec![], &["4.17.4"]), 40);
    assert_eq!(states(&book), [(1, State::Withdrawn)]);
    book.observe(&found(9.8), 50);
    assert_eq!(states(&book), [(1, State::Detected)]);
    assert_eq!(book.case(1).unwrap().first_detected, 0);
}

#[test]
fn aliases_that_turn_out_to_be_one_are_one_case_and_come_apart_again() {
    let mut book = Book::default();
    let a = || finding("GHSA-1", "4.17.4", 7.5);
    let b = || finding("CVE-2", "4.17.4", 7.5);
    book.observe(&look(vec![a()], &["4.17.4"]), 0);
    book.observe(&look(vec![a(), b()], &["4.17.4"]), 10);
    decide(&mut book, 1, Move::Assess, 15);
    decide(&mut book, 1, Move::Accept, 15);
    assert_eq!(states(&book), [(1, State::Accepted), (2, State::Detected)]);
    let one = || vec![with_alias(a(), &["CVE-2"]), with_alias(b(), &["GHSA-1"])];
    book.observe(&look(one(), &["4.17.4"]), 20);
    let case = book.case(1).unwrap();
    // Nobody has judged the other one, so the one is judged again.
    assert_eq!(states(&book), [(1, State::Detected)]);
    assert_eq!((&*case.advisory, case.first_detected), ("CVE-2", 0));
    for at in [30, 40, 50] {
        book.observe(&look(vec![a(), b()], &["4.17.4"]), at);
        assert_eq!(states(&book), [(1, State::Detected), (3, State::Detected)]);
    }
}

#[test]
fn two_copies_of_a_package_are_one_case_of_two_versions() {
    let mut book = Book::default();
    let both = vec![
        finding("GHSA-1", "4.17.4", 7.5),
        finding("GHSA-1", "3.0.0", 7.5),
    ];
    book.observe(&look(both, &["4.17.4", "3.0.0"]), 0);
    assert_eq!(book.case(1).unwrap().versions.len(), 2);
    // One of them is left.
    book.observe(&look(vec![finding("GHSA-1", "3.0.0", 7.5)], &["3.0.0"]), 10);
    assert_eq!(states(&book), [(1, State::Detected)]);
}

#[test]
fn what_is_open_does_not_give_way_and_what_has_no_room_is_counted() {
    let mut book = Book::default();
    let all = |from: usize, count: usize| -> Vec<Finding> {
        let ids = from..from + count;
        ids.map(|n| finding(&format!("GHSA-{n}"), "4.17.4", 7.5))
            .collect()
    };
    assert_eq!(book.observe(&look(all(0, CASES_MAX), &["4.17.4"]), 0), 0);
    let mut more = look(all(CASES_MAX, 2), &["4.17.4"]);
    more.subject = "other".to_owned();
    assert_eq!(book.observe(&more, 1), 2);
    assert_eq!(book.head().dropped(), 2);
    // The first server is patched: its cases give way.
    book.observe(&look(vec![], &["4.17.21"]), 2);
    assert_eq!(book.observe(&more, 3), 0);
    assert_eq!(book.cases().count(), CASES_MAX);
    let gone = book.unsaved().filter(|(_, case)| case.is_none()).count();
    assert_eq!(gone, 2);
}

#[test]
fn cases_of_a_server_that_is_no_more_are_withdrawn() {
    let mut book = Book::default();
    book.observe(
        &look(vec![finding("GHSA-1", "4.17.4", 7.5)], &["4.17.4"]),
        0,
    );
    let counts = book.counts(&Deadlines::default(), 24 * 3600);
    let of = |class| ("files".to_owned(), class);
    assert_eq!(counts.overdue[&of("high")], 1);
    assert_eq!(counts.overdue[&of("low")], 0);
    assert!((counts.share[&of("high")] - 1.0).abs() < 1e-9);
    book.keep_only(|server| server == "files", 5);
    assert_eq!(states(&book), [(1, State::Detected)]);
    book.keep_only(|_| false, 5);
    assert_eq!(states(&book), [(1, State::Withdrawn)]);
    assert!(book.counts(&Deadlines::default(), 9).overdue.is_empty());
}

#[test]
fn how_near_it_is_to_a_caller_is_the_nearest_that_the_last_scan_says_and_moves_nothing() {
    let mut book = Book::default();
    let exposed = crate::report::tests::exposed();
    let mut seen = look(
        vec![
            finding("GHSA-1", "4.17.4", 7.5),
            with_alias(finding("GHSA-2", "4.17.4", 7.5), &["GHSA-1"]),
        ],
        &["4.17.4"],
    );
    let of = |id: &str| ("npm/lodash".to_owned(), id.to_owned());
    let far = crate::Exposed::unknown("it is an image");
    seen.exposures.insert(of("GHSA-1"), far.clone());
    seen.exposures.insert(of("GHSA-2"), exposed.clone());
    book.observe(&seen, 0);
    assert_eq!(book.case(1).unwrap().exposure, Some(exposed));
    decide(&mut book, 1, Move::Assess, 5);
    seen.exposures.insert(of("GHSA-2"), far.clone());
    book.observe(&seen, 10);
    let case = book.case(1).unwrap();
    assert_eq!((case.state, &case.exposure), (State::Assessed, &Some(far)));
    // A case that was kept before there was any.
    let mut kept = serde_json::to_value(case).unwrap();
    kept.as_object_mut().unwrap().remove("exposure");
    let read: crate::life::Case = serde_json::from_value(kept).unwrap();
    assert_eq!(read.exposure, None);
}
