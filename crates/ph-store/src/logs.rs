//! Records, each a JSON object with a few columns beside it: appended by one writer, searched by many readers.
//!
//! A record goes into a write-ahead file ([`wal`]). When that is large or old enough it is sealed: rewritten in the
//! background as an immutable, compressed segment with its index, and only then removed. Readers look at both.

mod block;
mod bloom;
mod columns;
mod cursor;
mod entry;
mod error;
mod evaluate;
mod events;
mod grams;
mod names;
mod opened;
mod options;
mod reader;
mod seal;
mod search;
mod segment;
mod snapshot;
mod store;
mod verify;
mod wal;

pub use cursor::Cursor;
pub use entry::{Entry, Kind, Level, Seq};
pub use error::{Damage, StoreError};
pub use options::LogOptions;
pub use reader::{Batch, LogReader, Sealed, Stats};
pub use search::{
    Bar, Budget, Found, GROUPS_MAX, Histogram, Hit, OTHER, Order, Search, Tally, TallyGroup, Top,
    TopValue,
};
pub use store::{CloseReport, LogStore, OpenReport, StoreEvent};
pub use verify::Verified;
