//! How far each file was read, remembered over restarts.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A place in a file, and what tells the file from another of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Device and number of the file.
    pub(super) file: (u64, u64),
    /// Bytes that were read, up to the beginning of a line.
    pub(super) offset: u64,
    /// Hash of its first bytes, as many as `head_bytes`.
    pub(super) head: u64,
    /// At most 256.
    pub(super) head_bytes: u64,
}

/// The file that remembers: a line for each file, numbers and then the path.
pub(super) struct Positions {
    path: PathBuf,
    known: BTreeMap<PathBuf, Place>,
}

/// Places that are remembered, of files that are no longer followed too.
const KNOWN_MAX: usize = 1024;

impl Positions {
    /// What was remembered; nothing when the file is not there or not ours.
    pub(super) fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let known = text.lines().filter_map(parse).take(KNOWN_MAX).collect();
        Self { path, known }
    }

    /// How far a file was read.
    pub(super) fn get(&self, path: &Path) -> Option<Place> {
        self.known.get(path).copied()
    }

    /// Remembers these places, besides those of other files.
    ///
    /// # Errors
    /// When the file cannot be replaced; the old one stays.
    pub(super) fn write(&mut self, now: Vec<(PathBuf, Place)>) -> io::Result<()> {
        let before = self.known.clone();
        self.known.extend(now);
        while self.known.len() > KNOWN_MAX {
            self.known.pop_first();
        }
        if before == self.known {
            return Ok(());
        }
        let mut text = String::new();
        for (path, place) in &self.known {
            // A path with a line feed, or that is no text, is begun anew after a restart.
            let Some(path) = path.to_str().filter(|path| !path.contains('\n')) else {
                continue;
            };
            let Place {
                file: (device, number),
                offset,
                head,
                head_bytes,
            } = place;
            text.push_str(&format!(
                "{device} {number} {offset} {head} {head_bytes} {path}\n"
            ));
        }
        let next = self.path.with_extension("new");
        let mut file = fs::File::create(&next)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&next, &self.path)
    }
}

fn parse(line: &str) -> Option<(PathBuf, Place)> {
    let mut parts = line.splitn(6, ' ');
    let mut number = || parts.next()?.parse().ok();
    let (device, inode, offset, head, head_bytes) =
        (number()?, number()?, number()?, number()?, number()?);
    let place = Place {
        file: (device, inode),
        offset,
        head,
        head_bytes,
    };
    Some((PathBuf::from(parts.next()?), place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tails");
        let place = |offset| Place {
            file: (1, u64::MAX),
            offset,
            head: 7,
            head_bytes: 256,
        };
        let file = PathBuf::from("/a b/c.log");
        let mut positions = Positions::read(path.clone());
        assert_eq!(positions.get(&file), None);
        positions.write(vec![(file.clone(), place(5))]).unwrap();
        positions.write(vec![("/other".into(), place(6))]).unwrap();
        let again = Positions::read(path.clone());
        assert_eq!(again.get(&file), Some(place(5)));
        assert_eq!(again.get(Path::new("/other")), Some(place(6)));
        fs::write(&path, b"nonsense\n\xff 1 2 3\n1 2 3 4 5 /x\n").unwrap();
        assert_eq!(Positions::read(path).known.len(), 0, "no text, no places");
    }
}
