//! The problems found so far, bounded in number.

use ph_base::diagnostic::{Diagnostic, Problem, Severity};

/// Errors that are kept, and warnings; a text full of nonsense is not worth more.
pub(crate) const PROBLEMS_MAX: usize = 100;

/// Collects diagnostics. Those beyond [`PROBLEMS_MAX`] of their kind are only counted, so that a
/// crowd of warnings hides no error.
#[derive(Debug, Default)]
pub(crate) struct Report {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    hidden: usize,
}

impl Report {
    pub(crate) fn add(&mut self, diagnostic: Diagnostic) {
        let kept = match diagnostic.severity() {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if kept.len() < PROBLEMS_MAX {
            kept.push(diagnostic);
        } else {
            self.hidden += 1;
        }
    }

    pub(crate) fn has_error(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Whether further errors will only be counted, so that describing them is a waste.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= PROBLEMS_MAX
    }

    /// What was found, in the order of the text: the warnings beside the value, or everything.
    pub(crate) fn finish<T>(
        self,
        value: Option<T>,
    ) -> Result<(T, Vec<Diagnostic>), Vec<Diagnostic>> {
        let refused = self.has_error();
        let mut found = [self.errors, self.warnings].concat();
        found.sort_by_key(|diagnostic| diagnostic.at.start);
        if self.hidden > 0 {
            let at = found.last().map_or(0..0, |last| last.at.clone());
            let problem = Problem::More {
                hidden: self.hidden,
            };
            found.push(Diagnostic {
                at,
                path: String::new(),
                problem,
                hint: None,
            });
        }
        match value {
            Some(value) if !refused => Ok((value, found)),
            Some(_) | None => Err(found),
        }
    }
}
