//! What decides about alerts: rule files and their machines, service level objectives, and what becomes
//! of an alert before it is sent.
//!
//! Layer 3: no async, no I/O, no clock; `now` is an argument. Expressions are evaluated by whoever
//! implements [`Ask`], so the same machines run over the own store and over another Prometheus.
//! Not here: ticking (`ph-jobs`), sending and remembering (`ph-notify`), HTTP (`ph-api`).

mod alert;
mod ask;
pub mod backtest;
pub mod cost;
pub mod dispatch;
mod duration;
pub mod file;
pub mod group;
pub mod slo;
pub mod standard;
pub mod template;
pub mod unit;

pub use alert::Alert;
pub use ask::{Ask, AskError};
pub use file::{Group, Rule, RuleFile, RuleKind};
pub use group::{GroupRun, GroupStatus, Settings, Tick};
pub use template::Template;
