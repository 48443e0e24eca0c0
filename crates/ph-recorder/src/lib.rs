//! Records in; numbers, log lines and spans out. The one implementation of `ph_record::RecordSink`.
//!
//! [`Recorder::observe`](ph_record::RecordSink::observe) does two things on the caller's thread: it
//! adds to counters (no lock), and it pushes onto a bounded queue (no wait). The rest happens on the
//! recorder's own thread. So numbers are never lost, lines may be and are counted, and neither a
//! full disk nor a slow collector can slow a call.
//!
//! In reading order:

mod recorder;
mod settings;

mod exposition;
mod process;
mod registry;

mod anomalies;
mod intake;
mod redaction;
mod worker;

mod complaints;
mod files;
mod line;
mod sinks;

mod store;
mod tail;

mod sampling;
mod spans;
mod tracer;

#[cfg(test)]
mod sample;

pub use line::Level;
pub use recorder::{FlushReport, Recorder, RecorderError, SOURCES_MAX, Start};
pub use settings::{LogSettings, Settings, SpanSettings};
pub use store::{Fsync, Keep, Keeper, Scraped, Settings as KeptSettings};
pub use tail::{TAIL_FILES_MAX, TailFile, Tails};
