//! Programs that list what they were built from.

use crate::read_error::ReadError;
use crate::{Inventory, auditable, go};

/// Reads the crates or modules that a program lists.
///
/// None: no ELF program, or one without a list.
///
/// - errors: the list is damaged or too long.
pub fn read(path: &str, program: &[u8]) -> Result<Option<Inventory>, ReadError> {
    match auditable::read(path, program)? {
        Some(inventory) => Ok(Some(inventory)),
        None => go::program(path, program),
    }
}
