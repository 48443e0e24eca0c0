//! Inventory × advisories → findings and their lifecycle.
//!
//! Nothing here reads a file, asks a clock or waits: advisories and components come in as values, the time as an
//! argument.

pub mod cve;
pub mod exposed;
pub mod finding;
pub mod life;
pub mod matching;
pub mod osv;
pub mod overrides;
pub mod patch;
pub mod probe;
pub mod purl;
pub mod report;
pub mod scanners;
pub mod severity;
pub mod version;

pub use exposed::Exposed;
pub use finding::{Finding, FindingKey};
pub use osv::Advisory;
pub use overrides::Overrides;
pub use report::{Report, Row};
pub use severity::Severity;
