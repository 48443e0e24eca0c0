//! The store of records.

mod crash;
mod life;
mod search;
