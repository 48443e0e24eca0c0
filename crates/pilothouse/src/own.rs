//! `pilothouse self check`: is this binary well, and may it run here?

mod looks;

use crate::exit;
use crate::printer::Printer;
use crate::terminal::{Look, Paint, clean, pad};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct SelfArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Look whether this binary is well and may run here, with a hint for each thing that is not as it should be.
    #[command(after_help = EXAMPLES)]
    Check(CheckArgs),
}

#[derive(Args)]
struct CheckArgs {
    /// Configuration [default: `pilothouse.yaml`, if it is here].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data directory [default: that of the configuration, else $XDG_STATE_HOME/pilothouse].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// What this binary is made of, as CycloneDX [default: `pilothouse.cdx.json` beside it, or where the package has it].
    #[arg(long, value_name = "FILE")]
    sbom: Option<PathBuf>,
    /// Print it as one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Changes nothing: what it writes it writes to temporary files. Exits 0 when nothing hinders it, 1 when something does, 3
when something could not be looked at.

Examples:
  pilothouse self check
  sudo -u pilothouse pilothouse self check --config /etc/pilothouse/pilothouse.yaml --data-dir /var/lib/pilothouse
  pilothouse self check --json | jq '.checks[] | select(.result != \"ok\")'";

/// What became of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ok,
    /// It runs, though not as well as it could.
    Warn,
    /// It does not run.
    Fail,
    /// It could not be looked at.
    Unknown,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// What was looked at, and what was seen.
#[derive(Debug, PartialEq)]
struct Seen {
    what: &'static str,
    outcome: Outcome,
    text: String,
    /// What to do.
    hint: Option<String>,
}

impl Seen {
    fn ok(what: &'static str, text: impl Into<String>) -> Self {
        Self {
            what,
            outcome: Outcome::Ok,
            text: text.into(),
            hint: None,
        }
    }

    fn bad(
        what: &'static str,
        outcome: Outcome,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            what,
            outcome,
            text: text.into(),
            hint: Some(hint.into()),
        }
    }

    fn json(&self) -> Json {
        json!({"check": self.what, "result": self.outcome.word(), "seen": self.text, "hint": self.hint})
    }
}

pub(crate) fn own(args: &SelfArgs, printer: &Printer) -> Result<u8> {
    let What::Check(args) = &args.what;
    let seen = looks::all(args);
    if args.json {
        let checks: Vec<Json> = seen.iter().map(Seen::json).collect();
        let result = json!({"version": 1, "ok": code(&seen) == exit::DONE, "checks": checks});
        printer.data(&format!("{result}\n"))?;
    } else {
        printer.data(&table(&seen, Look::of_stdout()))?;
    }
    Ok(code(&seen))
}

fn code(seen: &[Seen]) -> u8 {
    let has = |outcome| seen.iter().any(|one| one.outcome == outcome);
    if has(Outcome::Fail) {
        exit::FOUND
    } else if has(Outcome::Unknown) {
        exit::COULD_NOT_CHECK
    } else {
        exit::DONE
    }
}

fn table(seen: &[Seen], look: Look) -> String {
    let width = seen.iter().map(|one| one.what.len()).max().unwrap_or(0);
    let mut text = String::new();
    for one in seen {
        let word = pad(one.outcome.word(), 7);
        let word = match one.outcome {
            Outcome::Ok => word,
            Outcome::Warn | Outcome::Unknown => look.paint(Paint::Warn, &word),
            Outcome::Fail => look.paint(Paint::Bad, &word),
        };
        let said = clean(one.text.trim_end());
        text.push_str(&format!("{word}  {}  {said}\n", pad(one.what, width)));
        if let Some(hint) = &one.hint {
            let hint = format!("hint: {}", clean(hint));
            text.push_str(&format!(
                "{}{}\n",
                " ".repeat(11 + width),
                look.paint(Paint::Faint, &hint)
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts() {
        let of = |outcomes: &[Outcome]| {
            let seen: Vec<Seen> = outcomes
                .iter()
                .map(|outcome| Seen::bad("x", *outcome, "", ""))
                .collect();
            code(&seen)
        };
        use Outcome::{Fail, Ok, Unknown, Warn};
        assert_eq!(of(&[Ok, Warn]), 0);
        assert_eq!(of(&[Ok, Unknown, Warn]), 3);
        assert_eq!(of(&[Unknown, Fail, Ok]), 1);
    }

    #[test]
    fn a_table_with_hints() {
        let look = Look {
            width: 80,
            color: false,
            cut: false,
        };
        let seen = [
            Seen::ok("program", "pilothouse 0.1.0"),
            Seen::bad("ports", Outcome::Fail, "in use: \u{1b}[1m", "take another"),
        ];
        let want = "\
ok       program  pilothouse 0.1.0
fail     ports    in use: \u{FFFD}[1m
                  hint: take another
";
        assert_eq!(table(&seen, look), want);
    }
}
