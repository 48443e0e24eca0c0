//! A download that may be unfinished.

use super::{FetchError, io_error, shown};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

const HASH: HeaderName = HeaderName::from_static("x-goog-hash");

/// A download and what it is of.
pub(super) struct Part {
    path: PathBuf,
    /// Names address and entity tag of an unfinished one, a line each.
    about: PathBuf,
    url: String,
    pub(super) tag: Option<String>,
    file: File,
    pub(super) len: u64,
}

impl Part {
    /// What there is of a download, if it is of the same address and can be gone on with.
    pub(super) fn open(path: &Path, url: &str) -> Result<Self, FetchError> {
        let about = path.with_extension("about");
        let known = fs::read_to_string(&about).unwrap_or_default();
        let mut lines = known.lines();
        let tag = (lines.next() == Some(url)).then(|| lines.next()).flatten();
        let tag = tag.filter(|tag| !tag.is_empty()).map(ToOwned::to_owned);
        let io = |source| io_error(path, source);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(io)?;
        let mut part = Self {
            len: file.metadata().map_err(io)?.len(),
            path: path.to_owned(),
            about,
            url: url.to_owned(),
            tag,
            file,
        };
        if part.tag.is_none() && part.len > 0 {
            part.begin(None)?;
        }
        Ok(part)
    }

    /// Begins anew.
    ///
    /// - `tag`: of what will come.
    pub(super) fn begin(&mut self, tag: Option<&str>) -> Result<(), FetchError> {
        self.file
            .set_len(0)
            .map_err(|source| io_error(&self.path, source))?;
        self.len = 0;
        // A weak tag does not say that the bytes are the same.
        let tag = tag.filter(|tag| !tag.starts_with("W/")).unwrap_or_default();
        self.tag = Some(tag.to_owned()).filter(|tag| !tag.is_empty());
        let text = format!("{}\n{tag}\n", self.url);
        fs::write(&self.about, text).map_err(|source| io_error(&self.about, source))
    }

    pub(super) fn append(&mut self, piece: &[u8]) -> Result<(), FetchError> {
        self.file
            .write_all(piece)
            .map_err(|source| io_error(&self.path, source))?;
        self.len += piece.len() as u64;
        Ok(())
    }

    /// Compares the whole with the checksum that the server gives, if it does.
    pub(super) fn check(&mut self, path: &str, headers: &HeaderMap) -> Result<(), FetchError> {
        let Some(want) = hash_of(headers) else {
            return Ok(());
        };
        let io = |source| io_error(&self.path, source);
        let mut file = File::open(&self.path).map_err(io)?;
        let (mut got, mut buffer) = (0, vec![0; 256 << 10]);
        loop {
            match file.read(&mut buffer).map_err(io)? {
                0 => break,
                count => got = crc32c::crc32c_append(got, &buffer[..count]),
            }
        }
        if got == want {
            return Ok(());
        }
        self.begin(None)?;
        let path = shown(path);
        Err(FetchError::Checksum { path, want, got })
    }
}

/// Removes a download with what is said about it.
pub(crate) fn remove_download(file: &Path) {
    let _ = fs::remove_file(file);
    let _ = fs::remove_file(file.with_extension("about"));
}

/// The `crc32c` that object stores of Google give.
fn hash_of(headers: &HeaderMap) -> Option<u32> {
    let values = headers
        .get_all(HASH)
        .into_iter()
        .filter_map(|v| v.to_str().ok());
    let mut parts = values.flat_map(|value| value.split(','));
    let text = parts.find_map(|part| part.trim().strip_prefix("crc32c="))?;
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}
