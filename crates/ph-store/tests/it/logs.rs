//! The store of records.

mod crash;
mod held;
mod life;
mod search;
