//! Samples of metrics over time.
//!
//! [`SeriesStore`] is the one writer, [`SeriesReader`] what PromQL reads. A scrape is one record of the
//! write-ahead log and one sync; the youngest samples are in memory, and every two hours become a block, a file
//! that never changes. Days of blocks become one. Blocks go by age and by size.
//!
//! What holds after any crash: each scrape that was acknowledged is there, none is there twice. A reader never
//! makes the writer wait for a disk: both share only what is in memory, and nobody holds it while a file is read
//! or written.
//!
//! The form of the files and the bounds are in `docs/store-series.md`.

mod bits;
mod block;
mod chunk;
mod error;
mod exemplar;
mod head;
mod index;
mod intake;
mod jobs;
mod metadata;
mod opening;
mod options;
mod reader;
mod record;
mod state;
mod store;
mod thin;
mod verify;
mod wal;
mod xor;

pub use error::{SeriesDamage, SeriesError};
pub use exemplar::{Exemplar, NewExemplar};
pub use intake::{NewSample, Scrape, ScrapeReport};
pub use metadata::{Metadata, NewMetadata};
pub use opening::SeriesOpenReport;
pub use options::SeriesOptions;
pub use reader::{ExemplarsOf, SeriesReader};
pub use state::SeriesStats;
pub use store::{SeriesStore, TickReport};
pub use verify::SeriesVerified;

/// What a block of the youngest samples covers: two hours, counted from 1970.
const PERIOD_MS: i64 = 2 * 3_600_000;
/// What blocks are put together to.
const DAY_MS: i64 = 24 * 3_600_000;

/// Which period a time is in.
fn period_of(t_ms: i64) -> i64 {
    t_ms.div_euclid(PERIOD_MS)
}
