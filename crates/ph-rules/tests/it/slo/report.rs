//! The report of a month as people read it.

use super::counting::{NOW, Stored, labels};
use super::{golden, plan};
use ph_promql::{Sample, Series};
use ph_rules::slo::{Month, html, markdown, report};

const HOUR: i64 = 3_600_000;

/// Twenty days, in each hour so many; a gap of two days, a restart after it.
fn source() -> Stored {
    let of = |source: &str, result: &str, each: f64| Series {
        labels: labels("up", source, result),
        samples: (0..20 * 24 * 12)
            .filter(|nth| !(120..168).contains(&(nth / 12)))
            .map(|nth| {
                let since = if nth / 12 >= 168 { nth - 168 * 12 } else { nth };
                Sample {
                    t_ms: NOW - (20 * 24 * 12 - nth) * HOUR / 12,
                    v: since as f64 * each,
                }
            })
            .collect(),
    };
    Stored(vec![
        of("demand", "good", 5.0),
        of("demand", "bad", 0.01),
        of("probe", "good", 1.0),
        of("probe", "bad", 0.0),
    ])
}

#[test]
fn a_month_as_markdown_and_html() {
    let slos = plan(
        "slos: {up: {objective: availability, server: files}, quick: {objective: latency, tool: 'a|<b>*'}}",
    )
    .slos_in_force();
    let month = Month::parse("2026-11").unwrap();
    let report = report(&slos, &source(), month, NOW).unwrap();
    golden("report.md", &markdown(&report));
    golden("report.html", &html(&report));
    assert!(!report.is_complete);
}

#[test]
fn a_month_to_come_is_empty_and_no_success() {
    let slos = plan("").slos_in_force();
    let report = report(&slos, &source(), Month::parse("2027-01").unwrap(), NOW).unwrap();
    assert_eq!(report.slos.len(), 4);
    for row in &report.slos {
        assert_eq!(row.days, []);
        assert_eq!(row.month.verdict.as_str(), "insufficient data");
    }
    let none = ph_rules::slo::report(
        &plan("slos: {}").slos_in_force(),
        &source(),
        Month::of(NOW),
        NOW,
    );
    assert!(markdown(&none.unwrap()).contains("No objectives are configured."));
}
