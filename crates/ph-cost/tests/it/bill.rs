//! The published example from its inputs, and that rows sum to totals whatever is billed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ph_cost::bill::{BadBill, Bill, Measure, Row, Saves, html, markdown, settle};
use ph_cost::price::{Money, Prices};
use proptest::prelude::*;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn example() -> Bill {
    let text = fs::read_to_string(golden("example.json")).expect("a golden file");
    serde_json::from_str(&text).expect("a bill")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the tests, not of the product"
)]
fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

#[track_caller]
fn check(name: &str, text: &str) {
    let path = golden(name);
    if is_blessing() {
        fs::write(&path, text).expect("a writable file");
    }
    assert_eq!(
        text,
        fs::read_to_string(&path).unwrap_or_default(),
        "{name}; if that is meant: BLESS=1"
    );
}

fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

#[test]
fn the_published_example_comes_out_of_its_inputs_with_every_base_said() {
    let settled = settle(&example()).expect("a bill");
    assert_eq!(settled.total, money("880"));
    let saves: Vec<_> = settled.steps.iter().map(|step| step.saves).collect();
    assert_eq!(saves, [money("225"), money("90"), money("40")]);
    assert_eq!(settled.rest, money("525"));
    assert_eq!(settled.saved_permille_of_total, Some(403));
    // 90 is 20 % of the row as it was, 40 % of what right-sizing left of it, and 10.2 % of all.
    let second = &settled.steps[1];
    let bases = (
        second.permille_of_row,
        second.permille_of_rest,
        second.permille_of_total,
    );
    assert_eq!(bases, (Some(200), Some(400), Some(102)));
    assert_eq!(settled.rows[0].rest, money("135"));
    check("example.md", &markdown(&settled));
    check("example.html", &html(&settled));
    let json = serde_json::to_string_pretty(&settled).expect("json");
    check("example.settled.json", &format!("{json}\n"));
}

#[test]
fn the_order_is_part_of_the_answer() {
    let mut bill = example();
    bill.measures.swap(0, 1);
    let settled = settle(&bill);
    // From 5 to 3 of the whole row is 180; half of the row as it was no longer leaves what the example says.
    let settled = settled.expect("a bill");
    assert_eq!(settled.steps[0].saves, money("180"));
    assert_eq!(settled.rest, money("435"));
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Bill), want: &str) {
    let mut bill = example();
    change(&mut bill);
    let error = settle(&bill).expect_err(want);
    assert_eq!(error.to_string(), want);
}

#[test]
fn what_is_no_bill_is_refused() {
    refused(|bill| bill.rows.clear(), "the bill has no rows");
    refused(
        |bill| bill.rows[1].name = "pods".into(),
        "the row `pods` stands twice",
    );
    refused(
        |bill| bill.rows[0].amount = None,
        "the row `pods` needs either `amount` or `pods`",
    );
    refused(
        |bill| bill.rows[0].amount = Some(money("-1")),
        "`pods` is less than nothing",
    );
    refused(
        |bill| bill.rows[0].used_percent = Some(101),
        "the row `pods` is used to more than 100 percent",
    );
    refused(
        |bill| bill.prices.cpu_hour = money("-0.1"),
        "`cpu_hour` is less than nothing",
    );
    refused(
        |bill| bill.measures[0].row = "pots".into(),
        "`right-size requests` is about the row `pots`, which is not there",
    );
    refused(
        |bill| bill.measures[1].saves = Saves::Amount(money("226")),
        "`autoscale from 5 to 3 pods` saves 226.00 of `pods`, of which 225.00 is left",
    );
    refused(
        |bill| {
            bill.measures[1].saves = Saves::Count {
                from_milli: 3,
                to_milli: 5,
            }
        },
        "`autoscale from 5 to 3 pods` saves nothing: it goes from fewer to more, or from none",
    );
    for bad in [
        r#"{"rows": []}"#,
        r#"{"month":"a","currency":"b","rows":[{"name":"x","amount":1e-7}]}"#,
        r#"{"month":"a","currency":"b","rows":[{"name":"x","amount":"NaN"}]}"#,
    ] {
        assert!(serde_json::from_str::<Bill>(bad).is_err(), "{bad}");
    }
}

#[test]
fn texts_of_others_stay_texts() {
    let mut bill = example();
    bill.rows[0].name = "<b>|x".into();
    bill.measures.truncate(0);
    let settled = settle(&bill).expect("a bill");
    assert!(html(&settled).contains("&lt;b&gt;|x") && !html(&settled).contains("<b>"));
    assert!(markdown(&settled).contains("| <b>\\|x |"));
}

fn saves() -> impl Strategy<Value = Saves> {
    prop_oneof![
        (0..2_000_000_000_i64).prop_map(|micro| Saves::Amount(Money::from_micro(micro))),
        (0..=1000_u64).prop_map(Saves::PermilleOfRest),
        (0..=1000_u64).prop_map(Saves::PermilleOfRow),
        (0..9000_u64, 0..9000_u64).prop_map(|(from_milli, to_milli)| Saves::Count {
            from_milli,
            to_milli
        }),
    ]
}

proptest! {
    /// Rows sum to the total, what is saved and what remains make up what was there, and nothing is saved twice.
    #[test]
    fn rows_sum_to_totals(
        amounts in prop::collection::vec(0..5_000_000_000_i64, 1..8),
        measures in prop::collection::vec((0..8_usize, saves()), 0..8),
    ) {
        let row = |(nth, micro): (usize, &i64)| Row {
            name: nth.to_string(),
            amount: Some(Money::from_micro(*micro)),
            pods: None,
            used_percent: None,
        };
        let bill = Bill {
            month: "m".into(),
            currency: "c".into(),
            rows: amounts.iter().enumerate().map(row).collect(),
            measures: measures
                .iter()
                .map(|(row, saves)| Measure {
                    name: "x".into(),
                    row: (row % amounts.len()).to_string(),
                    saves: *saves,
                    needs_fewer_nodes: false,
                })
                .collect(),
            prices: Prices::default(),
            before: BTreeMap::new(),
            sla: None,
        };
        match settle(&bill) {
            Ok(settled) => {
                let micro = |all: &mut dyn Iterator<Item = Money>| all.map(Money::micro).sum::<i64>();
                prop_assert_eq!(micro(&mut settled.rows.iter().map(|row| row.amount)), amounts.iter().sum::<i64>());
                prop_assert_eq!(settled.total.micro(), amounts.iter().sum::<i64>());
                prop_assert_eq!(micro(&mut settled.rows.iter().map(|row| row.rest)), settled.rest.micro());
                prop_assert_eq!(micro(&mut settled.steps.iter().map(|step| step.saves)), settled.saved.micro());
                prop_assert_eq!(settled.rest + settled.saved, settled.total);
                prop_assert!(settled.rows.iter().all(|row| row.rest >= Money::ZERO && row.rest <= row.amount));
            }
            Err(error) => {
                let is_expected = matches!(error, BadBill::TooMuch { .. } | BadBill::NoSaving(_));
                prop_assert!(is_expected, "{}", error);
            }
        }
    }
}
