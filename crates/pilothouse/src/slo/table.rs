//! Service levels on a terminal.

use crate::ask::time_of_day;
use crate::terminal::{Look, Paint, clean, cut, pad};
use ph_rules::slo::words::{count, percent, rough};
use ph_rules::slo::{SloRow, Verdict};

/// Between columns.
const GAP: &str = "  ";

/// A row for each objective; why a verdict is what it is stands behind it.
pub(super) fn table(rows: &[SloRow], look: Look) -> String {
    let head = [
        "objective",
        "target",
        "now",
        "budget left",
        "burn 1h/6h/3d",
        "seen",
        "verdict",
    ];
    let mut lines = vec![(None, head.map(str::to_owned))];
    lines.extend(rows.iter().map(|row| (Some(row.verdict), cells(row))));
    let width = |nth: usize| {
        lines
            .iter()
            .map(|(_, cells)| cells[nth].chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..head.len()).map(|nth| width(nth).unwrap_or(0)).collect();
    let mut out = String::new();
    for (verdict, cells) in &lines {
        let last = cells.len() - 1;
        let mut line = String::new();
        for (cell, width) in cells[..last].iter().zip(&widths) {
            line.push_str(&pad(cell, *width));
            line.push_str(GAP);
        }
        let rest = look.width.saturating_sub(line.chars().count());
        let said = if look.cut {
            cut(&cells[last], rest.max(20))
        } else {
            cells[last].clone()
        };
        match verdict {
            None => line = look.paint(Paint::Bold, &format!("{line}{said}")),
            Some(verdict) => line.push_str(&painted(*verdict, &said, look)),
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn cells(row: &SloRow) -> [String; 7] {
    let burn: Vec<String> = [2, 4, 6]
        .into_iter()
        .map(|nth| rate(row.burn.get(nth).and_then(|burn| burn.rate)))
        .collect();
    [
        clean(&row.name),
        format!("{} %", row.target_percent),
        row.good_percent.map_or_else(nothing, percent),
        left(row),
        burn.join(" "),
        format!(
            "{} of {}",
            rough(row.seen_ms),
            rough(row.to_ms - row.from_ms)
        ),
        verdict(row),
    ]
}

/// In percent, and in what people count: minutes of availability, calls of the rest.
fn left(row: &SloRow) -> String {
    let (Some(left), Some(minutes)) = (row.budget.left_percent, row.budget.left_minutes) else {
        return nothing();
    };
    match row.objective.as_str() {
        "availability" | "throughput" => format!("{left:.1} %, {minutes:.0} min"),
        _ => format!("{left:.1} %, {:.0} calls", row.budget.left_events),
    }
}

fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(nothing, |rate| format!("{rate:.1}x"))
}

fn nothing() -> String {
    "-".to_owned()
}

fn verdict(row: &SloRow) -> String {
    match row.reason.as_str() {
        "" => row.verdict.as_str().to_owned(),
        reason => format!("{}: {}", row.verdict.as_str(), clean(reason)),
    }
}

fn painted(verdict: Verdict, text: &str, look: Look) -> String {
    match verdict {
        Verdict::Met => text.to_owned(),
        Verdict::AtRisk => look.paint(Paint::Warn, text),
        Verdict::Violated => look.paint(Paint::Bad, text),
        Verdict::InsufficientData => look.paint(Paint::Faint, text),
    }
}

/// Everything of one objective.
pub(super) fn details(row: &SloRow, look: Look) -> String {
    let mut lines: Vec<(String, String)> = vec![
        (
            "promise".into(),
            format!("{}, over {}", clean(&row.promise), row.window),
        ),
        ("verdict".into(), painted(row.verdict, &verdict(row), look)),
        ("now".into(), row.good_percent.map_or_else(nothing, percent)),
    ];
    for source in &row.sources {
        let what = match source.source.as_str() {
            "probe" => "health checks",
            _ => "calls",
        };
        let (good, bad) = (count(source.events.good), count(source.events.bad));
        lines.push((what.into(), format!("{good} good, {bad} bad")));
    }
    let budget = &row.budget;
    if let (Some(left), Some(minutes)) = (budget.left_percent, budget.left_minutes) {
        lines.push((
            "budget left".into(),
            format!(
                "{left:.1} %: {:.0} of {:.0} events, {minutes:.0} of {:.0} minutes",
                budget.left_events, budget.allowed_events, budget.allowed_minutes
            ),
        ));
    }
    for burn in &row.burn {
        let events = count(burn.events.valid());
        let text = format!("{} ({events} events)", rate(burn.rate));
        lines.push((format!("burn {}", burn.window), text));
    }
    let lasts = row.exhausted_at_ms.map_or_else(
        || "it lasts".to_owned(),
        |at| {
            format!(
                "{} UTC, if it goes on as over the last hours",
                time_of_day(at)
            )
        },
    );
    lines.push((
        "used up".into(),
        if row.verdict != Verdict::InsufficientData {
            lasts
        } else {
            nothing()
        },
    ));
    let window = rough(row.to_ms - row.from_ms);
    lines.push(("seen".into(), format!("{} of {window}", rough(row.seen_ms))));
    let width = lines
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut out = look.paint(Paint::Bold, &clean(&row.name)) + "\n";
    for (name, text) in lines {
        out.push_str(&format!("  {}{GAP}{text}\n", pad(&name, width)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_rules::slo::{Budget, Burn, Counts, SourceCounts};

    const PLAIN: Look = Look {
        width: 120,
        color: false,
        cut: false,
    };

    fn row() -> SloRow {
        const DAY: i64 = 86_400_000;
        let burn = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"].map(|window| Burn {
            window: window.to_owned(),
            rate: Some(0.5),
            events: Counts { good: 10, bad: 0 },
        });
        let events = Counts {
            good: 19_990,
            bad: 10,
        };
        SloRow {
            name: "availability".into(),
            objective: "availability".into(),
            promise: "99.5 % available".into(),
            target_percent: 99.5,
            window: "30d".into(),
            from_ms: 0,
            at_ms: 30 * DAY,
            to_ms: 30 * DAY,
            seen_ms: 7 * DAY,
            last_seen_ms: Some(30 * DAY),
            good_percent: events.good_percent(),
            events,
            sources: vec![SourceCounts {
                source: "probe".into(),
                events,
            }],
            budget: Budget {
                allowed_events: 100.0,
                left_events: 90.0,
                left_percent: Some(90.0),
                allowed_minutes: 216.0,
                left_minutes: Some(194.4),
            },
            burn: burn.to_vec(),
            exhausted_at_ms: None,
            verdict: Verdict::Met,
            why: None,
            reason: String::new(),
        }
    }

    #[test]
    fn a_table_that_a_person_can_read() {
        let mut nobody = row();
        nobody.name = "quick".into();
        nobody.good_percent = None;
        nobody.budget = Budget::default();
        nobody.burn.clear();
        nobody.verdict = Verdict::InsufficientData;
        nobody.reason = "no events".into();
        let want = "\
objective     target  now      budget left      burn 1h/6h/3d   seen               verdict
availability  99.5 %  99.95 %  90.0 %, 194 min  0.5x 0.5x 0.5x  7 days of 30 days  met
quick         99.5 %  -        -                - - -           7 days of 30 days  insufficient data: no events
";
        assert_eq!(table(&[row(), nobody], PLAIN), want);
    }

    #[test]
    fn all_of_one() {
        let want = "\
availability
  promise        99.5 % available, over 30d
  verdict        met
  now            99.95 %
  health checks  19\u{202f}990 good, 10 bad
  budget left    90.0 %: 90 of 100 events, 194 of 216 minutes
";
        let got = details(&row(), PLAIN);
        assert!(got.starts_with(want), "{got}");
        assert!(got.contains("  burn 1h        0.5x (10 events)\n"), "{got}");
        assert!(
            got.ends_with("  used up        it lasts\n  seen           7 days of 30 days\n"),
            "{got}"
        );
    }
}
