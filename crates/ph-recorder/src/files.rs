//! The log files: written in batches, rotated, found again after somebody else's rotation.
//!
//! Decisions:
//! - One append per batch. A batch that cannot be written is lost and counted; nothing is kept for
//!   later, since what is kept has to be bounded too, and the next batch tries anew.
//! - A line that was written in part is cut off again before anything else is written, so that a
//!   file holds whole lines at any time but in the middle of a fault. What a killed process left is
//!   cut when the file is opened.
//! - Compression and removal happen on a thread of their own ([`janitor`]).

mod directory;
#[cfg(test)]
mod faulty;
mod janitor;
mod log;

pub(crate) use directory::{Directory, LogDir};
#[cfg(test)]
pub(crate) use faulty::FaultyDir;
pub(crate) use janitor::{Janitor, Retention};
pub(crate) use log::{Log, Rotation};

/// The log of everything, and that of errors alone.
pub(crate) const COMBINED: &str = "combined";
pub(crate) const ERROR: &str = "error";
