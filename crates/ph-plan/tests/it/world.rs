//! The variables and files that the cases refer to.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use ph_plan::Secrets;

/// The value that must never be shown.
pub(crate) const SECRET: &str = "s3cr3t-from-elsewhere";

pub(crate) struct World;

impl Secrets for World {
    fn variable(&self, name: &str) -> Option<OsString> {
        let value = match name {
            "TOKEN" | "SET" => SECRET,
            "HOME_DIR" => "/home/pilot",
            "WORD" => "word",
            "NUMBER_16" => "16",
            "NUMBER_999" => "999",
            "PORT_8080" => "8080",
            "FALSE" => "false",
            "LONG" => return Some("x".repeat(100_000).into()),
            "MULTI_LINE" => "s3cr3t-from-elsewhere\nline",
            "NOT_TEXT" => return Some(OsString::from_vec(vec![0xff])),
            _ => return None,
        };
        Some(value.into())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        match path.to_str() {
            Some("/run/token") => Ok(format!("{SECRET}\n")),
            Some("/run/multi_line") => Ok(format!("{SECRET}\n{SECRET}\n")),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// A place in this crate's `tests/config`.
pub(crate) fn cases(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/config")
        .join(folder)
}

/// A place in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Whether golden files are to be written, not compared.
#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the tests, not of the product"
)]
pub(crate) fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}
