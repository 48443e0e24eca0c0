//! Protocol revisions and the two eras they fall into.

/// How a client and a server speak: with sessions, or statelessly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Era {
    /// Up to 2025-11-25: `initialize`, sessions, server-to-client requests.
    Legacy,
    /// From 2026-07-28 on: every request carries its own metadata.
    Modern,
}

impl Era {
    /// The text in logs.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

/// A published protocol revision.
///
/// Order is the order of publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Revision {
    /// HTTP+SSE, deprecated.
    V2024_11_05,
    /// First Streamable HTTP; the only one with JSON-RPC batches.
    V2025_03_26,
    /// `MCP-Protocol-Version` header required.
    V2025_06_18,
    /// Resumable polling of event streams.
    V2025_11_25,
    /// Stateless.
    V2026_07_28,
}

impl Revision {
    /// Every known revision, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// The revision named by `text`, if it is a published one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }

    /// The revision as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The era this revision belongs to.
    pub fn era(self) -> Era {
        if self >= Self::V2026_07_28 {
            Era::Modern
        } else {
            Era::Legacy
        }
    }
}

/// Whether `text` looks like a revision of the modern era, known to us or not.
///
/// Revisions are ISO dates, so text order is time order; anything that is not
/// shaped like a date is not modern.
pub fn is_modern_version(text: &str) -> bool {
    let b = text.as_bytes();
    b.len() == 10
        && b.iter().enumerate().all(|(i, c)| {
            if i == 4 || i == 7 {
                *c == b'-'
            } else {
                c.is_ascii_digit()
            }
        })
        && text >= Revision::V2026_07_28.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras_of_revisions() {
        for r in Revision::ALL {
            assert_eq!(Revision::parse(r.as_str()), Some(r));
            assert_eq!(is_modern_version(r.as_str()), r.era() == Era::Modern);
        }
        assert!(is_modern_version("2027-01-01"));
        assert!(!is_modern_version("draft"));
        assert!(!is_modern_version("9999999999"));
    }
}
