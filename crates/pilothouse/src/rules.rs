//! `pilothouse rules`: what is wrong with rule files, and whether their tests pass.

use crate::exit;
use crate::printer::Printer;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use ph_base::diagnostic::Diagnostic;
use ph_rules::unit::{self, CaseResult, Seen, Subject, Unusable};
use ph_rules::{RuleFile, RuleKind, file};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pilothouse rules check rules/*.yml
  pilothouse rules test tests/*.yml";

#[derive(Args)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Read rule files of Prometheus and say everything that is wrong with them. Exits 1 when something is.
    Check(FilesArgs),
    /// Run unit tests in the form of `promtool test rules`. Exits 1 when one fails.
    Test(FilesArgs),
}

#[derive(Args)]
struct FilesArgs {
    /// The files to read.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn rules(args: &RulesArgs, printer: &Printer) -> Result<u8> {
    let (args, look): (_, fn(&Path) -> Result<Found>) = match &args.what {
        What::Check(args) => (args, check),
        What::Test(args) => (args, test),
    };
    let mut all = Vec::with_capacity(args.files.len());
    for path in &args.files {
        let found = look(path)?;
        if !args.json {
            if !found.talk.is_empty() {
                printer.say(found.talk.trim_end());
            }
            printer.data(&format!("{}: {}\n", path.display(), found.data))?;
        }
        all.push(found);
    }
    let ok = all.iter().all(|found| found.ok);
    if args.json {
        let files: Vec<Json> = all.into_iter().map(|found| found.json).collect();
        let result = json!({"version": 1, "ok": ok, "files": files});
        printer.data(&format!("{result}\n"))?;
    }
    Ok(if ok { exit::DONE } else { exit::FOUND })
}

/// What is said of one file.
struct Found {
    ok: bool,
    /// One line.
    data: String,
    /// Everything that is wrong.
    talk: String,
    json: Json,
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

fn check(path: &Path) -> Result<Found> {
    let (name, text) = (path.display().to_string(), read(path)?);
    Ok(match file::read(&name, &text) {
        Ok(rules) => {
            let data = counted(&rules);
            Found {
                ok: true,
                json: json!({"file": name, "ok": true, "groups": rules.groups.len(), "problems": []}),
                data: format!("ok, {data}"),
                talk: String::new(),
            }
        }
        Err(problems) => broken(&name, &text, &problems),
    })
}

fn counted(rules: &RuleFile) -> String {
    let all = || rules.groups.iter().flat_map(|group| &group.rules);
    let alerts = all()
        .filter(|rule| matches!(rule.kind, RuleKind::Alert { .. }))
        .count();
    let recorded = all().count() - alerts;
    format!(
        "{}, {}, {}",
        count(rules.groups.len(), "group"),
        count(alerts, "alert rule"),
        count(recorded, "recording rule")
    )
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn broken(name: &str, text: &str, problems: &[Diagnostic]) -> Found {
    let as_json = |found: &Diagnostic| {
        let (line, column) = found.line_and_column(text);
        json!({"file": name, "line": line, "column": column, "message": found.message(), "hint": found.hint})
    };
    let shown: Vec<String> = problems
        .iter()
        .map(|found| found.render(name, text))
        .collect();
    let problems: Vec<Json> = problems.iter().map(as_json).collect();
    Found {
        ok: false,
        data: count(problems.len(), "problem"),
        talk: shown.join("\n"),
        json: json!({"file": name, "ok": false, "problems": problems}),
    }
}

fn test(path: &Path) -> Result<Found> {
    let (name, text) = (path.display().to_string(), read(path)?);
    // As promtool: names are relative to the test file.
    let beside = path.parent().unwrap_or(Path::new(""));
    let rule_file =
        |name: &str| std::fs::read_to_string(beside.join(name)).map_err(|error| error.to_string());
    Ok(match unit::run(&text, &rule_file) {
        Ok(results) => judged(&name, &results),
        Err(Unusable::TestFile(problems)) => broken(&name, &text, &problems),
        Err(Unusable::RuleFile {
            name,
            text,
            problems,
        }) => broken(&beside.join(name).display().to_string(), &text, &problems),
        Err(Unusable::Unreadable {
            name: rules,
            reason,
        }) => {
            let shown = beside.join(rules).display().to_string();
            let problem = format!("cannot read `{shown}`: {reason}");
            Found {
                ok: false,
                data: count(1, "problem"),
                json: json!({"file": name, "ok": false, "problems": [{"file": shown, "message": problem}]}),
                talk: format!("error: {problem}"),
            }
        }
    })
}

fn judged(name: &str, results: &[CaseResult]) -> Found {
    let failed: Vec<&CaseResult> = results.iter().filter(|case| !case.is_ok()).collect();
    let talk: Vec<String> = failed.iter().map(|case| explained(name, case)).collect();
    let cases: Vec<Json> = results.iter().map(case_json).collect();
    let data = if failed.is_empty() {
        format!("ok, {}", count(results.len(), "expectation"))
    } else {
        format!(
            "{} of {} failed",
            failed.len(),
            count(results.len(), "expectation")
        )
    };
    Found {
        ok: failed.is_empty(),
        data,
        talk: talk.join("\n"),
        json: json!({"file": name, "ok": failed.is_empty(), "cases": cases}),
    }
}

/// An expectation that was not met, with both sides.
fn explained(name: &str, case: &CaseResult) -> String {
    let subject = match &case.subject {
        Subject::Alert(alert) => format!("alert `{alert}`"),
        Subject::Expression(expr) => format!("expression `{expr}`"),
        Subject::Rule(rule) => format!("rule `{rule}`"),
    };
    let at = after(case.at);
    let place = if case.line > 0 {
        format!("{name}:{}", case.line)
    } else {
        name.to_owned()
    };
    let mut text = format!(
        "failed: {subject} at {at} in `{}`\n --> {place}\n",
        case.test
    );
    if let Some(error) = &case.error {
        text.push_str(&format!("error: {error}\n"));
        return text;
    }
    for (side, seen) in [("expected", &case.expected), ("got", &case.got)] {
        let lines: Vec<String> = seen.iter().map(line).collect();
        let shown = if lines.is_empty() {
            "    nothing".to_owned()
        } else {
            lines.join("\n")
        };
        text.push_str(&format!("  {side}:\n{shown}\n"));
    }
    text
}

fn line(seen: &Seen) -> String {
    match seen.value {
        Some(value) => format!("    {} {value}", seen.labels),
        None => format!("    {} with {}", seen.labels, seen.annotations),
    }
}

fn case_json(case: &CaseResult) -> Json {
    let (kind, subject) = match &case.subject {
        Subject::Alert(alert) => ("alert", alert),
        Subject::Expression(expr) => ("expr", expr),
        Subject::Rule(rule) => ("rule", rule),
    };
    let all = |seen: &[Seen]| seen.iter().map(seen_json).collect::<Vec<_>>();
    json!({
        "test": case.test, "line": case.line, "kind": kind, "subject": subject,
        "at_ms": u64::try_from(case.at.as_millis()).unwrap_or(u64::MAX), "ok": case.is_ok(), "error": case.error,
        "expected": all(&case.expected), "got": all(&case.got),
    })
}

fn seen_json(seen: &Seen) -> Json {
    let map = |labels: &ph_promql::Labels| {
        let pairs = labels
            .iter()
            .map(|(name, value)| (name.to_owned(), json!(value)));
        Json::Object(pairs.collect())
    };
    match seen.value {
        // As in Prometheus's API, where values are strings: JSON has no infinity.
        Some(value) => json!({"labels": map(&seen.labels), "value": value.to_string()}),
        None => json!({"labels": map(&seen.labels), "annotations": map(&seen.annotations)}),
    }
}

/// A time from the beginning, as test files write it.
fn after(at: Duration) -> String {
    let ms = at.as_millis();
    match (ms % 60_000, ms % 1_000) {
        (0, _) => format!("{}m", ms / 60_000),
        (_, 0) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}
