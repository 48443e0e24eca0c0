//! Where `${NAME}` and `file:` of a configuration come from: the environment and the disk.

use ph_plan::Secrets;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// An environment variable, when it is set and is text.
pub(crate) fn variable(name: &str) -> Option<String> {
    os_variable(name)?.into_string().ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the environment enters; everything below is told"
)]
fn os_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Longest secret file, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// The environment of this process, and its files.
pub(crate) struct Environment;

impl Secrets for Environment {
    fn variable(&self, name: &str) -> Option<OsString> {
        os_variable(name)
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        let read = File::open(path)?
            .take(FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)?;
        if read as u64 > FILE_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "longer than 64 KiB",
            ));
        }
        Ok(text)
    }
}
