//! The language of log queries: `tool=searchFiles duration>=2s status!=200 "permission denied"`.
//!
//! A text becomes a [`Filter`], or an error that points at its place. A filter says of a line whether it
//! matches, and of a block of lines whether any can. `docs/query.md` describes it for operators.
//!
//! Pure: no I/O, no clock.

mod condition;
mod error;
mod eval;
mod field;
mod filter;
pub(crate) mod line;
mod parser;
#[cfg(test)]
mod tests;
mod units;

pub use error::QueryError;
pub use field::{Field, FieldType, Known, Path};
pub use filter::{Condition, Expr, Expression, Filter, Leaf, Needle, Order, Pattern, Test};
pub use parser::parse;
