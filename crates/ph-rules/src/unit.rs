//! `promtool test rules`, with our engine.

mod memory;

pub use self::memory::Memory;
