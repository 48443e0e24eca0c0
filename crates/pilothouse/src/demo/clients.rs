//! MCP clients of the official SDK, each with calls that are due whether or not earlier ones were answered.

use anyhow::{Context, Result};
use http::{HeaderName, HeaderValue};
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion,
};
use rmcp::service::RunningService;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, UnixSocketHttpClient};
use rmcp::{ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Calls of one client at the same time; those that are due beyond that are left out and counted.
const IN_FLIGHT_MAX: usize = 64;
const OPEN_MAX: Duration = Duration::from_secs(30);
/// What the limit of the gateway says.
const TOO_MANY: &str = "too many requests";

/// What became of a client's calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Answered with a result.
    pub done: u64,
    /// Refused by a limit.
    pub refused: u64,
    /// Anything else.
    pub failed: u64,
    /// Due, but too many were unanswered.
    pub left_out: u64,
    /// Times of what was answered with a result.
    pub times: Vec<Duration>,
    /// What the last refusal said.
    pub refusal: Option<String>,
    /// What the last failure said.
    pub failure: Option<String>,
}

impl Tally {
    /// Takes in what another client has.
    pub(super) fn add(&mut self, other: Self) {
        self.done += other.done;
        self.refused += other.refused;
        self.failed += other.failed;
        self.left_out += other.left_out;
        self.times.extend(other.times);
        self.refusal = other.refusal.or(self.refusal.take());
        self.failure = other.failure.or(self.failure.take());
    }

    /// What came since `before`, an earlier look at the same one.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            done: self.done - before.done,
            refused: self.refused - before.refused,
            failed: self.failed - before.failed,
            left_out: self.left_out - before.left_out,
            times: self.times[before.times.len()..].to_vec(),
            refusal: self.refusal.clone(),
            failure: self.failure.clone(),
        }
    }

    /// What to say of failed calls; nothing when there were none.
    pub(super) fn failures(&self) -> String {
        match &self.failure {
            Some(failure) if self.failed > 0 => {
                format!("; {} FAILED, the last: {failure}", self.failed)
            }
            _ => String::new(),
        }
    }

    /// The time within which `share` of the answers came.
    pub(super) fn quantile(&self, share: f64) -> Option<Duration> {
        let mut times = self.times.clone();
        times.sort_unstable();
        let last = times.len().checked_sub(1)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index below the length"
        )]
        let at = (last as f64 * share).round() as usize;
        times.get(at).copied()
    }
}

/// A call that is made again and again.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub tool: &'static str,
    pub arguments: Map<String, Value>,
}

impl Call {
    pub(super) fn new(tool: &'static str, arguments: &Value) -> Self {
        Self {
            tool,
            arguments: arguments.as_object().cloned().unwrap_or_default(),
        }
    }
}

/// The way to the gateway: the SDK's client speaks to a Unix socket, and what it says is passed on.
pub(super) struct Way {
    socket: String,
    url: String,
    passing: JoinHandle<()>,
}

impl Way {
    /// - `url`: of the server, as the gateway says it.
    pub(super) fn open(socket: &Path, url: &str) -> Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let parsed: http::Uri = url.parse()?;
        let to = parsed
            .authority()
            .context("the address of the gateway names no host")?
            .to_string();
        let passing = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let to = to.clone();
                tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(&to).await {
                        // An end of either side is the end of both, and the client hears of it.
                        drop(copy_bidirectional(&mut near, &mut far).await);
                    }
                });
            }
        });
        Ok(Self {
            socket: socket.display().to_string(),
            url: url.to_owned(),
            passing,
        })
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

/// A client that makes its calls.
pub(super) struct Caller {
    tally: Arc<Mutex<Tally>>,
    calling: JoinHandle<()>,
}

impl Caller {
    /// Connects, and begins.
    ///
    /// - `gap`: the time from one call to the next.
    /// - `calls`: made in turn.
    pub(super) async fn start(
        way: &Way,
        name: &str,
        gap: Duration,
        calls: Vec<Call>,
    ) -> Result<Self> {
        let id = HeaderValue::from_str(name)?;
        let config = StreamableHttpClientTransportConfig::with_uri(way.url.clone())
            .max_concurrent_requests(IN_FLIGHT_MAX)
            .custom_headers([(HeaderName::from_static("x-client-id"), id)].into());
        let client = UnixSocketHttpClient::new(&way.socket, &way.url);
        let transport = StreamableHttpClientTransport::with_client(client, config);
        let info = ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new(name, "1.0.0"),
        );
        let lifecycle = ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        };
        let running = timeout(OPEN_MAX, info.serve_with_lifecycle(transport, lifecycle))
            .await
            .context("the gateway does not answer a client")?
            .with_context(|| format!("the client {name} cannot connect"))?;
        let tally = Arc::<Mutex<Tally>>::default();
        let calling = tokio::spawn(call_on(Arc::new(running), gap, calls, Arc::clone(&tally)));
        Ok(Self { tally, calling })
    }

    pub(super) fn tally(&self) -> Tally {
        lock(&self.tally).clone()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.calling.abort();
    }
}

type Client = RunningService<RoleClient, ClientConfig>;

async fn call_on(client: Arc<Client>, gap: Duration, calls: Vec<Call>, tally: Arc<Mutex<Tally>>) {
    let mut due = interval(gap);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut open = JoinSet::new();
    for call in calls.iter().cycle() {
        due.tick().await;
        while open.try_join_next().is_some() {}
        if open.len() >= IN_FLIGHT_MAX {
            lock(&tally).left_out += 1;
            continue;
        }
        open.spawn(one(Arc::clone(&client), call.clone(), Arc::clone(&tally)));
    }
}

async fn one(client: Arc<Client>, call: Call, tally: Arc<Mutex<Tally>>) {
    let params = CallToolRequestParams::new(call.tool).with_arguments(call.arguments);
    let begin = Instant::now();
    let answer = client.call_tool(params).await;
    let took = begin.elapsed();
    let mut tally = lock(&tally);
    match answer {
        Ok(result) if result.is_error != Some(true) => {
            tally.done += 1;
            tally.times.push(took);
        }
        Ok(result) => {
            tally.failed += 1;
            tally.failure = Some(format!("{}: {:?}", call.tool, result.content));
        }
        Err(error) => {
            let error = error.to_string();
            if error.contains(TOO_MANY) {
                tally.refused += 1;
                tally.refusal = Some(error);
            } else {
                tally.failed += 1;
                tally.failure = Some(format!("{}: {error}", call.tool));
            }
        }
    }
}

fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
