//! The only place where this program writes to its standard output.

use std::io::{self, Write};

/// Writes one line to standard output and flushes it, so that a program reading
/// the pipe sees it at once.
///
/// # Errors
/// When the reader is gone.
pub fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}
