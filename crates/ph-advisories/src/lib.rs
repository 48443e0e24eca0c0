//! The local mirror of advisories: fetched, imported, indexed by package, read.
//!
//! [`Mirror`] reads it; [`import()`] and [`update()`] change it. One folder holds an index per ecosystem; a change writes
//! new files and puts them in the place of the old ones at once, so readers need no lock and see all of it or
//! nothing, and a crash or a broken download leaves what was there.
//!
//! Not here: what a record means (`ph-vuln`), when updates happen (`ph-jobs`).

pub mod archive;
mod http;
mod import;
mod index;
pub mod lists;
mod malicious;
mod manifest;
mod mirror;
pub mod record;
pub mod rustsec;
mod scores;
mod update;

pub use http::{Bounds, FetchError};
pub use import::{ImportError, Imported, Unreadable, import};
pub use index::IndexError;
pub use lists::ScoresError;
pub use malicious::{Malicious, malicious};
pub use manifest::FolderError;
pub use mirror::{ListInfo, Mirror, MirrorError, MirrorState, State};
pub use update::{Change, ListPlace, UpdateError, UpdateOptions, Updated, update};
