//! Whether everything that is kept can be read, and making the best of it where it cannot.

use crate::disk::Disk;
use crate::logs::{LogOptions, LogReader, LogStore, StoreError};
use crate::series::{SeriesError, SeriesOptions, SeriesReader, SeriesStore};
use ph_promql::{MatchOp, Matcher, Select, SeriesSource};
use std::path::Path;
use std::sync::Arc;

/// What was found in the directory of both stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records of calls, lines, events and spans.
    pub records: u64,
    /// Samples of metrics that were read.
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
/// - `now_unix_ms`: samples beyond are not read.
///
/// # Errors
/// [`CheckError`] when a directory cannot be read at all.
pub fn check(disk: &Arc<dyn Disk>, store: &Path, now_unix_ms: i64) -> Result<Report, CheckError> {
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
        report.samples = read_all(&reader, now_unix_ms);
        let stats = reader.stats();
        report.bytes += stats.block_bytes + stats.wal_bytes;
        for damage in opened.damage.iter().chain(&stats.damage) {
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

/// So much time at once, in milliseconds: what 20,000 series have in it fits into memory.
const WINDOW_MS: i64 = 2 * 3_600_000;

/// Reads every sample up to now, so that the reader meets whatever is damaged; returns how many there are.
fn read_all(reader: &SeriesReader, now_unix_ms: i64) -> u64 {
    // Without blocks everything is in memory, and was compared when it was read.
    let stats = reader.stats();
    let Some(oldest_ms) = stats.oldest_ms else {
        return stats.head_samples;
    };
    let mut samples = 0;
    for metric in reader.label_values("__name__", &[], i64::MIN, i64::MAX) {
        let Ok(matcher) = Matcher::new("__name__", MatchOp::Eq, &*metric) else {
            continue;
        };
        let mut from_ms = oldest_ms;
        while from_ms <= now_unix_ms {
            let select = Select {
                matchers: std::slice::from_ref(&matcher),
                from_ms,
                to_ms: from_ms + WINDOW_MS - 1,
                range_ms: None,
                step_ms: None,
                function: None,
                samples_max: usize::MAX,
                series_max: usize::MAX,
            };
            // What cannot be read is in the reader's list of damage.
            for series in reader.select(&select).unwrap_or_default() {
                samples += series.samples.len() as u64;
            }
            from_ms += WINDOW_MS;
        }
    }
    samples
}
