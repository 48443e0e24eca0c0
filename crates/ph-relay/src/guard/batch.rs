//! A batch of which some was refused: what the server answers, with the refusals before it.

use super::Refusal;
use crate::reply::json_headers;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use ph_wire::body::{Body, Piece};
use tokio::sync::mpsc;

/// A refused member of a batch: its id as it was written, and why.
pub(crate) type RefusedMember = (Option<Box<str>>, Box<Refusal>);

/// The answer to a batch whose calls were all refused: with the status and the fields of the one to wait
/// longest for.
pub(crate) fn refused_only(refused: &[RefusedMember]) -> Response<Body> {
    let longest = refused.iter().max_by_key(|(_, r)| r.error.retry_after_s);
    let mut response = Response::new(Body::from(format!("[{}]", joined(refused))));
    if let Some((_, refusal)) = longest {
        *response.status_mut() = refusal.error.status_code();
        *response.headers_mut() = refusal.error.headers();
    } else {
        *response.headers_mut() = json_headers();
    }
    response
}

/// The server's answer to the rest of a batch, and the refusals. An answer that is an error as a whole stays
/// what it is.
pub(crate) async fn merged(response: Response<Body>, refused: &[RefusedMember]) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let Some(form) = form_of(head.status, &head.headers) else {
        return Response::from_parts(head, body);
    };
    head.headers.remove(CONTENT_LENGTH);
    let prefix = match form {
        Form::Events => {
            let event = |(id, refusal): &RefusedMember| {
                format!("data: {}\n\n", refusal.error.body(id.as_deref()))
            };
            refused.iter().map(event).collect()
        }
        Form::Json => format!("[{}", joined(refused)),
    };
    let body = match (form, body) {
        (Form::Json, Body::Full(whole)) => {
            let (before, rest, after) = spliced(&whole);
            let parts = [prefix.as_bytes(), before, &rest, after];
            Body::Full(parts.concat().into())
        }
        (form, body) => {
            let (tx, passed) = Body::pieces(None);
            tokio::spawn(pass(form, prefix.into(), body, tx));
            passed
        }
    };
    Response::from_parts(head, body)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Events,
}

fn form_of(status: StatusCode, headers: &HeaderMap) -> Option<Form> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next()?.trim();
    let form = if kind.eq_ignore_ascii_case("application/json") {
        Form::Json
    } else if kind.eq_ignore_ascii_case("text/event-stream") {
        Form::Events
    } else {
        return None;
    };
    status.is_success().then_some(form)
}

fn joined(refused: &[RefusedMember]) -> String {
    let bodies = refused.iter();
    let bodies: Vec<_> = bodies
        .map(|(id, refusal)| refusal.error.body(id.as_deref()))
        .collect();
    bodies.join(",")
}

/// What comes between the refusals and the rest of an answer, that rest, and what comes after it. The answer
/// to a batch is a list; one that is not becomes a member of it.
fn spliced(answer: &Bytes) -> (&'static [u8], Bytes, &'static [u8]) {
    let text = answer.trim_ascii_start();
    match text.strip_prefix(b"[") {
        Some(rest) if rest.trim_ascii_start().first() == Some(&b']') => {
            (b"", answer.slice_ref(rest), b"")
        }
        Some(rest) => (b",", answer.slice_ref(rest), b""),
        None if text.is_empty() => (b"", Bytes::new(), b"]"),
        None => (b",", answer.clone(), b"]"),
    }
}

/// Hands an answer on behind the refusals, at the client's pace. Whoever stops reading stops it.
async fn pass(form: Form, prefix: Bytes, mut body: Body, to: mpsc::Sender<Piece>) {
    if to.send(Piece::Data(prefix)).await.is_err() {
        return;
    }
    let mut after: &'static [u8] = b"";
    let mut is_first = form == Form::Json;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            // Cut here as it was cut there.
            return;
        };
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        if is_first && !data.trim_ascii_start().is_empty() {
            let before;
            (before, data, after) = spliced(&data);
            is_first = false;
            if to
                .send(Piece::Data(Bytes::from_static(before)))
                .await
                .is_err()
            {
                return;
            }
        }
        if to.send(Piece::Data(data)).await.is_err() {
            return;
        }
    }
    if is_first {
        after = b"]";
    }
    if !after.is_empty()
        && to
            .send(Piece::Data(Bytes::from_static(after)))
            .await
            .is_err()
    {
        return;
    }
    // The client may have left with its answer complete.
    let _ = to.send(Piece::End).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::OwnError;
    use http::HeaderValue;
    use ph_record::RefusedReason;
    use serde_json::Value;

    fn refused(ids: &[&str]) -> Vec<RefusedMember> {
        let member = |id: &&str| {
            let error = OwnError::new(429, 42_900, "too many").retry_after(3);
            let refusal = Refusal::new(RefusedReason::RateLimited, error);
            (Some((*id).into()), refusal)
        };
        ids.iter().map(member).collect()
    }

    fn answer(
        status: u16,
        kind: &'static str,
        pieces: Option<&[&str]>,
        whole: &str,
    ) -> Response<Body> {
        let body = match pieces {
            None => Body::from(whole.to_owned()),
            Some(pieces) => {
                let (tx, body) = Body::pieces(None);
                for piece in pieces {
                    let data = Bytes::copy_from_slice(piece.as_bytes());
                    tx.try_send(Piece::Data(data)).unwrap();
                }
                tx.try_send(Piece::End).unwrap();
                body
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("1"));
        response
    }

    fn text(response: Response<Body>) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let refused = refused(&["1", "\"b\""]);
        let bytes = runtime.block_on(async {
            let merged = merged(response, &refused).await;
            merged.into_body().collect().await.unwrap().to_bytes()
        });
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[track_caller]
    fn ids(response: Response<Body>, want: &str) {
        let text = text(response);
        let list: Vec<Value> =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let ids: Vec<_> = list.iter().map(|answer| answer["id"].to_string()).collect();
        assert_eq!(ids.join(" "), want);
    }

    #[test]
    fn refusals_come_before_what_the_server_says() {
        let json = "application/json; charset=utf-8";
        let two = r#" [{"id":3},{"id":4}] "#;
        ids(answer(200, json, None, two), r#"1 "b" 3 4"#);
        ids(
            answer(200, json, Some(&[" ", "[{\"id\":", "3}", "]"]), ""),
            r#"1 "b" 3"#,
        );
        ids(
            answer(200, json, Some(&["{\"id\":", "3}"]), ""),
            r#"1 "b" 3"#,
        );
        ids(answer(200, json, None, "[]"), r#"1 "b""#);
        ids(answer(200, json, Some(&[]), ""), r#"1 "b""#);
        ids(answer(200, json, None, ""), r#"1 "b""#);
        let events = text(answer(
            200,
            "text/event-stream",
            Some(&["data: {\"id\":3}\n\n"]),
            "",
        ));
        let data: Vec<_> = events.split("\n\n").collect();
        assert_eq!(data.len(), 4, "{events}");
        assert!(
            data[0].starts_with("data: {") && data[2] == "data: {\"id\":3}",
            "{events}"
        );
        assert_eq!(text(answer(500, json, None, "{}")), "{}");
        assert_eq!(text(answer(200, "text/html", None, "<p>")), "<p>");
    }

    #[test]
    fn a_batch_of_refusals_says_how_long_to_wait() {
        let mut refused = refused(&["1", "2"]);
        refused[0].1.error.retry_after_s = Some(9);
        let response = refused_only(&refused);
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "9");
    }
}
