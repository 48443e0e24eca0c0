//! Everything that is offered works, in each era, over each carrier.

use ph_workbench::{Options, serve_stdio};
use rmcp::model::{GetPromptRequestParams, ReadResourceRequestParams};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fixture::{Carrier, Client, ERAS, Era, Fixture, is_server, text};

#[tokio::test]
async fn in_memory() {
    for era in ERAS {
        check(Carrier::Memory, era).await;
    }
}

#[tokio::test]
async fn over_http() {
    for era in ERAS {
        check(Carrier::Http, era).await;
    }
}

/// The test is both ends: it starts its own binary again, where it serves.
#[tokio::test]
async fn in_a_child_process() {
    if is_server() {
        let options = Options {
            access: Box::new(std::io::stderr()),
            ..Options::default()
        };
        serve_stdio(options).await.unwrap();
        return;
    }
    for era in ERAS {
        check(Carrier::Child, era).await;
    }
}

async fn check(carrier: Carrier, era: Era) {
    let mut fixture = Fixture::new();
    let client = fixture.connect(carrier, era).await;
    let version = client
        .running
        .peer_info()
        .unwrap()
        .protocol_version
        .to_string();
    assert_eq!(
        version,
        if era == Era::Legacy {
            "2025-11-25"
        } else {
            "2026-07-28"
        },
        "{carrier:?}"
    );
    lists(&client).await;
    files(&client).await;
    database(&client).await;
    http(&client).await;
    small(&client).await;
    fixture.finish(client).await;
    let lines = fixture.access.all();
    let echo = lines
        .iter()
        .find(|line| line.contains("tools/call echo"))
        .unwrap();
    assert!(echo.contains("ms ok trace_id="), "{echo}");
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("tools/call"))
            .count(),
        7,
        "{lines:#?}"
    );
}

async fn lists(client: &Client) {
    let tools = client.running.list_all_tools().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(
        names,
        [
            "searchFiles",
            "readFile",
            "query",
            "httpGet",
            "echo",
            "sleep",
            "fail"
        ]
    );
    for tool in &tools {
        assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
        assert_eq!(
            tool.input_schema["additionalProperties"], false,
            "{}",
            tool.name
        );
        assert_eq!(
            tool.output_schema.is_some(),
            tool.name != "fail",
            "{}",
            tool.name
        );
    }
    let resources = client.running.list_all_resources().await.unwrap();
    let about = client
        .running
        .read_resource(ReadResourceRequestParams::new(&resources[0].uri))
        .await
        .unwrap();
    assert!(format!("{about:?}").contains("`searchFiles`"));
    let prompts = client.running.list_all_prompts().await.unwrap();
    let arguments = json!({ "topic": "tea" }).as_object().unwrap().clone();
    let prompt = GetPromptRequestParams::new(&prompts[0].name).with_arguments(arguments);
    assert!(format!("{:?}", client.running.get_prompt(prompt).await.unwrap()).contains("*tea*"));
}

async fn files(client: &Client) {
    let found = client
        .call(
            "searchFiles",
            json!({ "pattern": "*.md", "maxResults": 10 }),
        )
        .await;
    let structured = found.structured_content.unwrap();
    let files = structured["files"].as_array().unwrap();
    let paths: Vec<_> = files
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["readme.md", "docs/guide.md"]);
    assert_eq!(files[0]["size"], 9);
    assert!(files[0]["modified"].as_str().unwrap().starts_with("20"));
    assert_eq!(structured.get("truncated"), None);
    let read = client
        .call("readFile", json!({ "path": "docs/guide.md" }))
        .await;
    assert_eq!(text(&read), "A guide, with an é.\n");
    assert_eq!(read.structured_content.unwrap()["truncated"], false);
}

async fn database(client: &Client) {
    let sql = "SELECT name, price_cents FROM products WHERE stock > 100 ORDER BY name";
    let rows = client.call("query", json!({ "sql": sql })).await;
    assert_eq!(text(&rows), "name\tprice_cents\ncup\t690\nsaucer\t490");
    let want = json!({
        "columns": ["name", "price_cents"],
        "rows": [["cup", 690], ["saucer", 490]],
        "truncated": false
    });
    assert_eq!(rows.structured_content.unwrap(), want);
}

/// The origin answers with the request that it got.
async fn http(client: &Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/page?a=b", listener.local_addr().unwrap());
    let origin = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let answer = format!(
            "HTTP/1.1 201 Created\r\ncontent-type: text/x\r\ncontent-length: {}\r\n\r\n",
            head.len()
        );
        stream
            .write_all(&[answer.as_bytes(), &head].concat())
            .await
            .unwrap();
    });
    let page = client.call("httpGet", json!({ "url": url })).await;
    origin.await.unwrap();
    let page = page.structured_content.unwrap();
    assert_eq!(
        (&page["status"], &page["contentType"]),
        (&json!(201), &json!("text/x"))
    );
    let request = page["body"].as_str().unwrap();
    assert!(
        request.starts_with("GET /page?a=b HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("traceparent: 00-"), "{request}");
}

async fn small(client: &Client) {
    let echo = client.call("echo", json!({ "text": "héllo" })).await;
    assert_eq!(
        (text(&echo), echo.structured_content),
        ("héllo".to_owned(), Some(json!({ "text": "héllo" })))
    );
    let slept = client.call("sleep", json!({ "ms": 1 })).await;
    assert_eq!(
        slept.structured_content,
        Some::<Value>(json!({ "ms": 1, "capped": false }))
    );
    assert_eq!(
        client
            .error("fail", json!({ "message": "on purpose" }))
            .await,
        "on purpose"
    );
}
