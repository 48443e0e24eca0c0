//! What happened, kept on disk.
//!
//! Two stores: [`logs`] (call records, spans, lines and events, one JSON object each) and [`series`] (samples of
//! metrics). Both are written by one thread each and read by any number, both go through [`disk::Disk`], and both
//! open after any crash with everything that was acknowledged.
//!
//! Beside them, [`state`] keeps what changes: small rows in SQLite, which brings its own files.
//!
//! The format of the files is in `docs/store.md`.

pub mod check;
pub mod disk;
pub mod frame;
pub mod logs;
pub mod query;
pub mod series;
pub mod state;
pub mod trace;

pub use disk::{Disk, RealDisk};
pub use query::Filter;
