//! What a session of the legacy era says of itself or asks for, as far as others notice it who share its
//! server process; and what such a process says to all of them.

use crate::about::{member, params, string};
use crate::envelope::Envelope;
use crate::json::{Cursor, Value, ValueKind};
use std::borrow::Cow;

/// How important a log message must be, from the most to the least talkative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// `debug`
    Debug,
    /// `info`
    Info,
    /// `notice`
    Notice,
    /// `warning`
    Warning,
    /// `error`
    Error,
    /// `critical`
    Critical,
    /// `alert`
    Alert,
    /// `emergency`
    Emergency,
}

impl Level {
    /// All of them, the most talkative first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// As messages name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The level that is called `text`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

/// Whether the client of this `initialize` declares anything that it can do: a server could then ask it, or
/// treat it in another way than others.
#[must_use]
pub fn declares(text: &str, envelope: &Envelope<'_>) -> bool {
    let Some(params) = params(text, envelope) else {
        return false;
    };
    match member(text, &params, "capabilities") {
        Ok(None) => false,
        Ok(Some(all)) if all.kind == ValueKind::Object => {
            let mut any = false;
            let read = Cursor::within(text, &all.range).object(|_, _| {
                any = true;
                Ok(())
            });
            any || read.is_err()
        }
        Ok(Some(_)) | Err(_) => true,
    }
}

/// The level that a `logging/setLevel` asks for.
#[must_use]
pub fn level_asked(text: &str, envelope: &Envelope<'_>) -> Option<Level> {
    let value = member(text, &params(text, envelope)?, "level").ok()??;
    Level::parse(&string(text, &value)?)
}

/// `params.uri` of a server's notification.
#[must_use]
pub fn uri_of(message: &[u8]) -> Option<Cow<'_, str>> {
    param_of(message, "uri")
}

/// `params.level` of a server's notification.
#[must_use]
pub fn level_of(message: &[u8]) -> Option<Level> {
    Level::parse(&param_of(message, "level")?)
}

fn param_of<'a>(message: &'a [u8], key: &'static str) -> Option<Cow<'a, str>> {
    let text = std::str::from_utf8(message).ok()?;
    let mut params: Option<Value> = None;
    let root = |name: Cow<'_, str>, value: Value| {
        if name == "params" {
            params = Some(value);
        }
        Ok(())
    };
    Cursor::new(text).object(root).ok()?;
    let value = member(text, &params?, key).ok()??;
    string(text, &value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn declared(params: &str, want: bool) {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{params}}}"#);
        let envelope = Envelope::read(&text).unwrap();
        assert_eq!(declares(&text, &envelope), want, "{params}");
    }

    #[test]
    fn a_client_that_declares_anything_says_so() {
        declared("{}", false);
        declared(r#"{"capabilities":{ }}"#, false);
        declared(r#"{"capabilities":{"roots":{}}}"#, true);
        declared(r#"{"capabilities":{"experimental":null}}"#, true);
        declared(r#"{"capabilities":7}"#, true);
        declared(r#"{"capabilities":{},"capabilities":{"roots":{}}}"#, true);
    }

    #[test]
    fn levels_and_addresses_are_found() {
        let ask = |params: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{params}}}"#
            );
            level_asked(&text, &Envelope::read(&text).unwrap())
        };
        assert_eq!(ask(r#"{"level":"n\u006ftice"}"#), Some(Level::Notice));
        assert_eq!(ask(r#"{"level":"loud"}"#), None);
        assert_eq!(ask("{}"), None);
        let said = br#"{"jsonrpc":"2.0","method":"m","params":{"uri":"a\/b","level":"error"}}"#;
        assert_eq!(uri_of(said).as_deref(), Some("a/b"));
        assert_eq!(level_of(said), Some(Level::Error));
        assert_eq!(uri_of(br#"{"params":[]}"#), None);
        assert_eq!(uri_of(b"\xff"), None);
        for level in Level::ALL {
            assert_eq!(Level::parse(level.as_str()), Some(level));
        }
        assert!(Level::Debug < Level::Emergency);
    }
}
