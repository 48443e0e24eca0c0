//! The table, written as a rule file.

use ph_plan::{Plan, Thresholds};

use super::limit::{with_numbers, with_words};
use super::row::StandardRule;
use super::table::GROUPS;

/// The rule file of the standard alerts that the plan does not leave out: YAML, which Prometheus reads
/// and which is read back here. Without any alert it has no groups.
#[must_use]
pub fn text(plan: &Plan) -> String {
    let mut out = String::from(HEAD);
    let is_kept =
        |rule: &&StandardRule| plan.rules.standard && !plan.rules.disabled.contains(&rule.alert);
    let groups: Vec<_> = GROUPS
        .iter()
        .map(|group| {
            (
                group,
                group.rules.iter().filter(is_kept).collect::<Vec<_>>(),
            )
        })
        .filter(|(_, rules)| !rules.is_empty())
        .collect();
    if groups.is_empty() {
        out.push_str("groups: []\n");
        return out;
    }
    out.push_str("groups:\n");
    for (group, rules) in groups {
        out.push_str(&format!("  - name: {}\n", group.name));
        if let Some(interval) = group.interval {
            out.push_str(&format!("    interval: {interval}\n"));
        }
        out.push_str("    rules:\n");
        for rule in rules {
            write(&mut out, rule, plan);
        }
    }
    out
}

const HEAD: &str = "\
# The standard rules of Pilothouse, with the thresholds of its configuration (`rules.thresholds`).
# Written by `pilothouse generate rules`: changes belong in the configuration.
";

/// Where the runbook of an alert is read.
#[must_use]
pub fn runbook_url(plan: &Plan, alert: &str) -> String {
    format!("{}/runbooks/{alert}", plan.external_url())
}

fn write(out: &mut String, rule: &StandardRule, plan: &Plan) {
    let thresholds: &Thresholds = &plan.rules.thresholds;
    out.push_str(&format!("      - alert: {}\n", rule.alert.as_str()));
    out.push_str("        expr: |-\n");
    for line in laid_out(&with_numbers(rule.expr, thresholds)) {
        out.push_str(&format!("          {line}\n"));
    }
    if rule.hold != "0s" {
        out.push_str(&format!("        for: {}\n", rule.hold));
    }
    out.push_str("        labels:\n");
    out.push_str(&format!("          severity: {}\n", rule.severity.as_str()));
    out.push_str("        annotations:\n");
    let texts = [
        ("summary", with_words(rule.summary, thresholds)),
        ("description", with_words(rule.description, thresholds)),
        ("runbook_url", runbook_url(plan, rule.alert.as_str())),
    ];
    for (name, text) in texts {
        out.push_str(&format!("          {name}: {}\n", quoted(&text)));
    }
}

/// Lines without the indentation that all have in the table.
fn laid_out(expr: &str) -> impl Iterator<Item = &str> {
    let lines = || expr.lines().filter(|line| !line.trim().is_empty());
    let shared = lines()
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    lines().map(move |line| line[shared..].trim_end())
}

/// A scalar in single quotes: in YAML only the quote itself means something there.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
