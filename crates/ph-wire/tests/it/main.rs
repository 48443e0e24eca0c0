//! `ph-wire` against real processes.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod limits;
mod listener;
mod orphans;
mod output;
mod start;
mod stderr;
mod stop;
mod support;
mod upstream;
mod usage;
