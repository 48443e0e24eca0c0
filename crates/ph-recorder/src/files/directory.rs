//! What the log files ask of a file system, so that tests can have a faulty one.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// A directory of log files; names are without path.
pub(crate) trait LogDir: Send + Sync {
    /// Opens a file for appending, made when there is none. A last line without end is cut off.
    fn open(&self, name: &str) -> io::Result<Opened>;
    /// Which file stands under a name now.
    fn identity(&self, name: &str) -> io::Result<Identity>;
    /// Gives a file another name; fails when that is taken.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Every regular file.
    fn list(&self) -> io::Result<Vec<Listed>>;
    /// Replaces `name` by `name.zst`, which is whole or not there.
    fn compress(&self, name: &str) -> io::Result<()>;
}

/// An open log file.
pub(crate) trait LogFile: Send {
    /// Appends some of `bytes` and says how many.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Removes the last `tail_bytes`.
    fn cut(&mut self, tail_bytes: u64) -> io::Result<()>;
}

/// Device and inode.
pub(crate) type Identity = (u64, u64);

/// A file that was opened.
pub(crate) struct Opened {
    pub(crate) file: Box<dyn LogFile>,
    pub(crate) identity: Identity,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// When it was made, Unix time in seconds; where that is not kept, when it was last written.
    pub(crate) born_unix_s: u64,
}

/// A file in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// A real directory; made when it is first needed, readable by its owner alone.
#[derive(Debug)]
pub(crate) struct Directory(pub(crate) PathBuf);

const OWNER_DIR: u32 = 0o700;
const OWNER_FILE: u32 = 0o600;

impl LogDir for Directory {
    fn open(&self, name: &str) -> io::Result<Opened> {
        DirBuilder::new()
            .recursive(true)
            .mode(OWNER_DIR)
            .create(&self.0)?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(OWNER_FILE)
            .open(self.0.join(name))?;
        let len = file.metadata()?.len();
        let whole = whole_lines(&file, len)?;
        if whole < len {
            file.set_len(whole)?;
        }
        let metadata = file.metadata()?;
        let born = metadata
            .created()
            .or_else(|_| metadata.modified())
            .unwrap_or(UNIX_EPOCH);
        Ok(Opened {
            identity: identity(&metadata),
            bytes: metadata.len(),
            born_unix_s: unix_s(born),
            file: Box::new(file),
        })
    }

    fn identity(&self, name: &str) -> io::Result<Identity> {
        fs::metadata(self.0.join(name)).map(|m| identity(&m))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let to = self.0.join(to);
        if to.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(self.0.join(from), to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                files.push(Listed {
                    name,
                    bytes: metadata.len(),
                });
            }
        }
        Ok(files)
    }

    fn compress(&self, name: &str) -> io::Result<()> {
        let [plain, unfinished, done] = [
            name.to_owned(),
            format!("{name}.zst.tmp"),
            format!("{name}.zst"),
        ]
        .map(|n| self.0.join(n));
        let to = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(OWNER_FILE)
            .open(&unfinished)?;
        zstd::stream::copy_encode(File::open(&plain)?, &to, ZSTD_LEVEL)?;
        // The plain file is removed next: what replaces it must be on disk by then.
        to.sync_all()?;
        fs::rename(&unfinished, &done)?;
        fs::remove_file(&plain)
    }
}

/// zstd's own default; log lines shrink to about a tenth.
const ZSTD_LEVEL: i32 = 3;

impl LogFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn cut(&mut self, tail_bytes: u64) -> io::Result<()> {
        let len = self.metadata()?.len();
        self.set_len(len.saturating_sub(tail_bytes))
    }
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

fn unix_s(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Length of the whole lines among the first `len` bytes.
fn whole_lines(file: &File, len: u64) -> io::Result<u64> {
    let mut block = [0; 8192];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let block = &mut block[..(end - start) as usize];
        file.read_exact_at(block, start)?;
        if let Some(at) = block.iter().rposition(|b| *b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
