//! The engine as its callers see it.

mod hostile;
mod limits;
mod source;
