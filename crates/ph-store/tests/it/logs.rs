//! The store of records.

mod beside;
mod bounds;
mod counts;
mod crash;
mod damage;
mod held;
mod life;
mod search;
