//! What a client's message is about, for whoever decides whether it may have it.

use crate::envelope::{Envelope, EnvelopeError};
use crate::json::{Cursor, Value, ValueKind, unquote};
use ph_base::Method;
use std::borrow::Cow;

/// What a message is about. A name that is not there, or is no text, is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About<'a> {
    /// Nothing of the server in particular.
    Nothing,
    /// A tool that is called.
    Tool(Cow<'a, str>),
    /// A prompt.
    Prompt(Cow<'a, str>),
    /// A resource, or a template of resources.
    Resource(Cow<'a, str>),
    /// Resources that are listened to; none is possible.
    Resources(Vec<Cow<'a, str>>),
}

/// Most resources of one `subscriptions/listen`.
const RESOURCES_MAX: usize = 1024;

/// What `envelope`, read from `text`, is about.
///
/// # Errors
/// [`EnvelopeError`] when two readers could take it to be about different things.
pub fn about<'a>(text: &'a str, envelope: &'a Envelope<'_>) -> Result<About<'a>, EnvelopeError> {
    let target = || Cow::Borrowed(envelope.target.as_deref().unwrap_or(""));
    Ok(match envelope.method {
        Method::ToolsCall => About::Tool(target()),
        Method::PromptsGet => About::Prompt(target()),
        Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
            About::Resource(target())
        }
        Method::CompletionComplete => completed(text, envelope)?,
        Method::SubscriptionsListen => listened(text, envelope)?,
        _ => About::Nothing,
    })
}

/// `params.ref`: a prompt, or a resource.
fn completed<'a>(text: &'a str, envelope: &Envelope<'_>) -> Result<About<'a>, EnvelopeError> {
    let reference = params(text, envelope)
        .map(|params| member(text, &params, "ref"))
        .transpose()?
        .flatten();
    let Some(reference) = reference else {
        return Ok(About::Prompt(Cow::Borrowed("")));
    };
    let of = |key| member(text, &reference, key).map(|v| v.and_then(|v| string(text, &v)));
    let (kind, name, uri) = (of("type")?, of("name")?, of("uri")?);
    Ok(match (kind.as_deref(), uri) {
        // A type that nobody knows is whatever it names.
        (Some("ref/prompt"), _) | (_, None) => About::Prompt(name.unwrap_or_default()),
        (_, Some(uri)) => About::Resource(uri),
    })
}

/// `params.notifications.resourceSubscriptions`.
fn listened<'a>(text: &'a str, envelope: &Envelope<'_>) -> Result<About<'a>, EnvelopeError> {
    let mut list = params(text, envelope);
    for key in ["notifications", "resourceSubscriptions"] {
        list = list
            .map(|outer| member(text, &outer, key))
            .transpose()?
            .flatten();
    }
    let mut uris = Vec::new();
    if let Some(list) = list.filter(|v| v.kind == ValueKind::Array) {
        let mut is_too_long = false;
        Cursor::within(text, &list.range).array(|uri| {
            is_too_long |= uris.len() >= RESOURCES_MAX;
            if !is_too_long {
                uris.push(string(text, &uri).unwrap_or_default());
            }
            Ok(())
        })?;
        if is_too_long {
            return Err(EnvelopeError::NotRpc("too many resources to listen to"));
        }
    }
    Ok(About::Resources(uris))
}

pub(crate) fn params(text: &str, envelope: &Envelope<'_>) -> Option<Value> {
    let range = envelope.params.clone()?;
    let kind = match text.as_bytes().get(range.start) {
        Some(b'{') => ValueKind::Object,
        _ => ValueKind::Array,
    };
    Some(Value { kind, range })
}

pub(crate) fn member(
    text: &str,
    object: &Value,
    key: &'static str,
) -> Result<Option<Value>, EnvelopeError> {
    if object.kind != ValueKind::Object {
        return Ok(None);
    }
    let (mut found, mut is_twice) = (None, false);
    Cursor::within(text, &object.range).object(|k, value| {
        if k == key {
            is_twice |= found.replace(value).is_some();
        }
        Ok(())
    })?;
    if is_twice {
        return Err(EnvelopeError::Duplicate(key));
    }
    Ok(found)
}

pub(crate) fn string<'a>(text: &'a str, value: &Value) -> Option<Cow<'a, str>> {
    (value.kind == ValueKind::String)
        .then(|| unquote(&text[value.range.start + 1..value.range.end - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, params: &str, want: &str) {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let envelope = Envelope::read(&text).unwrap();
        let got = match about(&text, &envelope) {
            Ok(about) => format!("{about:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, want, "{text}");
    }

    #[test]
    fn what_messages_are_about() {
        check("tools/call", r#"{"name":"\u0061"}"#, r#"Tool("a")"#);
        check("tools/call", "{}", r#"Tool("")"#);
        check("tools/call", r#"["a"]"#, r#"Tool("")"#);
        check("tools/call", r#"{"name":7}"#, r#"Tool("")"#);
        check("prompts/get", r#"{"name":"p"}"#, r#"Prompt("p")"#);
        check("resources/subscribe", r#"{"uri":"u"}"#, r#"Resource("u")"#);
        check("tools/list", "{}", "Nothing");
        check("made/up", r#"{"name":"p"}"#, "Nothing");
        let complete = "completion/complete";
        check(
            complete,
            r#"{"ref":{"type":"ref/prompt","name":"p"}}"#,
            r#"Prompt("p")"#,
        );
        check(
            complete,
            r#"{"ref":{"type":"ref/resource","uri":"u"}}"#,
            r#"Resource("u")"#,
        );
        check(
            complete,
            r#"{"ref":{"uri":"u","name":"p"}}"#,
            r#"Resource("u")"#,
        );
        check(complete, r#"{"ref":7}"#, r#"Prompt("")"#);
        check(complete, "{}", r#"Prompt("")"#);
        check(
            complete,
            r#"{"ref":{"type":"ref/prompt","name":"a","n\u0061me":"b"}}"#,
            "`name` stands in the message twice",
        );
        let listen = "subscriptions/listen";
        check(
            listen,
            r#"{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a",7,"b"]}}"#,
            r#"Resources(["a", "", "b"])"#,
        );
        check(listen, "{}", "Resources([])");
        let many = format!(
            r#"{{"notifications":{{"resourceSubscriptions":[{}"u"]}}}}"#,
            "\"u\",".repeat(1024)
        );
        check(
            listen,
            &many,
            "the body is not a JSON-RPC message: too many resources to listen to",
        );
    }
}
