//! Tells people of alerts, and forgets none of them.
//!
//! What `ph_rules::dispatch` decides is written to the outbox in the same transaction as the decision, and
//! sent from there: a notification is on disk before its first byte leaves, and is taken off when its
//! receiver has it. After a crash at any point it is sent again, at most one for each way out, with the same
//! `Idempotency-Key`.
//!
//! One thread owns the state and the file; each way out has a task with a queue of its own. Alertmanagers
//! get alerts as a Prometheus would send them: only the newest word about each, from memory, again and again.
//!
//! Not here: what is told to whom (`ph-rules`), rules and their clock (`ph-jobs`), HTTP in (`ph-api`).
//!
//! In reading order:

mod settings;

mod desk;
mod keep;
mod outbox;
mod saved;

mod notifier;
mod owner;

mod body;
mod place;
mod post;

mod forward;
mod heartbeat;
mod sender;

mod config_text;
mod counts;

pub use notifier::{Gone, Notifier, NotifyError, Start};
pub use settings::{Settings, SettingsError};

#[cfg(test)]
mod captured;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod trial;
