//! What a server's own repository runs: scans every day and on every push, updates that arrive by themselves.
//!
//! The gate is the exit code of our own scan: `npm audit` fails on everything alike, `yarn audit --json` is one
//! object per line, and `pip-audit` is green where it could look nothing up.

mod github;
mod gitlab;
mod manager;
mod pins;
mod renovate;
mod steps;
mod trivy;

pub use github::github_actions;
pub use gitlab::gitlab_ci;
pub use manager::Manager;
pub use pins::{BadPin, NoPin, Pin, Pins};
pub use renovate::renovate;
pub use trivy::trivy;

/// The program that scans, and what it is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where a job downloads it.
    pub url: String,
    /// SHA-256 of the file, 64 hexadecimal digits: another file is not run.
    pub sha256: String,
}

/// What the jobs are made for.
#[derive(Clone, Debug)]
pub struct Ci {
    /// How the server's packages are installed.
    pub manager: Manager,
    /// Where the lockfile is, relative to the repository; `.` for its root.
    pub folder: String,
    /// The branch whose pushes are scanned.
    pub branch: String,
    /// The program that scans.
    pub program: Program,
    /// The commits of actions.
    pub pins: Pins,
}
