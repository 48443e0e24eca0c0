//! A file that is to be written.

/// A file for another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it belongs, below the directory of all: relative, with `/`, without `..`.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// What every file says of itself, so that it is known for one that may be written again.
pub const MARK: &str = "pilothouse generate";

impl File {
    pub(crate) fn new(path: impl Into<String>, text: String) -> Self {
        Self {
            path: path.into(),
            text,
        }
    }
}
