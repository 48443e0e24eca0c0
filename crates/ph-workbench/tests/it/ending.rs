//! Progress, cancellation, and the end of the server.

use rmcp::service::{PeerRequestOptions, ServiceError};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{Carrier, Client, ERAS, Era, Fixture, PATIENCE, result};

const LONG: u64 = 60_000;

#[tokio::test]
async fn sleep_reports_progress() {
    for (carrier, era) in [Carrier::Memory, Carrier::Http]
        .into_iter()
        .flat_map(|c| ERAS.map(|era| (c, era)))
    {
        let mut fixture = Fixture::new();
        let mut client = fixture.connect(carrier, era).await;
        let handle = client
            .begin(
                "sleep",
                json!({ "ms": 250 }),
                PeerRequestOptions::no_options(),
            )
            .await;
        assert_eq!(result(handle).await.unwrap().is_error, Some(false));
        let mut done = Vec::new();
        while done.len() < 4 {
            let report = tokio::time::timeout(PATIENCE, client.progress.recv())
                .await
                .expect("progress comes")
                .unwrap();
            assert_eq!(report.total, Some(250.0));
            done.push(report.progress);
        }
        assert_eq!(done, [0.0, 100.0, 200.0, 250.0], "{carrier:?} {era:?}");
        fixture.finish(client).await;
    }
}

#[tokio::test]
async fn cancelling_ends_the_work() {
    for (carrier, era) in [Carrier::Memory, Carrier::Http]
        .into_iter()
        .flat_map(|c| ERAS.map(|era| (c, era)))
    {
        let mut fixture = Fixture::new();
        let mut client = fixture.connect(carrier, era).await;
        cancel(&mut client, json!({ "ms": LONG })).await;
        fixture.access.wait("tools/call sleep", "cancelled").await;
        assert_eq!(
            client.call("echo", json!({ "text": "on" })).await.is_error,
            Some(false)
        );
        fixture.finish(client).await;
    }
}

/// Begins a sleep, waits until it runs, and cancels it.
async fn cancel(client: &mut Client, arguments: serde_json::Value) {
    let handle = client
        .begin("sleep", arguments, PeerRequestOptions::no_options())
        .await;
    let began = tokio::time::timeout(PATIENCE, client.progress.recv()).await;
    began.expect("progress comes").unwrap();
    handle.cancel(Some("enough".to_owned())).await.unwrap();
}

#[tokio::test]
async fn cancelling_ends_an_endless_query() {
    let mut fixture = Fixture::new();
    let client = fixture.connect(Carrier::Memory, Era::Modern).await;
    let sql =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let handle = client
        .begin(
            "query",
            json!({ "sql": sql }),
            PeerRequestOptions::no_options(),
        )
        .await;
    // The second waits for the first one's connection, and gets its turn when that is cancelled.
    let waiting = client
        .begin(
            "query",
            json!({ "sql": sql }),
            PeerRequestOptions::no_options(),
        )
        .await;
    handle.cancel(None).await.unwrap();
    waiting.cancel(None).await.unwrap();
    let rows = client.call("query", json!({ "sql": "SELECT 1" })).await;
    assert_eq!(rows.is_error, Some(false));
    fixture.finish(client).await;
    let lines = fixture.access.all();
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("query") && line.contains("cancelled"))
            .count(),
        2,
        "{lines:#?}"
    );
}

/// In the stateless era, closing the connection is the cancellation.
#[tokio::test]
async fn a_client_that_hangs_up_cancels() {
    let mut fixture = Fixture::new();
    let url = fixture.serve_http(fixture.options()).await;
    let address = url
        .strip_prefix("http://")
        .unwrap()
        .strip_suffix("/mcp")
        .unwrap();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "sleep",
        "arguments": { "ms": LONG },
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": "raw", "version": "1" },
            "progressToken": 1
        }
    }});
    let body = body.to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
         mcp-method: tools/call\r\nmcp-name: sleep\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    // The first progress report shows that the sleep runs.
    while !answer.contains("notifications/progress") {
        let mut bytes = [0; 1024];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut bytes))
            .await
            .expect("an answer")
            .unwrap();
        assert_ne!(read, 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    drop(stream);
    fixture.access.wait("tools/call sleep", "cancelled").await;
    fixture.ended().await;
}

#[tokio::test]
async fn stopping_the_server_lets_calls_end() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect(Carrier::Http, Era::Modern).await;
    let handle = client
        .begin(
            "sleep",
            json!({ "ms": 300 }),
            PeerRequestOptions::no_options(),
        )
        .await;
    tokio::time::timeout(PATIENCE, client.progress.recv())
        .await
        .expect("progress comes")
        .unwrap();
    fixture.stop();
    assert_eq!(result(handle).await.unwrap().is_error, Some(false));
    fixture.ended().await;
    let after = client
        .running
        .call_tool(rmcp::model::CallToolRequestParams::new("echo"))
        .await;
    assert!(
        matches!(
            after,
            Err(ServiceError::TransportSend(_) | ServiceError::TransportClosed)
        ),
        "{after:?}"
    );
}

#[tokio::test]
async fn other_paths_and_foreign_hosts_are_refused() {
    let mut fixture = Fixture::new();
    let url = fixture.serve_http(fixture.options()).await;
    let address = url
        .strip_prefix("http://")
        .unwrap()
        .strip_suffix("/mcp")
        .unwrap();
    for (request, want) in [
        (format!("GET / HTTP/1.1\r\nhost: {address}\r\n"), "404"),
        (
            "GET /mcp HTTP/1.1\r\nhost: evil.example\r\naccept: text/event-stream\r\n".to_owned(),
            "403",
        ),
        (
            format!(
                "POST /mcp HTTP/1.1\r\nhost: {address}\r\norigin: http://evil.example\r\ncontent-length: 0\r\n"
            ),
            "403",
        ),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(format!("{request}connection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {want}")),
            "{request}: {answer}"
        );
    }
    fixture.ended().await;
}
