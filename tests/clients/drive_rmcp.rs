//! Drives the official Rust client (rmcp); lines in and out are those of `drive.mjs`.
//!
//! Built as an example of `ph-workbench`, whose tests need the same client. It cannot see what its
//! transport sends, so its summary has no counts and `run` compares the records with each other.
#![expect(clippy::print_stdout, reason = "its standard output is its protocol")]
#![expect(deprecated, reason = "sampling and roots are what is driven here")]

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest,
    CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
    ElicitationAction, ErrorData, Implementation, ProgressNotificationParam, ProtocolVersion,
    ResourceUpdatedNotificationParam, SamplingMessage, SubscriptionFilter,
};
use rmcp::service::{
    NotificationContext, PeerRequestOptions, RequestContext, RunningService, Subscription,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

const STEP: Duration = Duration::from_secs(15);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the server has told or asked this client.
#[derive(Default)]
struct Seen {
    asked: BTreeMap<&'static str, u64>,
    notes: Vec<(&'static str, Option<String>)>,
    progress: Vec<(Instant, f64)>,
}

#[derive(Clone)]
struct Handler(Arc<watch::Sender<Seen>>);

impl Handler {
    fn ask(&self, method: &'static str) {
        self.0
            .send_modify(|seen| *seen.asked.entry(method).or_default() += 1);
    }

    fn note(&self, method: &'static str, uri: Option<String>) {
        self.0.send_modify(|seen| seen.notes.push((method, uri)));
    }

    async fn until(&self, what: &str, holds: impl FnMut(&Seen) -> bool) -> Result<(), Failure> {
        let mut seen = self.0.subscribe();
        let waited = tokio::time::timeout(STEP, seen.wait_for(holds)).await;
        waited.map_err(|_| format!("no {what} within {STEP:?}"))??;
        Ok(())
    }
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder()
            .enable_sampling()
            .enable_elicitation()
            .build();
        ClientConfig::new(capabilities, Implementation::new("drive-rmcp", "1.0.0"))
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.ask("sampling/createMessage");
        let asked = serde_json::to_value(&params.messages).unwrap_or_default();
        let content = &asked[0]["content"];
        let text = content["text"]
            .as_str()
            .or(content[0]["text"].as_str())
            .unwrap_or("?");
        let message = SamplingMessage::assistant_text(format!("parrot says: {text}"));
        Ok(CreateMessageResult::new(message, "parrot-1".to_owned()))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.ask("elicitation/create");
        Ok(ElicitResult::new(ElicitationAction::Accept)
            .with_content(json!({ "name": "Ada Lovelace" })))
    }

    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0
            .send_modify(|seen| seen.progress.push((Instant::now(), progress.progress)));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.note("notifications/tools/list_changed", None);
    }

    async fn on_resource_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.note("notifications/resources/list_changed", None);
    }

    async fn on_resource_updated(
        &self,
        updated: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.note("notifications/resources/updated", Some(updated.uri));
    }
}

/// One connection and what can be done over it. Each step answers with facts.
struct Connection {
    running: RunningService<RoleClient, Handler>,
    handler: Handler,
    listening: Option<tokio::task::JoinHandle<()>>,
    stop_listening: tokio_util::sync::CancellationToken,
}

impl Connection {
    async fn open(plan: &Value, handler: Handler) -> Result<(Self, Value), Failure> {
        let modern = vec![ProtocolVersion::V_2026_07_28];
        let lifecycle = match text(plan, "mode") {
            "modern" => ClientLifecycleMode::Discover {
                preferred_versions: modern,
            },
            "auto" => ClientLifecycleMode::Auto {
                preferred_versions: modern,
                legacy_version: None,
            },
            _ => ClientLifecycleMode::Initialize,
        };
        let transport = StreamableHttpClientTransport::from_uri(text(plan, "url").to_owned());
        let connecting = handler.clone().serve_with_lifecycle(transport, lifecycle);
        let running = tokio::time::timeout(STEP, connecting).await??;
        let peer = serde_json::to_value(running.peer_info().as_deref())?;
        let version = &peer["protocolVersion"];
        let facts = json!({ "server": peer["serverInfo"]["name"], "version": version });
        let stop_listening = tokio_util::sync::CancellationToken::new();
        Ok((
            Self {
                running,
                handler,
                listening: None,
                stop_listening,
            },
            facts,
        ))
    }

    async fn step(&mut self, step: &Value) -> Result<Value, Failure> {
        let named = json!({ "name": step["name"], "arguments": step["args"] });
        let uri = json!({ "uri": step["uri"] });
        match text(step, "do") {
            "list_tools" => Ok(
                json!({ "names": each(&self.ask("tools/list", json!({})).await?["tools"], "name") }),
            ),
            "list_prompts" => Ok(
                json!({ "names": each(&self.ask("prompts/list", json!({})).await?["prompts"], "name") }),
            ),
            "list_resources" => Ok(
                json!({ "uris": each(&self.ask("resources/list", json!({})).await?["resources"], "uri") }),
            ),
            "list_templates" => {
                let found = self.ask("resources/templates/list", json!({})).await?;
                Ok(json!({ "uris": each(&found["resourceTemplates"], "uriTemplate") }))
            }
            "get_prompt" => {
                let found = self.ask("prompts/get", named).await?;
                Ok(
                    json!({ "text": each(&found["messages"], "content").iter().map(|content| text(content, "text")).collect::<String>() }),
                )
            }
            "read_resource" => {
                let found = self.ask("resources/read", uri).await?;
                Ok(json!({ "text": texts(&found["contents"]) }))
            }
            "complete" => {
                let params = json!({ "ref": step["ref"], "argument": step["argument"] });
                Ok(
                    json!({ "values": self.ask("completion/complete", params).await?["completion"]["values"] }),
                )
            }
            "ping" => Ok(json!({ "result": self.ask("ping", Value::Null).await? })),
            "subscribe" => Ok(json!({ "result": self.ask("resources/subscribe", uri).await? })),
            "unsubscribe" => Ok(json!({ "result": self.ask("resources/unsubscribe", uri).await? })),
            "call" => self.call(step).await,
            "many" => self.many(step).await,
            "cancel" => self.cancel(step).await,
            "listen" => self.listen(step).await,
            "unlisten" => {
                self.stop_listening.cancel();
                if let Some(listening) = self.listening.take() {
                    listening.await?;
                }
                Ok(json!({}))
            }
            "wait_note" => {
                let (method, uri) = (text(step, "method"), step["uri"].as_str());
                let wanted = |seen: &Seen| {
                    seen.notes
                        .iter()
                        .any(|(m, u)| *m == method && (uri.is_none() || u.as_deref() == uri))
                };
                self.handler.until(method, wanted).await?;
                Ok(json!({}))
            }
            other => Err(format!("no step `{other}`").into()),
        }
    }

    /// A request by its JSON; its result as JSON.
    async fn ask(&self, method: &str, params: Value) -> Result<Value, Failure> {
        let mut message = Map::from_iter([("method".to_owned(), method.into())]);
        if !params.is_null() {
            message.insert("params".to_owned(), params);
        }
        let request: ClientRequest = serde_json::from_value(message.into())?;
        let answer = tokio::time::timeout(STEP, self.running.send_request(request)).await??;
        Ok(serde_json::to_value(answer)?)
    }

    /// A tool call, with whatever the server asks back.
    async fn call(&self, step: &Value) -> Result<Value, Failure> {
        self.handler.0.send_modify(|seen| seen.progress.clear());
        let called = self.running.call_tool(call_params(step));
        let result = tokio::time::timeout(2 * STEP, called).await??;
        let result = serde_json::to_value(result)?;
        let seen = self.handler.0.borrow();
        let first = seen
            .progress
            .first()
            .map(|(at, _)| at.elapsed().as_millis());
        Ok(json!({
            "text": texts(&result["content"]),
            "is_error": result["isError"] == true,
            "structured": result["structuredContent"],
            "progress": seen.progress.iter().map(|(_, done)| done).collect::<Vec<_>>(),
            "progress_ahead_ms": first.unwrap_or_default(),
        }))
    }

    /// Calls at the same time, each with a text of its own.
    async fn many(&self, step: &Value) -> Result<Value, Failure> {
        let count = step["count"].as_u64().unwrap_or_default();
        let mut calls = tokio::task::JoinSet::new();
        for n in 0..count {
            let (peer, said) = (
                self.running.peer().clone(),
                format!("number {n} of {count}"),
            );
            let arguments =
                Map::from_iter([(text(step, "argument").to_owned(), said.clone().into())]);
            let params =
                CallToolRequestParams::new(text(step, "name").to_owned()).with_arguments(arguments);
            let wanted = format!("{}{said}", text(step, "prefix"));
            calls.spawn(async move { (peer.call_tool(params).await, wanted) });
        }
        let (mut good, mut bad) = (0, Vec::new());
        for (result, wanted) in tokio::time::timeout(STEP, calls.join_all()).await? {
            let answer = texts(&serde_json::to_value(result?)?["content"]);
            if answer == wanted {
                good += 1;
            } else {
                bad.push(answer);
            }
        }
        Ok(json!({ "good": good, "bad": bad }))
    }

    /// Starts a call and cancels it, on its first progress if it reports any, else after a while.
    async fn cancel(&self, step: &Value) -> Result<Value, Failure> {
        self.handler.0.send_modify(|seen| seen.progress.clear());
        let params = serde_json::to_value(call_params(step))?;
        let request: ClientRequest =
            serde_json::from_value(json!({ "method": "tools/call", "params": params }))?;
        let handle = self
            .running
            .send_cancellable_request(request, PeerRequestOptions::no_options())
            .await?;
        match step["after_ms"].as_u64() {
            Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            None => {
                self.handler
                    .until("progress", |seen| !seen.progress.is_empty())
                    .await?;
            }
        }
        handle.cancel(Some("changed my mind".to_owned())).await?;
        Ok(json!({ "cancelled": true }))
    }

    async fn listen(&mut self, step: &Value) -> Result<Value, Failure> {
        let filter: SubscriptionFilter = serde_json::from_value(step["filter"].clone())?;
        let subscription = tokio::time::timeout(STEP, self.running.peer().listen(filter)).await??;
        let (handler, stop) = (self.handler.clone(), self.stop_listening.clone());
        self.listening = Some(tokio::spawn(hear(subscription, handler, stop)));
        Ok(json!({}))
    }
}

/// Hands on what a subscription brings, until it ends or is cancelled.
async fn hear(
    mut subscription: Subscription,
    handler: Handler,
    stop: tokio_util::sync::CancellationToken,
) {
    while let Some(Ok(Some(notification))) = stop.run_until_cancelled(subscription.next()).await {
        let Ok(notification) = serde_json::to_value(notification) else {
            continue;
        };
        let uri = notification["params"]["uri"].as_str().map(str::to_owned);
        match text(&notification, "method") {
            "notifications/tools/list_changed" => {
                handler.note("notifications/tools/list_changed", None);
            }
            "notifications/resources/updated" => {
                handler.note("notifications/resources/updated", uri);
            }
            _ => {}
        }
    }
    // A server that has already gone needs no word of ours.
    let _told = subscription.cancel().await;
}

fn call_params(step: &Value) -> CallToolRequestParams {
    let arguments = step["args"].as_object().cloned().unwrap_or_default();
    CallToolRequestParams::new(text(step, "name").to_owned()).with_arguments(arguments)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn texts(items: &Value) -> String {
    items
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| text(item, "text"))
        .collect()
}

fn each(items: &Value, key: &str) -> Vec<Value> {
    items
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| item[key].clone())
        .collect()
}

async fn drive(plan: &Value, say: impl Fn(Value)) {
    let handler = Handler(Arc::new(watch::Sender::default()));
    match Connection::open(plan, handler.clone()).await {
        Err(error) => say(json!({ "do": "connect", "ok": false, "error": error.to_string() })),
        Ok((mut connection, facts)) => {
            say(merged(json!({ "do": "connect", "ok": true }), facts));
            for step in plan["steps"].as_array().into_iter().flatten() {
                match connection.step(step).await {
                    Ok(facts) => say(merged(json!({ "do": step["do"], "ok": true }), facts)),
                    Err(error) => {
                        say(
                            json!({ "do": step["do"], "ok": false, "error": format!("{error:?}") }),
                        );
                        if step["may_fail"] != true {
                            break;
                        }
                    }
                }
            }
            // The server side of the end is `run`'s to look at.
            let _ended = connection.running.cancel().await;
        }
    }
    let asked = handler.0.borrow().asked.clone();
    say(json!({ "done": true, "sent": null, "asked": asked }));
}

fn merged(mut into: Value, from: Value) -> Value {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
    into
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    for line in std::io::stdin().lock().lines() {
        let plan: Value = serde_json::from_str(&line?)?;
        drive(&plan, |fact| {
            println!("{}", merged(json!({ "case": plan["case"] }), fact));
        })
        .await;
    }
    Ok(())
}
