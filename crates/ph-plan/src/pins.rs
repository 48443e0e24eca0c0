//! Pinning of tool definitions: what is done when a server's tools are no longer what they were.

use std::time::Duration;

use crate::choices::choice;
use crate::plan::{hours, minutes, secs};
use crate::section::section;

section! {
    /// Pinning of tool definitions: the first whole list of a server's tools is remembered, and what
    /// differs from it later is told, or kept from clients until an operator approves it.
    pub struct Pins {
        /// What is done; `servers.NAME.pins` says it for one server.
        mode: PinMode = PinMode::Off;
        /// Whether tools that wait for approval are left out of the lists that clients get, where
        /// they are blocked. Else they are listed, and cannot be called.
        hide: bool = true;
        /// Time after which a server is asked for its tools again, besides at its start and when it
        /// says that they have changed.
        every: Duration = minutes(10), in secs(1)..=hours(24);
    }
}

choice! {
    /// What is done about tools that are no longer what they were.
    pub enum PinMode {
        /// Nothing is remembered.
        Off = "off",
        /// It is told.
        Alert = "alert",
        /// It is told, and they cannot be called until an operator approves them.
        Block = "block",
    }
}
