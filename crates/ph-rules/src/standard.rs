//! The rules that are shipped: one table, written as a rule file of Prometheus from the thresholds of
//! the running configuration. What runs here is what `pilothouse generate rules` exports.
//!
//! An alert is added as a row of `table`, with a test in `tests/standard/NAME.yml` and a section in
//! `docs/runbooks/`; the tests of this module and of `ph-api` demand both.

mod limit;
mod row;
mod table;
mod text;

pub use row::{Severity, StandardGroup, StandardRule};
pub use table::GROUPS;
pub use text::{runbook_url, text};

/// Every standard rule, in the order of the file.
pub fn rules() -> impl Iterator<Item = &'static StandardRule> {
    GROUPS.iter().flat_map(|group| group.rules)
}
