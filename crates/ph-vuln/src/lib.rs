//! Inventory × advisories → findings and their lifecycle.
//!
//! Nothing here reads a file, asks a clock or waits: advisories and components come in as values, the time as an
//! argument.

pub mod finding;
pub mod life;
pub mod purl;
pub mod report;
pub mod scanners;
pub mod severity;
pub mod version;

pub use finding::{Finding, FindingKey};
pub use report::{Report, Row};
pub use severity::Severity;
