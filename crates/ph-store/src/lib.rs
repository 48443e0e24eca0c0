//! What happened, kept on disk.

pub mod query;
