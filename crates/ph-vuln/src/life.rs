//! What becomes of a finding: a state, a clock, and a line of history for each thing that happened.
//!
//! A [`Case`] is one vulnerability of one package in one server, through re-scans, new versions and merged aliases. The
//! [`Book`] holds all cases; what a scan saw is a [`Look`]. Times are Unix seconds and come in as arguments.

pub mod book;
pub mod case;
pub mod deadline;
pub mod doubt;
pub mod event;
pub mod look;
pub mod state;
pub mod vex;

mod observe;
#[cfg(test)]
mod tests;

pub use book::{Book, Counts, Head, NotMoved, Scanned, Tally};
pub use case::{Case, Entry, Order, Proof, Refusal};
pub use deadline::{Clock, Deadlines};
pub use doubt::Doubt;
pub use event::{Move, Sight, after_move, after_sight, meant, moves_from};
pub use look::{Gap, Look};
pub use state::State;
pub use vex::{Held, dependency_track, last_said, stance};
