//! The one place that writes to the terminal: data to stdout, talk to stderr.

use anyhow::Error;
use std::io::{self, Write};

/// Writes to the terminal.
pub(crate) struct Printer;

impl Printer {
    pub(crate) fn new() -> Self {
        Self
    }

    /// Data, for programs to read. A closed pipe is success: the reader has what it wanted.
    ///
    /// # Errors
    /// Any other failure to write.
    pub(crate) fn data(&self, text: &str) -> io::Result<()> {
        self.data_wanted(text).map(drop)
    }

    /// Data; `false` when nobody reads any more, so that no more need be made.
    ///
    /// # Errors
    /// Any other failure to write.
    pub(crate) fn data_wanted(&self, text: &str) -> io::Result<bool> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Talk, for people to read.
    pub(crate) fn say(&self, text: &str) {
        // There is nowhere left to say that stderr cannot be written.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// An error with its causes, and a hint where one of them has some.
    pub(crate) fn error(&self, error: &Error) {
        let mut text = format!("error: {error}");
        for cause in error.chain().skip(1) {
            text.push_str(&format!("\n  caused by: {cause}"));
        }
        let refused = error
            .chain()
            .find_map(|c| c.downcast_ref::<crate::ask::Refused>());
        let told = refused.and_then(|refused| refused.hint.as_deref());
        if let Some(hint) = told.or_else(|| hint(error)) {
            text.push_str(&format!("\nhint: {hint}"));
        }
        self.say(&text);
    }
}

/// What to do about the errors that people meet first.
fn hint(error: &Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        if let Some(start) = cause.downcast_ref::<ph_server::StartError>() {
            return match start {
                ph_server::StartError::Listen { .. } => {
                    Some("take another address with `--listen 127.0.0.1:PORT` (port 0 takes a free one), or `listen:` in the configuration")
                }
                _ => None,
            };
        }
        cause.downcast_ref::<ph_server::HomeError>().map(|home| match home {
            ph_server::HomeError::Taken { .. } => "give this one its own directory with `--data-dir DIR`, or stop the other",
            ph_server::HomeError::Unusable { .. } => "choose a directory that can be written with `--data-dir DIR`",
        })
    })
}
