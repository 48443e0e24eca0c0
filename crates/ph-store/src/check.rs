//! Whether everything that is kept can be read, and making the best of it where it cannot.

use crate::disk::Disk;
use crate::logs::{LogOptions, LogReader, LogStore, StoreError};
use crate::series::{SeriesError, SeriesOptions, SeriesReader, SeriesStore};
use std::path::Path;
use std::sync::Arc;

/// What was found in the directory of both stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records of calls, lines, events and spans.
    pub records: u64,
    /// Samples of metrics that can be read.
    pub samples: u64,
    /// Bytes that were compared with their checksums, or read through.
    pub bytes: u64,
    /// Bytes that a crash left of unfinished writes: nothing in them was ever acknowledged.
    pub torn_bytes: u64,
    /// What is damaged, in words: file, place, what is wrong, which records.
    pub damage: Vec<String>,
}

impl Report {
    /// `true` when everything that was acknowledged is there.
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The records.
    #[error(transparent)]
    Logs(#[from] StoreError),
    /// The samples.
    #[error(transparent)]
    Series(#[from] SeriesError),
}

/// Reads everything and changes nothing.
///
/// - `store`: the directory that holds `logs` and `series`; one of them may be missing.
///
/// # Errors
/// [`CheckError`] when a directory cannot be read at all.
pub fn check(disk: &Arc<dyn Disk>, store: &Path) -> Result<Report, CheckError> {
    let mut report = Report::default();
    let (logs, series) = (store.join("logs"), store.join("series"));
    if disk.list(&logs).is_ok() {
        let (reader, opened) = LogReader::open_read_only(Arc::clone(disk), &logs)?;
        let verified = reader.verify()?;
        report.records = reader.stats()?.records;
        report.bytes += verified.bytes;
        report.torn_bytes += opened.torn_bytes;
        for damage in opened.damage.iter().chain(&verified.damage) {
            report.damage.push(format!("logs/{damage}"));
        }
    }
    if disk.list(&series).is_ok() {
        let (reader, opened) = SeriesReader::open_read_only(&**disk, &series)?;
        report.torn_bytes += opened.torn_bytes;
        let verified = reader.verify()?;
        let stats = reader.stats();
        report.samples = verified.samples + stats.head_samples;
        report.bytes += stats.block_bytes + stats.wal_bytes;
        for damage in opened.damage.iter().chain(&verified.damage) {
            report.damage.push(format!("series/{damage}"));
        }
    }
    report.damage.sort();
    report.damage.dedup();
    Ok(report)
}

/// Opens both stores as their writer does: cuts what a crash left, sets aside what cannot be read. What was cut and
/// set aside is in the report.
///
/// - `store`: the directory that holds `logs` and `series`. Nobody else may write there.
///
/// # Errors
/// [`CheckError`].
pub fn repair(disk: &Arc<dyn Disk>, store: &Path) -> Result<Report, CheckError> {
    let mut report = Report::default();
    let (logs, series) = (store.join("logs"), store.join("series"));
    if disk.list(&logs).is_ok() {
        // Nothing is too old or too much here: that is for the daemon, which knows the plan.
        let options = LogOptions {
            retention: None,
            bytes_max: None,
            ..LogOptions::default()
        };
        let (writer, opened) = LogStore::open(Arc::clone(disk), &logs, options)?;
        report.records = opened.records;
        report.torn_bytes += opened.torn_bytes;
        report
            .damage
            .extend(opened.damage.iter().map(|damage| format!("logs/{damage}")));
        writer.close();
    }
    if disk.list(&series).is_ok() {
        let (writer, opened) =
            SeriesStore::open(Arc::clone(disk), &series, SeriesOptions::default())?;
        report.samples = writer.stats().head_samples + writer.stats().block_samples;
        report.torn_bytes += opened.torn_bytes;
        report.damage.extend(
            opened
                .damage
                .iter()
                .map(|damage| format!("series/{damage}")),
        );
        writer.close()?;
    }
    Ok(report)
}
