//! Rules: which there are, and those that run.

mod news;
mod outlet;
mod remote;
mod running;
mod set;

use news::News;
pub(crate) use remote::Asked;
pub(crate) use running::{Parts, Running};
pub(crate) use set::evaluates;
pub use set::{RuleProblems, RuleSet, RuleText};
