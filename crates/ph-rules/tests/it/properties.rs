//! What holds for any text and any series.

use std::collections::BTreeSet;

use ph_promql::{Labels, Sample, is_stale};
use ph_rules::template::Scope;
use ph_rules::unit::Memory;
use ph_rules::{GroupRun, RuleFile, Settings, Template, Tick, file};
use proptest::prelude::*;

const STEP_MS: i64 = 15_000;

fn read(hold: u8, keep: u8) -> RuleFile {
    let text = format!(
        "groups:
- name: g
  limit: 3
  rules:
  - {{record: doubled, expr: m * 2}}
  - {{alert: A, expr: doubled > 2, for: {}s, keep_firing_for: {}s, labels: {{v: '{{{{ $value }}}}'}}}}
  - {{alert: B, expr: 'count(ALERTS{{alertstate=\"firing\"}}) > 0', for: 15s}}
",
        u32::from(hold) * 15,
        u32::from(keep) * 15
    );
    file::read("r.yml", &text).unwrap_or_else(|found| panic!("{found:?}"))
}

fn series(nth: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("i", nth.to_string())])
}

/// The ticks of a group; before each tick that `split` names it is carried over as by a reload.
fn ticks(rules: &RuleFile, columns: &[Vec<Option<u8>>], split: &[bool]) -> Vec<Tick> {
    let new = || GroupRun::new(&rules.groups[0], "r.yml", &Settings::default());
    let (mut run, mut memory) = (new(), Memory::default());
    let mut ticks = Vec::new();
    for (nth, column) in columns.iter().enumerate() {
        let at_ms = (i64::try_from(nth).expect("small") + 1) * STEP_MS;
        for (series_nth, value) in column.iter().enumerate() {
            if let Some(v) = value {
                let v = f64::from(*v);
                memory.add(&series(series_nth), Sample { t_ms: at_ms, v });
            }
        }
        if split.get(nth) == Some(&true) {
            let old = std::mem::replace(&mut run, new());
            run.adopt(old);
        }
        ticks.push(run.tick(at_ms, &mut memory));
    }
    ticks
}

fn values() -> impl Strategy<Value = Vec<Vec<Option<u8>>>> {
    let one = prop_oneof![Just(None), (0_u8..4).prop_map(Some)];
    prop::collection::vec(prop::collection::vec(one, 3), 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_rules_or_problems(text in "(\\PC|\n|[{}$.|\"' :-]){0,200}") {
        if let Err(found) = file::read("r.yml", &text) {
            for problem in found {
                prop_assert!(text.get(problem.at.clone()).is_some());
            }
        }
    }

    #[test]
    fn any_text_is_a_template_or_an_error_with_its_place(
        text in "(\\{\\{-? |[ -]?\\}\\}|\\$labels|\\$value|\\.[iL]|\"%[a-z0-9.]*\"|[|()a-z:=0-9 ]|printf |if |else|end|humanize |with |\\PC){0,24}",
        value in any::<f64>(),
    ) {
        let (labels, none) = (Labels::from_pairs([("i", "1.5")]), Labels::default());
        let scope = Scope { labels: &labels, value, external_labels: &none, external_url: "" };
        match Template::parse(&text) {
            Ok(template) => {
                prop_assert_eq!(template.expand(&scope), template.expand(&scope));
            }
            Err(error) => prop_assert!(text.get(error.at.clone()).is_some(), "{:?}", error),
        }
    }

    #[test]
    fn a_reload_between_any_two_ticks_changes_nothing(
        columns in values(),
        split in prop::collection::vec(any::<bool>(), 25),
        hold in 0_u8..4,
        keep in 0_u8..3,
    ) {
        let rules = read(hold, keep);
        let plain = ticks(&rules, &columns, &[]);
        // Once more, and the same: nothing but the inputs decides.
        prop_assert_eq!(format!("{plain:?}"), format!("{:?}", ticks(&rules, &columns, &[])));
        prop_assert_eq!(format!("{plain:?}"), format!("{:?}", ticks(&rules, &columns, &split)));
    }

    /// Every series that is written begins, goes on and ends with a marker: none is left open.
    #[test]
    fn what_is_no_longer_written_was_ended(columns in values(), hold in 0_u8..4, keep in 0_u8..3) {
        let mut open: BTreeSet<Labels> = BTreeSet::new();
        for tick in ticks(&read(hold, keep), &columns, &[]) {
            let (ended, written): (Vec<_>, Vec<_>) =
                tick.samples.into_iter().partition(|(_, v)| is_stale(*v));
            let written: BTreeSet<Labels> = written.into_iter().map(|(labels, _)| labels).collect();
            let ended: BTreeSet<Labels> = ended.into_iter().map(|(labels, _)| labels).collect();
            prop_assert!(ended.is_subset(&open), "ended and not open: {:?}", ended.difference(&open));
            prop_assert!(written.is_disjoint(&ended));
            if tick.failures.is_empty() {
                let left: BTreeSet<Labels> = open.difference(&ended).cloned().collect();
                prop_assert!(left.is_subset(&written), "left open: {:?}", left.difference(&written));
            }
            open = open.difference(&ended).cloned().chain(written).collect();
        }
    }
}
