//! One trace as a tree: from the lines that carry its id to spans with their children, what each of them did
//! itself, and which of them the caller waited for.
//!
//! Our own two spans of a call are not stored: they are made of the call's line. Spans that servers sent lie
//! beneath them, log lines beside the span that they name.
//!
//! Pure: no I/O, no clock. What is missing, doubled or circular in the lines shows, and does no harm.

mod build;
mod fold;
mod json;
mod span;
#[cfg(test)]
mod tests;
mod time;
mod timing;

pub use build::{Omitted, Trace};
pub use fold::Row;
pub use span::{Note, Place, Span, SpanKind};
