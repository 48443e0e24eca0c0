//! The parameters of a question.

use std::fmt::Display;

/// Names and values, in order.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.0.push((name, format!("{value}")));
        self
    }

    /// Adds one, if there is one.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The path with all of them behind it.
    #[must_use]
    pub fn target(&self, path: &str) -> String {
        let mut target = path.to_owned();
        for (nth, (name, value)) in self.0.iter().enumerate() {
            target.push(if nth == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
                    target.push(char::from(byte));
                } else {
                    target.push_str(&format!("%{byte:02X}"));
                }
            }
        }
        target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        assert_eq!(Params::new().target("/x"), "/x");
        let params = Params::new()
            .with("query", "a=\"b c\"&ä")
            .with_some("limit", Some(7));
        let params = params.with_some("from", None::<u8>);
        assert_eq!(
            params.target("/x"),
            "/x?query=a%3D%22b%20c%22%26%C3%A4&limit=7"
        );
    }
}
