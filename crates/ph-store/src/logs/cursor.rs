//! Where a search goes on.

use super::Seq;
use std::fmt;
use std::str::FromStr;

/// The place of a record in an order. As text: `KEY-SEQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Its time or duration in nanoseconds, whichever is ordered by.
    pub key: u64,
    /// Its number, where keys are equal.
    pub seq: Seq,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.key, self.seq)
    }
}

/// Not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: two whole numbers with `-` between them")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (key, seq) = text.split_once('-').ok_or(NotACursor)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| NotACursor);
        Ok(Self {
            key: number(key)?,
            seq: Seq(number(seq)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let cursor = Cursor {
            key: u64::MAX,
            seq: Seq(7),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "1", "-", "1-", "-1", "1-2-3", "a-1"] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text:?}");
        }
    }
}
