//! The stores in the data directory: opened at the start, read by the API and the sinks.

use crate::home::Home;
use crate::settings;
use ph_plan::{Fsync, Plan};
use ph_recorder::{Keep, KeptSettings};
use ph_store::RealDisk;
use ph_store::logs::{LogOptions, LogReader, LogStore, StoreError};
use ph_store::series::{SeriesError, SeriesOptions, SeriesReader, SeriesStore};
use std::sync::Arc;

/// Readers of what is kept; cheap to clone.
#[derive(Clone)]
pub(crate) struct Readers {
    pub(crate) logs: LogReader,
    pub(crate) series: SeriesReader,
}

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// That of lines and spans.
    #[error("the store of records cannot be opened; `store.enabled: false` runs without it")]
    Logs(#[from] StoreError),
    /// That of samples.
    #[error("the store of metrics cannot be opened; `store.enabled: false` runs without it")]
    Series(#[from] SeriesError),
}

/// Opens both stores; `None` when nothing is to be kept. What a crash left behind is said to
/// `complain`.
pub(crate) fn open(
    plan: &Plan,
    home: &Home,
    kept: Option<KeptSettings>,
    complain: &dyn Fn(&str),
) -> Result<Option<(Keep, Readers)>, OpenError> {
    let Some(settings) = kept else {
        return Ok(None);
    };
    let disk = Arc::new(RealDisk);
    let options = LogOptions {
        retention: Some(settings.retention),
        bytes_max: Some(settings.logs_bytes),
        keep_unsynced: plan.store.fsync != Fsync::Os,
        ..LogOptions::default()
    };
    let (logs, found) = LogStore::open(disk.clone(), &home.store_logs(), options)?;
    for damage in &found.damage {
        complain(&format!("the store is damaged: {damage}"));
    }
    let options = SeriesOptions {
        retention: settings.retention,
        bytes_max: settings.series_bytes,
        syncs: plan.store.fsync != Fsync::Os,
        series_max: settings::count(plan.store.series_max),
        ..SeriesOptions::default()
    };
    let (series, found) = SeriesStore::open(disk, &home.store_series(), options)?;
    for damage in &found.damage {
        complain(&format!("the store is damaged: {damage}"));
    }
    let readers = Readers {
        logs: logs.reader(),
        series: series.reader(),
    };
    let keep = Keep {
        logs,
        series,
        settings,
    };
    Ok(Some((keep, readers)))
}
