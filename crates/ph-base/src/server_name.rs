//! The name of a configured server: path segment, label value and log field at once.

use std::fmt;
use std::sync::Arc;

/// Name of a configured server: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
///
/// Cheap to clone. It can stand in a URL path and a label value as it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerName(Arc<str>);

/// Why a text is no [`ServerName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerNameError {
    /// Empty, or longer than 64 characters.
    #[error("a server name has 1 to {max} characters, this one {got}", max = ServerName::LEN_MAX)]
    Length {
        /// Length of the text in bytes.
        got: usize,
    },
    /// A character outside the set.
    #[error("`{got}` cannot stand in a server name; use letters, digits, `.`, `_` or `-`")]
    Character {
        /// The first offending character.
        got: char,
    },
    /// `.` and `..` mean something else in a path.
    #[error("`.` and `..` are no server names")]
    Dots,
}

impl ServerName {
    /// Longest name, in bytes.
    pub const LEN_MAX: usize = 64;

    /// Reads a name.
    ///
    /// # Errors
    /// [`ServerNameError`] when the text is outside the grammar above.
    pub fn parse(text: &str) -> Result<Self, ServerNameError> {
        if text.is_empty() || text.len() > Self::LEN_MAX {
            return Err(ServerNameError::Length { got: text.len() });
        }
        if text == "." || text == ".." {
            return Err(ServerNameError::Dots);
        }
        match text
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'))
        {
            Some(got) => Err(ServerNameError::Character { got }),
            None => Ok(Self(text.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Honours a width, so that names stand in columns.
        f.pad(&self.0)
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(ServerName::parse("server-everything").is_ok());
        assert!(ServerName::parse("a.b_C-9").is_ok());
        assert_eq!(
            ServerName::parse(""),
            Err(ServerNameError::Length { got: 0 })
        );
        assert_eq!(
            ServerName::parse("a/b"),
            Err(ServerNameError::Character { got: '/' })
        );
        assert_eq!(ServerName::parse(".."), Err(ServerNameError::Dots));
        assert!(ServerName::parse(&"x".repeat(65)).is_err());
    }
}
