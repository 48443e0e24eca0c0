//! Where a sink is, on disk.
//!
//! One small JSON file per sink, replaced whole. It is written after the other side has answered, so
//! it is never ahead of what was taken.

use crate::overflow::Place;
use serde_json::{Value, json};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The offset file of one sink.
#[derive(Debug)]
pub(crate) struct OffsetFile {
    path: PathBuf,
    /// An offset means something in one store only.
    store_id: String,
}

/// Larger is no offset file of ours.
const BYTES_MAX: u64 = 4096;

impl OffsetFile {
    /// - `name`: the sink's; its file is `<dir>/<name>.offset`.
    pub(crate) fn new(dir: &Path, name: &str, store_id: String) -> Self {
        Self {
            path: dir.join(format!("{name}.offset")),
            store_id,
        }
    }

    /// The place that was kept; `None` when there is none, or one of another store.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or is not what we write.
    pub(crate) fn load(&self) -> io::Result<Option<Place>> {
        let mut text = String::new();
        match File::open(&self.path) {
            Ok(file) => file.take(BYTES_MAX).read_to_string(&mut text)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let kept: Value = serde_json::from_str(&text)?;
        if kept["store"].as_str() != Some(&self.store_id) {
            return Ok(None);
        }
        let next = kept["next"]
            .as_u64()
            .ok_or_else(|| io::Error::other("`next` is missing"))?;
        Ok(Some(Place {
            next,
            closed_at: kept["closed_at"].as_u64(),
        }))
    }

    /// Keeps `place`: when this returns, it survives a power cut.
    ///
    /// # Errors
    /// The system's; the file is then as it was.
    pub(crate) fn save(&self, place: Place) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let new = self.path.with_extension("offset.new");
        let text =
            json!({"store": self.store_id, "next": place.next, "closed_at": place.closed_at});
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text.to_string().as_bytes())?;
        file.sync_data()?;
        fs::rename(&new, &self.path)?;
        File::open(dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again_in_its_own_store_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = |store: &str| OffsetFile::new(&dir.path().join("sinks"), "es", store.to_owned());
        assert_eq!(file("a").load().unwrap(), None);
        let place = Place {
            next: 7,
            closed_at: Some(9),
        };
        file("a").save(place).unwrap();
        file("a").save(Place { next: 8, ..place }).unwrap();
        assert_eq!(file("a").load().unwrap(), Some(Place { next: 8, ..place }));
        assert_eq!(file("b").load().unwrap(), None);
    }

    #[test]
    fn what_is_no_offset_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{}x", r#"{"store":"a"}"#] {
            fs::write(dir.path().join("es.offset"), text).unwrap();
            let file = OffsetFile::new(dir.path(), "es", "a".to_owned());
            assert!(file.load().is_err(), "{text}");
        }
    }
}
