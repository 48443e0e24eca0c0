//! Where a server's own source imports and uses a package, and which tool leads there.
//!
//! Best effort, and said so: names are followed, not types; a module that is named at run time cannot be seen; what is
//! not found is "not found", never "unreachable". Nothing here closes a finding.
//!
//! Files go in as texts, an [`Exposure`] comes out. JavaScript, TypeScript, Python and Rust are read.

mod code;
mod flow;
mod imports;
mod language;
mod uses;
mod wanted;

pub use language::Language;
pub use ph_vuln::exposed::Level;
pub use uses::{Exposure, Reach, Use, exposure};
pub use wanted::{SourceFile, Wanted};
