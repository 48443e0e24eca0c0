//! What becomes of a configuration that is not taken up.

use super::{Daemon, RELOAD};
use ph_record::EventKind;

/// Longest text of why a configuration was rejected in the audit log.
const REASONS_CHARS_MAX: usize = 2048;

impl Daemon {
    /// Takes note that what is on disk is what runs: if it was rejected before, it no longer is.
    pub fn unchanged(&self) {
        self.admin.configurations.accepted();
        if self.recorder.rejected_since_ns().is_some() {
            self.note_loaded("");
        }
    }

    /// Takes note that a plan was rejected; the running one stays.
    ///
    /// - `text`: the file's, as [`Origin::text`].
    /// - `cause`: why it was looked at.
    pub fn rejected(&self, reasons: &str, text: Option<&str>, cause: &str) {
        self.admin.configurations.rejected(reasons, text, cause);
        let why = self.recorder.redactor();
        let why: String = why.text(reasons).chars().take(REASONS_CHARS_MAX).collect();
        let more = vec![
            ("cause", cause.into()),
            ("before", self.plan.hash().into()),
            ("why", why.trim_end().into()),
        ];
        if let Err(error) = self.admin.gatekeeper.note(RELOAD, "refused", more) {
            (self.complain)(&format!("the audit log cannot be written: {error}"));
        }
        self.note(EventKind::PlanRejected {
            reasons: reasons.into(),
        });
    }
}
