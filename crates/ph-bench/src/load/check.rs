//! Whether a response is the right one.

use super::Era;
use super::request::Call;
use crate::http1::Head;
use crate::json;
use std::borrow::Cow;

/// Why a call does not count as answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failure {
    Connect,
    ConnectionLost,
    Timeout,
    NotHttp,
    Status(u16),
    NotAnAnswer,
    RpcError,
    ToolError,
    WrongId,
    WrongText,
    NotComplete,
}

impl Failure {
    /// The name under which it is tallied.
    pub(super) fn label(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Connect => "connect",
            Self::ConnectionLost => "connection_lost",
            Self::Timeout => "timeout",
            Self::NotHttp => "not_http",
            Self::Status(status) => return Cow::Owned(format!("status_{status}")),
            Self::NotAnAnswer => "not_an_answer",
            Self::RpcError => "rpc_error",
            Self::ToolError => "tool_error",
            Self::WrongId => "wrong_id",
            Self::WrongText => "wrong_text",
            Self::NotComplete => "not_complete",
        })
    }
}

/// Judges the response to `call`: status, id and text must be what was asked.
pub(super) fn answer(head: &Head<'_>, body: &[u8], call: &Call) -> Result<(), Failure> {
    match head.status().map_err(|_| Failure::NotHttp)? {
        200 => {}
        other => return Err(Failure::Status(other)),
    }
    if head.event_stream {
        message(response_event(body).ok_or(Failure::NotAnAnswer)?, call)
    } else {
        message(body, call)
    }
}

/// The data of the first event that is a response; notifications may precede it.
fn response_event(stream: &[u8]) -> Option<&[u8]> {
    let lines = stream.split(|b| *b == b'\n');
    lines
        .filter_map(|line| line.strip_prefix(b"data:"))
        .map(<[u8]>::trim_ascii)
        .find(|data| json::member(data, "id").is_some() && json::member(data, "method").is_none())
}

fn message(text: &[u8], call: &Call) -> Result<(), Failure> {
    if is_verbatim(text, call) {
        return Ok(());
    }
    let (mut id, mut result) = (None, None);
    for entry in json::members(text) {
        match entry.map_err(|json::Malformed| Failure::NotAnAnswer)? {
            (b"id", value) => id = Some(value),
            (b"result", value) => result = Some(value),
            (b"error", _) => return Err(Failure::RpcError),
            _ => {}
        }
    }
    if id != Some(call.id()) {
        return Err(Failure::WrongId);
    }
    tool_result(result.ok_or(Failure::NotAnAnswer)?, call)
}

/// Whether the answer is, byte by byte, as our own upstream writes it: the usual
/// case, told without reading 100 KB four times.
fn is_verbatim(text: &[u8], call: &Call) -> bool {
    let result: &[u8] = match call.era {
        Era::Legacy => br#","result":{"content":[{"type":"text","text":""#,
        Era::Modern => br#","result":{"resultType":"complete","content":[{"type":"text","text":""#,
    };
    let mut rest = text;
    let parts = [
        br#"{"jsonrpc":"2.0","id":"#,
        call.id(),
        result,
        &call.expected,
    ];
    let starts = parts.iter().all(|part| {
        rest.strip_prefix(*part).is_some_and(|after| {
            rest = after;
            true
        })
    });
    starts && rest == br#""}]}}"#
}

fn tool_result(result: &[u8], call: &Call) -> Result<(), Failure> {
    let (mut text, mut complete) = (None, call.era == Era::Legacy);
    for entry in json::members(result) {
        match entry.map_err(|json::Malformed| Failure::NotAnAnswer)? {
            (b"content", value) => {
                text = json::first_element(value).and_then(|e| json::member(e, "text"));
            }
            (b"isError", b"true") => return Err(Failure::ToolError),
            (b"resultType", value) => complete = value == br#""complete""#,
            _ => {}
        }
    }
    if !complete {
        return Err(Failure::NotComplete);
    }
    let text = text.and_then(json::unquoted).ok_or(Failure::WrongText)?;
    if text == call.expected
        || (unescaped(text).is_some() && unescaped(text) == unescaped(&call.expected))
    {
        Ok(())
    } else {
        Err(Failure::WrongText)
    }
}

/// What a text means, whatever its escapes.
fn unescaped(text: &[u8]) -> Option<String> {
    serde_json::from_slice(&[b"\"", text, b"\""].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::request::{Plan, Tool};
    use super::*;
    use crate::http1;

    #[track_caller]
    fn check(era: Era, response: &str, want: Result<(), Failure>) {
        let address = "127.0.0.1:1".parse().expect("an address");
        let mut call = Plan::new(
            address,
            "/mcp",
            era,
            Tool::Echo { bytes: 12 },
            String::new(),
        )
        .call(None);
        call.stamp(1_000_000_001);
        let (start, body) = response.split_once("\n\n").expect("a head and a body");
        let start = format!("{}\r\n\r\n", start.replace('\n', "\r\n"));
        let head = http1::head(start.as_bytes())
            .expect("well formed")
            .expect("whole");
        assert_eq!(answer(&head, body.as_bytes(), &call), want, "{response}");
    }

    #[test]
    fn the_right_answer_passes_as_json_and_as_an_event() {
        let ok = r#"{"jsonrpc":"2.0","id":1000000001,"result":{"content":[{"type":"text","text":"1000000001th"}]}}"#;
        check(Era::Legacy, &format!("HTTP/1.1 200 OK\n\n{ok}"), Ok(()));
        let note = r#"data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
        check(
            Era::Legacy,
            &format!(
                "HTTP/1.1 200 OK\ncontent-type: text/event-stream\n\nid: 1\ndata:\n\n{note}\n\nevent: message\r\ndata: {ok}\r\n\r\n"
            ),
            Ok(()),
        );
        let escaped = ok.replace(r#""1000000001th""#, r#""1\u003000000001th""#);
        check(
            Era::Legacy,
            &format!("HTTP/1.1 200 OK\n\n{escaped}"),
            Ok(()),
        );
        let complete = ok.replace(r#"{"content""#, r#"{"resultType":"complete","content""#);
        check(
            Era::Modern,
            &format!("HTTP/1.1 200 OK\n\n{complete}"),
            Ok(()),
        );
    }

    #[test]
    fn every_other_answer_has_its_name() {
        let wrong = |body: &str, want| {
            check(
                Era::Legacy,
                &format!("HTTP/1.1 200 OK\n\n{body}"),
                Err(want),
            );
        };
        let text = r#""result":{"content":[{"type":"text","text":"1000000001th"}]}"#;
        wrong(&format!(r#"{{"id":1000000002,{text}}}"#), Failure::WrongId);
        wrong(
            &format!(r#"{{"id":"1000000001",{text}}}"#),
            Failure::WrongId,
        );
        wrong(
            r#"{"id":1000000001,"result":{"content":[{"text":"1000000002th"}]}}"#,
            Failure::WrongText,
        );
        wrong(
            r#"{"id":1000000001,"result":{"content":[]}}"#,
            Failure::WrongText,
        );
        wrong(
            r#"{"id":1000000001,"result":{"isError":true,"content":[]}}"#,
            Failure::ToolError,
        );
        wrong(r#"{"id":1000000001,"error":{"code":1}}"#, Failure::RpcError);
        wrong(r#"{"id":1000000001}"#, Failure::NotAnAnswer);
        wrong("<html>", Failure::NotAnAnswer);
        check(
            Era::Legacy,
            "HTTP/1.1 502 Bad Gateway\n\n",
            Err(Failure::Status(502)),
        );
        check(
            Era::Modern,
            &format!("HTTP/1.1 200 OK\n\n{{\"id\":1000000001,{text}}}"),
            Err(Failure::NotComplete),
        );
    }
}
