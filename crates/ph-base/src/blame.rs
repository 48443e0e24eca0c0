//! Who has to act on a failed call.

/// Who has to act. Closed, because it is a log field and an input of SLOs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Blame {
    /// Nobody: the call did what was asked.
    Nobody,
    /// The client sent something that could not be served, or left.
    Caller,
    /// The MCP server failed, was late, or answered nonsense.
    Upstream,
    /// Pilothouse itself refused or failed.
    Gateway,
}

impl Blame {
    /// The text in logs.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Caller => "caller",
            Self::Upstream => "upstream",
            Self::Gateway => "gateway",
        }
    }
}
