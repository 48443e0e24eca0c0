//! The replicas of a server: how many there should be, which one gets a call, and which one is left out.
//!
//! Nothing here starts, asks or ends anything: whoever does gives the time and what it has seen, and is
//! told what to do. Times are spans since any fixed moment, and never go back.

mod breaker;
mod choice;
mod scale;

pub use breaker::{Breaker, BreakerRules, Standing, Turn};
pub use choice::least_loaded;
pub use scale::{Load, ScaleRules, Scaler};
