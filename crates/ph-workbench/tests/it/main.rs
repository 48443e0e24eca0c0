//! The workbench driven by the SDK's own client: both eras, every transport.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod calls;
#[path = "../../../ph-otlp/tests/it/collector.rs"]
mod collector;
mod ending;
mod fixture;
mod refusals;
mod traces;
