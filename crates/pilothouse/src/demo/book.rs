//! What happened, in order: told as it happens, and kept for the report.

use super::program::Said;
use crate::printer::Printer;
use crate::terminal::{Look, Paint, clean};
use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Lines that are shown of what a command printed.
const SHOWN_LINES_MAX: usize = 24;

/// Something did not happen as it is told.
#[derive(Debug, thiserror::Error)]
#[error("not as told: {0}")]
pub(super) struct NotAsTold(pub String);

/// The teller.
pub(super) struct Book {
    begin: Instant,
    look: Look,
    is_json: bool,
    moments: Vec<Moment>,
    scenes: usize,
}

/// A line of the timeline.
pub(super) struct Moment {
    pub at: Timestamp,
    pub what: String,
}

impl Book {
    pub(super) fn new(is_json: bool) -> Self {
        Self {
            begin: Instant::now(),
            look: Look::of_stdout(),
            is_json,
            moments: Vec::new(),
            scenes: 0,
        }
    }

    /// How long the story goes on.
    pub(super) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// A part of the story begins.
    pub(super) fn scene(&mut self, title: &str) -> Result<()> {
        self.scenes += 1;
        let nth = self.scenes;
        let heading = self.look.paint(Paint::Bold, &format!("{nth}. {title}"));
        self.tell(
            &format!("\n{heading}\n"),
            &json!({"scene": nth, "title": title}),
        )
    }

    /// What people should know.
    pub(super) fn say(&self, text: &str) -> Result<()> {
        self.tell(&format!("{text}\n"), &json!({"said": text}))
    }

    /// A command of a user and what came of it.
    pub(super) fn command(&self, args: &[&str], said: &Said) -> Result<()> {
        let line = format!(
            "pilothouse {}",
            args.iter()
                .map(|word| quoted(word))
                .collect::<Vec<_>>()
                .join(" ")
        );
        let mut shown = format!("{}\n", self.look.paint(Paint::Bold, &format!("$ {line}")));
        let all: Vec<&str> = said.out.lines().chain(said.err.lines()).collect();
        for row in all.iter().take(SHOWN_LINES_MAX) {
            shown.push_str(&format!("  {}\n", clean(row)));
        }
        if all.len() > SHOWN_LINES_MAX {
            shown.push_str(&format!("  … {} more lines\n", all.len() - SHOWN_LINES_MAX));
        }
        self.tell(
            &shown,
            &json!({"command": line, "code": said.code, "out": said.out, "err": said.err}),
        )
    }

    /// Something that has to be so, with what was seen. It joins the timeline.
    pub(super) fn claim(&mut self, holds: bool, what: &str, seen: &str) -> Result<()> {
        let (sign, paint) = if holds {
            ("ok", Paint::Series(3))
        } else {
            ("NOT", Paint::Bad)
        };
        let shown = format!("{} {what}: {seen}\n", self.look.paint(paint, sign));
        self.tell(
            &shown,
            &json!({"claim": what, "holds": holds, "seen": seen}),
        )?;
        if !holds {
            return Err(NotAsTold(format!("{what}: {seen}")).into());
        }
        self.mark(&format!("{what}: {seen}"));
        Ok(())
    }

    /// A line of the timeline that is not told.
    pub(super) fn mark(&mut self, what: &str) {
        self.moments.push(Moment {
            at: Timestamp::now(),
            what: what.to_owned(),
        });
    }

    pub(super) fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// The end: a text as it is.
    pub(super) fn text(&self, name: &str, text: &str) -> Result<()> {
        self.tell(text, &json!({name: text}))
    }

    fn tell(&self, text: &str, object: &Value) -> Result<()> {
        let printer = Printer::new();
        if self.is_json {
            let mut object = object.clone();
            object["after_s"] = json!((self.begin.elapsed().as_secs_f64() * 10.0).round() / 10.0);
            printer.data(&format!("{object}\n"))?;
        } else {
            printer.data(text)?;
        }
        Ok(())
    }
}

/// A word as a shell wants it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("--since"), "--since");
        assert_eq!(quoted("duration>=2s"), "'duration>=2s'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
