//! Tests of the crate as the binary uses it.

mod changes;
mod documentation;
mod golden;
mod robustness;
mod schema;
mod shown;
mod world;
mod zero_configuration;
