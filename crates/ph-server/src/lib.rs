//! Assembly: from a plan builds everything, and owns the order of start, reload and stop.
//!
//! Layer 5, the only crate that sees more than one of layer 4. Not here: what a
//! signal or a flag means (`pilothouse`).

mod admin;
mod advisories;
mod announcer;
mod archive;
mod audit;
mod blocks;
mod cases;
mod configuration;
mod daemon;
mod disk;
mod doors;
mod events;
mod front;
mod gatekeeper;
mod home;
mod keys;
mod limits;
mod notify;
mod objectives;
mod parts;
mod pins;
mod rules;
mod scanner;
mod scrapes;
mod servers;
mod settings;
mod sinks;
mod start_error;
mod stores;
mod waits;

pub use archive::{Archive, ArchiveError};
pub use cases::CaseDesk;
pub use configuration::{Looked, Origin, Unusable};
pub use daemon::{Boot, Daemon, Stopped};
pub use home::{Home, HomeError};
pub use keys::{KeyDesk, KeyDeskError};
pub use ph_api::console_files;
pub use ph_api::{
    CaseEntry, CaseInfo, CaseList, CaseProof, CaseRefusal, Cases, NewMove, Remediation,
    ScannedServer,
};
pub use ph_api::{KeyInfo, KeyRefusal, Keys, MadeSecret, NewKey, NewSecret, SecretInfo};
pub use ph_recorder::Level;
pub use rules::{RuleProblems, RuleSet, RuleText};
pub use settings::Environment;
pub use start_error::StartError;
pub use stores::OpenError;
