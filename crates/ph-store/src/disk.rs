//! What the stores ask of a file system, so that tests can have one that fails.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "test")]
mod faulty;
mod real;

#[cfg(feature = "test")]
pub use faulty::{Faults, FaultyDisk};
pub use real::RealDisk;

/// A file system. Every path is used as it is given.
pub trait Disk: Send + Sync + Debug {
    /// Makes a directory and its parents, for the owner alone. One that is there is left as it is.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes an empty file, or empties the one that is there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;
    /// Opens a file to append to; makes it when there is none.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;
    /// Opens a file to read from. It stays readable when its name is removed.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>>;
    /// Gives a file another name, and replaces the file that had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The regular files of a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>>;
    /// Makes what was created, renamed and removed in a directory last.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that can still be written.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// A file open for appending.
pub trait WriteFile: Send + Debug {
    /// Appends all of `bytes`. After an error any beginning of them may stand in the file.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written last. After an error nothing written since the last success can be relied on.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file, or fills it with zeros, to `bytes`.
    fn set_len(&mut self, bytes: u64) -> io::Result<()>;
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// `true` when nothing stands in it.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|bytes| bytes == 0)
    }
}

/// A file open for reading, by any number of threads.
pub trait ReadFile: Send + Sync + Debug {
    /// Reads some bytes at `offset` and says how many; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// `true` when nothing stands in it.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|bytes| bytes == 0)
    }
    /// Fills the buffer; an early end is an error of kind `UnexpectedEof`.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    buffer = &mut buffer[n..];
                    offset += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A file in a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name, without directory.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}
