//! The problems found so far, bounded in number.

use std::ops::Range;

use ph_base::diagnostic::{Diagnostic, Problem, Severity};

/// Problems that are kept; a text full of nonsense is not worth more.
pub(crate) const PROBLEMS_MAX: usize = 100;

/// Collects diagnostics. Those beyond [`PROBLEMS_MAX`] are only counted.
#[derive(Debug, Default)]
pub(crate) struct Report {
    kept: Vec<Diagnostic>,
    hidden: usize,
    /// Whether an error was seen, kept or not.
    has_error: bool,
}

impl Report {
    pub(crate) fn add(&mut self, diagnostic: Diagnostic) {
        self.has_error |= diagnostic.severity() == Severity::Error;
        if self.is_full() {
            self.hidden += 1;
        } else {
            self.kept.push(diagnostic);
        }
    }

    pub(crate) fn has_error(&self) -> bool {
        self.has_error
    }

    /// Whether further problems will only be counted, so that describing them is a waste.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= PROBLEMS_MAX
    }

    /// What was found, in the order of the text: warnings beside the value, or everything.
    pub(crate) fn finish<T>(
        mut self,
        value: Option<T>,
    ) -> Result<(T, Vec<Diagnostic>), Vec<Diagnostic>> {
        self.kept.sort_by_key(|diagnostic| diagnostic.at.start);
        match value {
            Some(value) if !self.has_error => Ok((value, self.kept)),
            Some(_) | None => {
                self.kept.extend(self.more());
                Err(self.kept)
            }
        }
    }

    fn more(&self) -> Option<Diagnostic> {
        let at: Range<usize> = self.kept.last().map_or(0..0, |last| last.at.clone());
        (self.hidden > 0).then(|| Diagnostic {
            at,
            path: String::new(),
            problem: Problem::More {
                hidden: self.hidden,
            },
            hint: None,
        })
    }
}
