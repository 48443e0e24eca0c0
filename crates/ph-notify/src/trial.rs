//! A desk without a clock and a disk, for tests.

use crate::counts::Counts;
use crate::desk::Desk;
use crate::keep::Keep;
use crate::settings::Settings;
use ph_plan::{NoSecrets, Plan};
use ph_store::state::{StateError, Write};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

type Rows = BTreeMap<(&'static str, String), String>;

/// Rows that outlive the desk, on a disk that can be full.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    rows: Arc<Mutex<Rows>>,
    is_full: Arc<Mutex<bool>>,
}

impl Memory {
    /// Lets every commit fail.
    pub(crate) fn set_full(&self, is_full: bool) {
        *self.is_full.lock().unwrap() = is_full;
    }

    pub(crate) fn len(&self, of: &str) -> usize {
        self.rows
            .lock()
            .unwrap()
            .keys()
            .filter(|(room, _)| *room == of)
            .count()
    }
}

impl Keep for Memory {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StateError> {
        if *self.is_full.lock().unwrap() {
            let path = PathBuf::from("memory");
            return Err(StateError::Full { path });
        }
        let mut rows = self.rows.lock().unwrap();
        for write in writes {
            let key = (write.room, write.key.clone());
            match &write.value {
                Some(value) => rows.insert(key, value.clone()),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn rows(&self, room: &str) -> Result<Vec<(String, String)>, StateError> {
        let rows = self.rows.lock().unwrap();
        let of_room = rows.iter().filter(|((of, _), _)| *of == room);
        Ok(of_room
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect())
    }
}

/// Settings from the block `notify` of a configuration.
pub(crate) fn settings(notify: &str) -> Arc<Settings> {
    let text = format!("servers:\n  one:\n    url: http://127.0.0.1:1/mcp\nnotify:\n{notify}");
    let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap();
    Arc::new(Settings::of(&plan, "http://127.0.0.1:3001").unwrap())
}

pub(crate) fn open(settings: &Arc<Settings>, memory: &Memory, now_ms: i64) -> (Desk, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    counts.set_names(&settings.counted(), false);
    let keep = Box::new(memory.clone());
    let (desk, unreadable) =
        Desk::open(Arc::clone(settings), keep, Arc::clone(&counts), now_ms).unwrap();
    assert_eq!(unreadable, 0);
    (desk, counts)
}
