//! The fake HTTP upstream, asked by a plain client.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use ph_sim::{Eras, FakeHttpUpstream};
use serde_json::{Value, json};
use std::error::Error;
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// The head and the body of an answer, and the error that ended it if one did.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    error: Option<hyper::Error>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The messages of an event stream.
    fn events(&self) -> Vec<Value> {
        self.body
            .lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
            .collect()
    }
}

struct Client {
    upstream: FakeHttpUpstream,
    session: Option<String>,
}

impl Client {
    /// A client with a legacy session.
    async fn start() -> Self {
        let mut client = Self {
            upstream: FakeHttpUpstream::start(Eras::Both).unwrap(),
            session: None,
        };
        let answer = client
            .post(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}))
            .await;
        client.session = Some(
            answer.headers["mcp-session-id"]
                .to_str()
                .unwrap()
                .to_owned(),
        );
        client
    }

    async fn send(
        &self,
        method: Method,
        headers: &[(&str, &str)],
        body: String,
    ) -> hyper::Result<http::Response<Incoming>> {
        let stream = TcpStream::connect(self.upstream.address()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", "fake");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        sender
            .send_request(request.body(Full::new(Bytes::from(body))).unwrap())
            .await
    }

    async fn exchange(
        &self,
        method: Method,
        headers: &[(&str, &str)],
        body: String,
    ) -> hyper::Result<Answer> {
        let (head, mut body) = self.send(method, headers, body).await?.into_parts();
        let mut answer = Answer {
            status: head.status,
            headers: head.headers,
            body: String::new(),
            error: None,
        };
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => answer.body += std::str::from_utf8(frame.data_ref().unwrap()).unwrap(),
                Err(error) => answer.error = Some(error),
            }
        }
        Ok(answer)
    }

    async fn post(&self, message: &Value) -> Answer {
        self.exchange(Method::POST, &[], message.to_string())
            .await
            .unwrap()
    }

    async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.post(&tool_call(tool, &arguments)).await
    }
}

fn tool_call(tool: &str, arguments: &Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": 5}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
}

/// Looks again and again: what another thread counts has no event to wait for.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{what} did not come"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn plain_answers_and_their_counts() {
    let client = Client::start().await;
    let answer = client.call("echo", json!({"text": "hi"})).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "hi");
    assert_eq!(
        answer.headers["content-length"],
        answer.body.len().to_string().as_str()
    );
    assert_eq!(
        client
            .call("big", json!({"bytes": 300_000}))
            .await
            .body
            .len()
            / 100_000,
        3
    );
    assert_eq!(
        client.call("status", json!({"code": 503})).await.status,
        503
    );
    assert_eq!(
        client.call("html", json!({})).await.headers["content-type"],
        "text/html"
    );
    assert!(
        serde_json::from_str::<Value>(&client.call("malformed", json!({})).await.body).is_err()
    );
    let upstream = &client.upstream;
    assert_eq!(
        (
            upstream.count("tools/call"),
            upstream.calls("echo"),
            upstream.connections()
        ),
        (5, 1, 6)
    );
    assert_eq!(
        upstream.received()[1].headers["mcp-session-id"],
        "session-1"
    );
    assert_eq!((upstream.open(), upstream.abandoned()), (0, 0));
}

#[tokio::test]
async fn resets_come_before_and_after_the_first_byte() {
    let client = Client::start().await;
    let call = tool_call("reset_early", &json!({})).to_string();
    let early = client
        .exchange(Method::POST, &[], call)
        .await
        .err()
        .unwrap();
    assert!(is_reset(&early), "{early:?}");
    let late = client.call("reset_late", json!({})).await;
    assert_eq!(late.events().len(), 1);
    let late = late.error.unwrap();
    assert!(is_reset(&late), "{late:?}");
}

/// A reset by the peer, not an end of the connection in good order.
fn is_reset(error: &hyper::Error) -> bool {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == ErrorKind::ConnectionReset)
}

#[tokio::test]
async fn streams_carry_progress_questions_and_resume() {
    let client = Client::start().await;
    let answer = client.call("notify", json!({"n": 3})).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let events = answer.events();
    assert_eq!(
        (
            events.len(),
            &events[2]["params"]["progress"],
            &events[3]["id"]
        ),
        (4, &json!(3), &json!(1))
    );

    let cut = client.call("cut", json!({"resume": true})).await;
    assert!(cut.error.is_none() && cut.events().iter().all(|event| event["id"].is_null()));
    assert!(cut.body.contains("id: cut-1\n"), "{}", cut.body);
    let rest = client
        .exchange(Method::GET, &[("last-event-id", "cut-1")], String::new())
        .await
        .unwrap();
    assert_eq!(rest.events()[0]["result"]["content"][0]["text"], "done");

    let call = tool_call("ask", &json!({})).to_string();
    let mut stream = client
        .send(Method::POST, &[], call)
        .await
        .unwrap()
        .into_body();
    let question = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&question).contains("sampling/createMessage"));
    let told = client
        .post(&json!({"jsonrpc": "2.0", "id": "ask-1", "result": {"said": "it"}}))
        .await;
    assert_eq!(told.status, StatusCode::ACCEPTED);
    let answer = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(
        String::from_utf8_lossy(&answer).contains("said"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn sessions_are_kept_to() {
    let mut client = Client::start().await;
    let stream = client.send(Method::GET, &[], String::new()).await.unwrap();
    assert_eq!(
        client.call("list_changed", json!({})).await.status,
        StatusCode::OK
    );
    let heard = stream
        .into_body()
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert!(String::from_utf8_lossy(&heard).contains("list_changed"));
    assert_eq!(client.upstream.sessions(), 1);

    client.upstream.forget_sessions();
    assert_eq!(
        client.call("echo", json!({})).await.status,
        StatusCode::NOT_FOUND
    );
    client.session = None;
    assert_eq!(
        client.call("echo", json!({})).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn modern_requests_need_no_session_but_the_right_header() {
    let client = Client {
        upstream: FakeHttpUpstream::start(Eras::Modern).unwrap(),
        session: None,
    };
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    let request = |method: &str| {
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta}}).to_string()
    };
    let post = async |header: &str, method: &str| {
        client
            .exchange(Method::POST, &[("mcp-method", header)], request(method))
            .await
            .unwrap()
    };
    let found = post("server/discover", "server/discover").await;
    assert_eq!(found.json()["result"]["resultType"], "complete");
    let refused = post("tools/list", "server/discover").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["error"]["code"]),
        (400, &json!(-32020))
    );
    let unknown = post("no/such", "no/such").await;
    assert_eq!(
        (unknown.status.as_u16(), &unknown.json()["error"]["code"]),
        (404, &json!(-32601))
    );

    let listen = request("subscriptions/listen");
    let listening = client
        .send(
            Method::POST,
            &[("mcp-method", "subscriptions/listen")],
            listen,
        )
        .await
        .unwrap();
    let mut stream = listening.into_body();
    stream.frame().await.unwrap().unwrap();
    assert_eq!(client.upstream.broadcast(&json!({"to": "all"})), 1);
    let heard = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&heard).contains("{\"to\":\"all\"}"));
    client.upstream.close_streams();
    assert!(stream.frame().await.is_none());
}

#[tokio::test]
async fn a_client_that_leaves_is_counted() {
    let client = Client::start().await;
    for (n, tool) in ["hang", "hang_body", "slow"].into_iter().enumerate() {
        let call = tool_call(tool, &json!({"ms": 600_000})).to_string();
        let leaving = client.exchange(Method::POST, &[], call);
        tokio::select! {
            _ = leaving => panic!("`{tool}` answered"),
            () = until("the call", || client.upstream.calls(tool) == 1 && client.upstream.open() == 1) => {}
        }
        until("the leaving", || client.upstream.abandoned() == n + 1).await;
        until("the end", || client.upstream.open() == 0).await;
    }
}
