//! Events of the process itself.

use crate::advisories::Note;
use ph_record::{EventKind, Observation, RecordSink as _, Replica, ServerEvent};
use ph_recorder::Recorder;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// An event that is of no server.
pub(crate) fn note(recorder: &Recorder, kind: EventKind) {
    let at_unix_ns = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
    recorder.observe(Observation::Event(ServerEvent {
        server: None,
        replica: Replica::None,
        at_unix_ns,
        kind,
    }));
}

/// The same, for those that have events of their own.
pub(crate) fn notes(recorder: &Recorder) -> Arc<Note> {
    let recorder = recorder.clone();
    Arc::new(move |kind| note(&recorder, kind))
}
