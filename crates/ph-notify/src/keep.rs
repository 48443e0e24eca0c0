//! Where rows are kept, and how they are written.

use ph_rules::dispatch::{Change, Room, Row};
use ph_store::state::{State, StateError, Write};
use serde::de::DeserializeOwned;

/// The room of the outbox; those of [`Room`] are beside it.
pub(crate) const OUTBOX: &str = "notify.outbox";
const ROOMS: [Room; 4] = [Room::Alert, Room::Group, Room::Log, Room::Silence];

/// Keeps rows: the file, or in tests something that fails.
pub(crate) trait Keep: Send {
    /// All of these changes or none, for good.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StateError>;

    /// The rows of a room, ascending by key.
    fn rows(&self, room: &str) -> Result<Vec<(String, String)>, StateError>;
}

impl Keep for State {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StateError> {
        Self::commit(self, writes)
    }

    fn rows(&self, room: &str) -> Result<Vec<(String, String)>, StateError> {
        Self::rows(self, room)
    }
}

/// The dispatcher's rows, and how many could not be read.
pub(crate) fn load(keep: &dyn Keep) -> Result<(Vec<Row>, usize), StateError> {
    let (mut rows, mut unreadable) = (Vec::new(), 0);
    for room in ROOMS {
        for (_, text) in keep.rows(name(room))? {
            match read(room, &text) {
                Some(row) => rows.push(row),
                None => unreadable += 1,
            }
        }
    }
    Ok((rows, unreadable))
}

fn name(room: Room) -> &'static str {
    match room {
        Room::Alert => "notify.alert",
        Room::Group => "notify.group",
        Room::Log => "notify.log",
        Room::Silence => "notify.silence",
    }
}

fn read(room: Room, text: &str) -> Option<Row> {
    fn of<T: DeserializeOwned>(text: &str) -> Option<T> {
        serde_json::from_str(text).ok()
    }
    match room {
        Room::Alert => of(text).map(Row::Alert),
        Room::Group => of(text).map(Row::Group),
        Room::Log => of(text).map(Row::Log),
        Room::Silence => of(text).map(Row::Silence),
    }
}

/// A change as it is written.
pub(crate) fn write(change: Change) -> Write {
    let text = change.row.map(|row| match row {
        Row::Alert(row) => serde_json::to_string(&row),
        Row::Group(row) => serde_json::to_string(&row),
        Row::Log(row) => serde_json::to_string(&row),
        Row::Silence(row) => serde_json::to_string(&row),
    });
    Write {
        room: name(change.room),
        key: change.key,
        // Rows of texts and numbers are always JSON.
        value: text.map(Result::unwrap_or_default),
    }
}
