//! The whole binary, in front of scripted servers, as its clients and operators see it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod access;
mod addresses;
mod anomalies;
mod asking;
mod attribution;
mod auth;
mod bad_input;
mod cases;
mod client;
mod collector;
mod cost;
mod crowd;
mod flood;
mod gateway;
mod hook;
mod http1;
mod keeping;
mod limits;
mod malicious;
mod mirror;
mod one_record;
mod patching;
mod pins;
mod reading;
mod reload;
mod replace;
mod replicas;
mod resources;
mod rightsize;
mod rule_files;
mod rules;
mod secrets;
mod service;
mod sharing;
mod slos;
mod stopping;
mod streams;
mod top;
mod vulnerable;
mod world;
