//! Which reader a file belongs to, by its name.

use crate::read_error::ReadError;
use crate::source::Source;
use crate::{Inventory, cargo, npm, python};

/// A reader of one kind of file.
type Reader = fn(Source<'_>) -> Result<Inventory, ReadError>;

/// Reads one file. `path` is relative to what is scanned, with `/`; it is what components and errors name.
///
/// None: not a file that is known by its name.
///
/// - errors: the first place where the file is not what its name says, or goes beyond a bound ([`crate::limits`]).
pub fn file(path: &str, bytes: &[u8]) -> Result<Option<Inventory>, ReadError> {
    match reader(path) {
        Some(reader) => reader(Source::of(path, bytes)?).map(Some),
        None => Ok(None),
    }
}

/// Whether [`file`] reads a file of this path.
#[must_use]
pub fn is_known(path: &str) -> bool {
    reader(path).is_some()
}

fn reader(path: &str) -> Option<Reader> {
    let name = path.rsplit('/').next().unwrap_or(path);
    Some(match name {
        "package-lock.json" | "npm-shrinkwrap.json" => npm::package_lock,
        "yarn.lock" => npm::yarn_v1,
        "uv.lock" => python::uv,
        "Cargo.lock" => cargo::cargo_lock,
        _ => return None,
    })
}
