//! Service level objectives: the rules that watch them, the table of how they stand, and the report of a
//! month.
//!
//! Everything is counted in events (`mcp_slo_events_total`): a share is good events over valid events of the
//! whole time, never a mean of shares. Without events, or with too little of the time seen, there is no
//! verdict.

mod calendar;
mod compile;
mod counter;
mod html;
mod markdown;
mod report;
mod row;
mod select;
mod table;
pub mod words;

pub use calendar::Month;
pub use compile::compile;
pub use html::html;
pub use markdown::markdown;
pub use report::{Day, Report, ReportRow, report};
pub use row::{Budget, Burn, Counts, SloRow, SourceCounts, Verdict, Why};
pub use table::table;
