//! What becomes of an alert before it is sent: which receivers hear of it, with which others, when, and
//! whether it is kept quiet.
//!
//! [`Dispatcher`] behaves as Alertmanager 0.25 does: routes, groups with their three times, silences,
//! inhibition by one level, and a log of what each receiver was told, so that nobody is told twice.
//! Time is an argument. Its state is a set of plain [`Row`]s; after every step [`Dispatcher::take_changes`]
//! says which of them have changed, so that whoever keeps them can make a step and what came of it one
//! transaction.
//!
//! Everything is bounded ([`Bounds`]); what has no room is counted ([`Dropped`]).
//!
//! Not here: sending, files, HTTP (`ph-notify`, `ph-api`).

mod fingerprint;
mod group;
mod held;
mod incoming;
mod inhibit;
mod log;
mod machine;
mod matcher;
mod notification;
mod order;
mod route;
mod rows;
mod settings;
mod silence;
mod text;
mod view;

pub use fingerprint::fingerprint;
pub use incoming::{Incoming, Posted};
pub use inhibit::Inhibit;
pub use machine::{Dispatcher, Dropped};
pub use matcher::{Matchers, SyntaxError, parse_matcher, parse_matchers};
pub use notification::{Notification, Told};
pub use route::{GroupBy, Route};
pub use rows::{AlertRow, Change, GroupRow, LogRow, MatcherRow, Room, Row, SilenceRow};
pub use settings::{Bounds, Settings};
pub use silence::{Silence, SilenceDraft, SilenceError, SilenceState};
pub use view::{AlertView, GroupView, SilenceView, Status};

#[cfg(test)]
mod tests;
