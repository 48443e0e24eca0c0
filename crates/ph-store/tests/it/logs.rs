//! The store of records.

mod life;
