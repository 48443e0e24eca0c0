//! Clients that are refused for what was abnormal, as they are asked for and shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whoever refuses clients for what was abnormal.
pub trait Blocks: Send + Sync {
    /// Those that are refused now.
    fn list(&self) -> Vec<BlockInfo>;

    /// Lets a client in again; `false`: it was not refused.
    fn lift(&self, client: &str) -> bool;
}

/// A client that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockInfo {
    /// Its principal, its `X-Client-Id` where that is believed, or its address.
    pub client: String,
    /// What was abnormal.
    pub kind: String,
    /// Until when it is refused, in Unix milliseconds.
    pub until_ms: u64,
}
