//! What is refused, in words that say what to do instead.

use std::os::unix::fs::symlink;

use ph_workbench::{Options, StartError, serve_http};
use rmcp::model::{
    CallToolRequestParams, ErrorCode, GetPromptRequestParams, ReadResourceRequestParams,
};
use rmcp::service::ServiceError;
use serde_json::{Value, json};

use crate::fixture::{Carrier, ERAS, Era, Fixture, text};

/// Calls a tool that must refuse, with a text that contains `want`.
async fn check(fixture: &mut Fixture, cases: &[(&'static str, Value, &str)]) {
    let client = fixture.connect(Carrier::Memory, Era::Modern).await;
    for (tool, arguments, want) in cases {
        let text = client.error(tool, arguments.clone()).await;
        assert!(text.contains(want), "{tool} {arguments}: {text}");
    }
    fixture.finish(client).await;
    let lines = fixture.access.all();
    assert_eq!(lines.len(), cases.len());
    assert!(
        lines.iter().all(|line| line.contains("ms tool_error/")),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn files_outside_of_the_root() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.md"), "secret").unwrap();
    let mut fixture = Fixture::new();
    symlink(
        outside.path().join("secret.md"),
        fixture.files.path().join("link.md"),
    )
    .unwrap();
    symlink(outside.path(), fixture.files.path().join("docs/up")).unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        fixture.files.path().join("pipe"),
        rustix::fs::Mode::RWXU,
    )
    .unwrap();
    let read = |path: &str| json!({ "path": path });
    check(
        &mut fixture,
        &[
            ("readFile", read("../secret.md"), "relative to the root"),
            (
                "readFile",
                read("docs/../../secret.md"),
                "relative to the root",
            ),
            ("readFile", read("/etc/passwd"), "relative to the root"),
            ("readFile", read(""), "relative to the root"),
            ("readFile", read("link.md"), "outside of the root"),
            ("readFile", read("docs/up/secret.md"), "outside of the root"),
            ("readFile", read("nothing.md"), "searchFiles"),
            ("readFile", read("readme.md/x"), "searchFiles"),
            ("readFile", read("docs"), "`docs/*`"),
            ("readFile", read("pipe"), "not a regular file"),
            ("readFile", read("binary.bin"), "not UTF-8"),
            (
                "searchFiles",
                json!({ "pattern": "/etc/*" }),
                "relative to the root",
            ),
            (
                "searchFiles",
                json!({ "pattern": "../*" }),
                "relative to the root",
            ),
            ("searchFiles", json!({ "pattern": "[a" }), "no `]`"),
        ],
    )
    .await;
}

#[tokio::test]
async fn searches_do_not_follow_links() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.md"), "secret").unwrap();
    let mut fixture = Fixture::new();
    symlink(
        outside.path().join("secret.md"),
        fixture.files.path().join("link.md"),
    )
    .unwrap();
    symlink(outside.path(), fixture.files.path().join("docs/up")).unwrap();
    symlink(".", fixture.files.path().join("docs/round")).unwrap();
    let client = fixture.connect(Carrier::Memory, Era::Modern).await;
    let found = client
        .call("searchFiles", json!({ "pattern": "*.md" }))
        .await
        .structured_content
        .unwrap();
    assert_eq!(found["files"].as_array().unwrap().len(), 2, "{found}");
    fixture.finish(client).await;
}

#[tokio::test]
async fn results_are_bounded() {
    let mut fixture = Fixture::new();
    let client = fixture.connect(Carrier::Memory, Era::Legacy).await;
    let found = client
        .call("searchFiles", json!({ "pattern": "**", "maxResults": 2 }))
        .await;
    assert!(text(&found).contains("there are more"), "{found:?}");
    assert_eq!(
        found.structured_content.as_ref().unwrap()["truncated"],
        "maxResults"
    );
    assert_eq!(
        found.structured_content.unwrap()["files"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // Cut inside of the two bytes of é.
    let read = client
        .call(
            "readFile",
            json!({ "path": "docs/guide.md", "maxBytes": 18 }),
        )
        .await;
    let structured = read.structured_content.as_ref().unwrap();
    assert_eq!(structured["text"], "A guide, with an ");
    assert_eq!(
        (&structured["truncated"], &structured["size"]),
        (&json!(true), &json!(21))
    );
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let rows = client.call("query", json!({ "sql": sql })).await;
    assert!(text(&rows).ends_with("[the first 500 rows; add a WHERE or a LIMIT]"));
    fixture.finish(client).await;
}

#[tokio::test]
async fn writing_to_the_database() {
    let mut fixture = Fixture::new();
    let sql = |text: &str| json!({ "sql": text });
    let endless =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    check(
        &mut fixture,
        &[
            ("query", sql("DELETE FROM products"), "read-only"),
            (
                "query",
                sql("INSERT INTO products VALUES (99, 'x', 1, 1)"),
                "read-only",
            ),
            (
                "query",
                sql("WITH x AS (SELECT 1) UPDATE products SET stock = 0"),
                "read-only",
            ),
            ("query", sql("CREATE TEMP TABLE t (a)"), "read-only"),
            ("query", sql("DROP TABLE orders"), "read-only"),
            ("query", sql("ATTACH 'other.db' AS other"), "read-only"),
            ("query", sql("PRAGMA query_only = 0"), "read-only"),
            ("query", sql("PRAGMA journal_mode = WAL"), "read-only"),
            ("query", sql("VACUUM INTO 'copy.db'"), "read-only"),
            ("query", sql("BEGIN"), "read-only"),
            ("query", sql("SELECT load_extension('x')"), "not authorized"),
            ("query", sql("SELECT 1; DELETE FROM products"), "read-only"),
            ("query", sql("SELECT 1; SELECT 2"), "one SQL statement"),
            ("query", sql(" -- nothing"), "one SQL statement"),
            (
                "query",
                sql("SELECT missing FROM products"),
                "no such column: missing",
            ),
            ("query", sql("SELECT zeroblob(100000000)"), "too big"),
            ("query", sql(endless), "longer than 2s"),
        ],
    )
    .await;
    assert!(!fixture.files.path().join("copy.db").exists());
}

#[tokio::test]
async fn a_database_file_is_read_and_not_written() {
    let mut fixture = Fixture::new();
    let path = fixture.files.path().join("own.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (7);")
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let options = Options {
        database: Some(path.clone()),
        ..fixture.options()
    };
    let client = fixture
        .connect_with(Carrier::Memory, Era::Modern, options, &[])
        .await;
    assert_eq!(
        text(
            &client
                .call("query", json!({ "sql": "SELECT a FROM t" }))
                .await
        ),
        "a\n7"
    );
    assert_eq!(
        text(
            &client
                .call("query", json!({ "sql": "PRAGMA table_info(t)" }))
                .await
        )
        .lines()
        .count(),
        2
    );
    assert!(
        client
            .error("query", json!({ "sql": "DELETE FROM t" }))
            .await
            .contains("read-only")
    );
    fixture.finish(client).await;
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn hosts_that_are_not_on_the_list() {
    let mut fixture = Fixture::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let get = |url: &str| json!({ "url": url });
    check(
        &mut fixture,
        &[
            (
                "httpGet",
                get("http://192.0.2.1/"),
                "Allowed: localhost, 127.0.0.1, [::1]",
            ),
            (
                "httpGet",
                get("http://localhost.example.com/"),
                "not a host that may be asked",
            ),
            ("httpGet", get("http://127.0.0.1@192.0.2.1/"), "no URL"),
            (
                "httpGet",
                get("https://localhost/"),
                "https is not supported",
            ),
            ("httpGet", get("file:///etc/passwd"), "no URL"),
            (
                "httpGet",
                get(&format!("http://{closed}/")),
                "cannot be reached",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn arguments_that_do_not_fit() {
    let mut fixture = Fixture::new();
    check(
        &mut fixture,
        &[
            ("echo", json!({}), "missing field `text`"),
            ("echo", json!({ "text": 1 }), "expected a string"),
            (
                "echo",
                json!({ "text": "a", "more": 1 }),
                "unknown field `more`",
            ),
            (
                "searchFiles",
                json!({ "pattern": "*", "maxResults": -1 }),
                "invalid value",
            ),
            ("sleep", json!({ "ms": "1" }), "do not fit `sleep`"),
        ],
    )
    .await;
}

#[tokio::test]
async fn names_that_are_unknown() {
    for era in ERAS {
        let mut fixture = Fixture::new();
        let client = fixture.connect(Carrier::Memory, era).await;
        let tool = client
            .running
            .call_tool(CallToolRequestParams::new("nothing\nfaked line"))
            .await;
        check_error(
            tool.unwrap_err(),
            ErrorCode::INVALID_PARAMS,
            "there are searchFiles",
        );
        let resource = client
            .running
            .read_resource(ReadResourceRequestParams::new("workbench://x"))
            .await;
        let missing = if era == Era::Legacy {
            ErrorCode::RESOURCE_NOT_FOUND
        } else {
            ErrorCode::INVALID_PARAMS
        };
        check_error(resource.unwrap_err(), missing, "workbench://about");
        let prompt = client
            .running
            .get_prompt(GetPromptRequestParams::new("x"))
            .await;
        check_error(
            prompt.unwrap_err(),
            ErrorCode::INVALID_PARAMS,
            "`investigate`",
        );
        let prompt = client
            .running
            .get_prompt(GetPromptRequestParams::new("investigate"))
            .await;
        check_error(
            prompt.unwrap_err(),
            ErrorCode::INVALID_PARAMS,
            "needs `topic`",
        );
        fixture.finish(client).await;
        let lines = fixture.access.all();
        assert_eq!(
            lines.len(),
            4,
            "a name from outside makes no line: {lines:#?}"
        );
        assert!(
            lines[0].contains(" tools/call ") && lines[0].contains("protocol_error/-32602"),
            "{lines:#?}"
        );
    }
}

#[track_caller]
fn check_error(error: ServiceError, code: ErrorCode, want: &str) {
    let ServiceError::McpError(error) = error else {
        panic!("no protocol error: {error:?}")
    };
    assert_eq!(error.code, code, "{error:?}");
    assert!(error.message.contains(want), "{error:?}");
}

#[tokio::test]
async fn starting_without_what_is_needed() {
    let fixture = Fixture::new();
    let address = "127.0.0.1:0".parse().unwrap();
    let options = Options {
        root: fixture.files.path().join("nowhere"),
        ..fixture.options()
    };
    assert!(matches!(
        serve_http(address, options).await.err(),
        Some(StartError::Root { .. })
    ));
    for database in ["nowhere.db", "readme.md"] {
        let options = Options {
            database: Some(fixture.files.path().join(database)),
            ..fixture.options()
        };
        let error = serve_http(address, options).await.err().unwrap();
        assert!(
            matches!(error, StartError::Database { .. }) && error.to_string().contains(database),
            "{error}"
        );
    }
    let taken = std::net::TcpListener::bind(address).unwrap();
    let error = serve_http(taken.local_addr().unwrap(), fixture.options())
        .await
        .err()
        .unwrap();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
}
