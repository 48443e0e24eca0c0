//! Where variables and files come from that a configuration refers to.

use std::ffi::OsString;
use std::io;
use std::path::Path;

/// Resolves what a configuration only refers to. The binary's implementation reads the
/// environment and the disk; this crate does neither.
pub trait Secrets {
    /// The value of an environment variable; `None` when it is not set.
    fn variable(&self, name: &str) -> Option<OsString>;

    /// The content of a file.
    ///
    /// # Errors
    /// What the operating system says; `InvalidData` for content that is not UTF-8 or is longer
    /// than the implementation wants to read.
    fn file(&self, path: &Path) -> io::Result<String>;
}

/// No variable is set and no file exists: for texts without references.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn variable(&self, _name: &str) -> Option<OsString> {
        None
    }

    fn file(&self, _path: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
}
