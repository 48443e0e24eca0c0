//! What a server's tools were when somebody trusted them, and what has become of them since.
//!
//! A definition is what a model reads and does: a sentence that is slipped into a description later is an
//! instruction that nobody has looked at. So each definition has a hash of its whole canonical form (RFC 8785), and
//! the set of a server's tools is known too, since a renamed tool would be a new one to whoever compares by name.

mod book;
mod canonical;
mod change;
mod check;
mod definition;
mod difference;
mod json;
mod pin;
mod printable;
mod saved;

pub use book::{Book, Listing, NotApproved, Whose};
pub use canonical::canonical;
pub use change::Change;
pub use check::{Finding, Offered, RULES, Rule, Severity, check};
pub use definition::{Definition, Hash, NAME_BYTES_MAX, Page, TEXT_BYTES_MAX, TOOLS_MAX};
pub use difference::{Difference, Part, differences};
pub use json::Fault;
pub use pin::{Accepted, By, Pin, Seen, Standing};
pub use printable::printable;
pub use saved::Unreadable;
