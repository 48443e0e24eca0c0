//! An error and what it comes from, as operators read it.

use core::error::Error;
use core::fmt;

/// An error with its causes on one line: `connecting failed: connection refused`.
///
/// A cause whose words are there already is not said again: many errors quote theirs.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let said = cause.to_string();
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            next = cause.source();
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<Link>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|link| link as &dyn Error)
        }
    }

    #[test]
    fn causes_follow_and_are_said_once() {
        let link = |text, cause: Option<Link>| Link(text, cause.map(Box::new));
        let refused = || link("connection refused", None);
        let alone = refused();
        assert_eq!(Chain(&alone).to_string(), "connection refused");
        let three = link(
            "asking failed",
            Some(link("connecting failed", Some(refused()))),
        );
        let text = "asking failed: connecting failed: connection refused";
        assert_eq!(Chain(&three).to_string(), text);
        let quoting = link("asking failed: connection refused", Some(refused()));
        let text = "asking failed: connection refused";
        assert_eq!(Chain(&quoting).to_string(), text);
    }
}
