//! A workbench on files of its own, and clients for it.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use ph_workbench::{Options, serve_http, serve_stream};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientRequest, ProgressNotificationParam,
    ProtocolVersion, Request, ServerResult,
};
use rmcp::service::{
    NotificationContext, PeerRequestOptions, RequestHandle, RunningService, ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Long enough that only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

pub(crate) const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Memory,
    Http,
    Child,
}

/// A running workbench with files to serve.
pub(crate) struct Fixture {
    pub(crate) files: TempDir,
    pub(crate) access: Lines,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
    child: Option<Child>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        write(files.path(), "readme.md", "# Readme\n");
        write(files.path(), "docs/guide.md", "A guide, with an é.\n");
        write(files.path(), "docs/deep/notes.txt", "notes\n");
        write(files.path(), "binary.bin", [0xff, 0xfe, 0]);
        Self {
            files,
            access: Lines(Arc::new(watch::Sender::default())),
            stop: CancellationToken::new(),
            server: None,
            child: None,
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            root: self.files.path().to_owned(),
            access: Box::new(self.access.clone()),
            stop: self.stop.clone(),
            ..Options::default()
        }
    }

    /// Starts the workbench and connects to it.
    pub(crate) async fn connect(&mut self, carrier: Carrier, era: Era) -> Client {
        self.connect_with(carrier, era, self.options(), &[]).await
    }

    pub(crate) async fn connect_with(
        &mut self,
        carrier: Carrier,
        era: Era,
        options: Options,
        headers: &[(&'static str, &str)],
    ) -> Client {
        let (handler, progress) = Handler::new();
        let running = match carrier {
            Carrier::Memory => {
                let (ours, theirs) = tokio::io::duplex(4096);
                let (input, output) = tokio::io::split(theirs);
                self.server = Some(tokio::spawn(async {
                    serve_stream(input, output, options).await.unwrap();
                }));
                handler.serve_with_lifecycle(ours, lifecycle(era)).await
            }
            Carrier::Http => {
                let url = self.serve_http(options).await;
                let headers = headers
                    .iter()
                    .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
                let config = StreamableHttpClientTransportConfig::with_uri(url)
                    .custom_headers(headers.collect());
                handler
                    .serve_with_lifecycle(
                        StreamableHttpClientTransport::from_config(config),
                        lifecycle(era),
                    )
                    .await
            }
            Carrier::Child => {
                let (child, transport) = child(self.files.path()).await;
                self.child = Some(child);
                handler
                    .serve_with_lifecycle(transport, lifecycle(era))
                    .await
            }
        };
        Client {
            running: running.unwrap(),
            progress,
        }
    }

    /// Starts the HTTP server; its endpoint.
    pub(crate) async fn serve_http(&mut self, options: Options) -> String {
        let (address, server) = serve_http("127.0.0.1:0".parse().unwrap(), options)
            .await
            .unwrap();
        self.server = Some(tokio::spawn(server));
        format!("http://{address}/mcp")
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Ends the workbench in order, with all its spans sent.
    pub(crate) async fn finish(&mut self, client: Client) {
        client.running.cancel().await.unwrap();
        self.ended().await;
    }

    /// Waits for the workbench that has been told to end, or whose client has gone.
    pub(crate) async fn ended(&mut self) {
        if let Some(child) = self.child.take() {
            let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
            let output = ended.expect("the child ends").unwrap();
            assert!(output.status.success(), "{output:?}");
            self.access.write_all(&output.stderr).unwrap();
        } else {
            self.stop.cancel();
            let server = self.server.take().unwrap();
            tokio::time::timeout(PATIENCE, server)
                .await
                .expect("the server ends")
                .unwrap();
        }
    }
}

fn write(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn lifecycle(era: Era) -> ClientLifecycleMode {
    match era {
        Era::Legacy => ClientLifecycleMode::Initialize,
        Era::Modern => ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        },
    }
}

type ChildStreams = (DuplexStream, ChildStdin);

/// Set in a child process: the test `calls::in_a_child_process` is the server there.
const IS_SERVER: &str = "PH_WORKBENCH_TEST_IS_SERVER";

#[expect(
    clippy::disallowed_methods,
    reason = "set by `child` for the process that it starts, not by an operator"
)]
pub(crate) fn is_server() -> bool {
    std::env::var_os(IS_SERVER).is_some()
}

/// Starts this test binary again, as a server on its standard streams.
async fn child(root: &Path) -> (Child, ChildStreams) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "calls::in_a_child_process", "--nocapture"])
        .env(IS_SERVER, "1")
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // What the test harness says before it runs the server.
    while !line.starts_with("running 1 test") {
        line.clear();
        assert_ne!(
            output.read_line(&mut line).await.unwrap(),
            0,
            "the child begins to run"
        );
    }
    let (ours, mut theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        // The client hangs up before the test harness has said its last.
        let _forwarded = tokio::io::copy_buf(&mut output, &mut theirs).await;
        tokio::io::copy_buf(&mut output, &mut tokio::io::sink())
            .await
            .unwrap();
    });
    let input = child.stdin.take().unwrap();
    (child, (ours, input))
}

/// Access lines, kept.
#[derive(Clone)]
pub(crate) struct Lines(Arc<watch::Sender<String>>);

impl Lines {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.borrow().lines().map(str::to_owned).collect()
    }

    /// Waits for a line with both texts.
    pub(crate) async fn wait(&self, name: &str, outcome: &str) {
        let mut lines = self.0.subscribe();
        let has = |text: &String| {
            text.lines()
                .any(|line| line.contains(name) && line.contains(outcome))
        };
        let waited = tokio::time::timeout(PATIENCE, lines.wait_for(has)).await;
        assert!(waited.is_ok(), "{name} {outcome}: {:#?}", self.all());
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .send_modify(|text| text.push_str(std::str::from_utf8(bytes).unwrap()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A client that hands on the progress it is told.
pub(crate) struct Client {
    pub(crate) running: RunningService<RoleClient, Handler>,
    pub(crate) progress: mpsc::Receiver<ProgressNotificationParam>,
}

pub(crate) struct Handler(mpsc::Sender<ProgressNotificationParam>);

impl Handler {
    fn new() -> (Self, mpsc::Receiver<ProgressNotificationParam>) {
        let (sender, receiver) = mpsc::channel(64);
        (Self(sender), receiver)
    }
}

impl ClientHandler for Handler {
    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.send(progress).await.unwrap();
    }
}

impl Client {
    pub(crate) async fn call(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        let called = self.running.call_tool(params(tool, arguments));
        tokio::time::timeout(PATIENCE, called)
            .await
            .expect("the tool answers")
            .unwrap()
    }

    /// The text of a result that must be an error.
    pub(crate) async fn error(&self, tool: &'static str, arguments: Value) -> String {
        let result = self.call(tool, arguments.clone()).await;
        assert_eq!(
            result.is_error,
            Some(true),
            "{tool} {arguments}: {result:?}"
        );
        text(&result)
    }

    /// A call whose answer is waited for later.
    pub(crate) async fn begin(
        &self,
        tool: &'static str,
        arguments: Value,
        options: PeerRequestOptions,
    ) -> RequestHandle<RoleClient> {
        let request = ClientRequest::CallToolRequest(Request::new(params(tool, arguments)));
        self.running
            .send_cancellable_request(request, options)
            .await
            .unwrap()
    }
}

/// The result of a call that was begun.
pub(crate) async fn result(
    handle: RequestHandle<RoleClient>,
) -> Result<CallToolResult, ServiceError> {
    let answer = tokio::time::timeout(PATIENCE, handle.await_response())
        .await
        .expect("the tool answers")?;
    match answer {
        ServerResult::CallToolResult(result) => Ok(result),
        other => panic!("no tool result: {other:?}"),
    }
}

fn params(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object")
    };
    CallToolRequestParams::new(tool).with_arguments(arguments)
}

pub(crate) fn text(result: &CallToolResult) -> String {
    result.content[0].as_text().unwrap().text.clone()
}
