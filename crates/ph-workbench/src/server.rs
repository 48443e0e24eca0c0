//! The MCP side: what is offered, and each call observed from its first to its last moment.

use std::sync::Arc;
use std::time::Duration;

use ph_base::trace::RemoteParent;
use ph_otlp::{Exporter, SourceName, Tuning};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, ErrorData,
    GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation, ListPromptsResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, Prompt, PromptArgument,
    PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, Role, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use tokio::runtime::Handle;

use crate::access::{AccessLog, Outcome};
use crate::options::{Options, StartError};
use crate::tools::database::Database;
use crate::tools::fetch::AllowList;
use crate::tools::root::Root;
use crate::tools::{self, Bench, Progress, Scope, ToolError};
use crate::trace::{Call, Caller, Tracer};

/// The service name when nothing else is configured.
const SERVICE_NAME: &str = "pilothouse-workbench";

const ABOUT_URI: &str = "workbench://about";
const PROMPT: &str = "investigate";

/// One workbench; clones share everything.
#[derive(Clone)]
pub(crate) struct Workbench(Arc<Inner>);

struct Inner {
    bench: Bench,
    tools: Vec<Tool>,
    tracer: Arc<Tracer>,
    access: AccessLog,
}

impl Workbench {
    /// Opens root, database and exporter. Must be called inside a tokio runtime.
    pub(crate) fn new(options: Options) -> Result<Self, StartError> {
        let Options {
            root,
            database,
            allow_hosts,
            stat_delay,
            otlp,
            access,
            stop: _,
        } = options;
        let exporter = match otlp {
            None => None,
            Some(settings) => {
                let source = SourceName {
                    service: SERVICE_NAME,
                    version: env!("CARGO_PKG_VERSION"),
                    scope: "ph-workbench",
                };
                Some(Exporter::start(
                    settings,
                    &source,
                    Tuning::default(),
                    &Handle::current(),
                )?)
            }
        };
        let bench = Bench {
            root: Arc::new(
                Root::open(&root, stat_delay)
                    .map_err(|source| StartError::Root { path: root, source })?,
            ),
            database: Database::open(database.as_deref()).map_err(|source| {
                let path = database.unwrap_or_else(|| ":memory:".into());
                StartError::Database { path, source }
            })?,
            hosts: AllowList::new(allow_hosts),
        };
        Ok(Self(Arc::new(Inner {
            bench,
            tools: tools::list(),
            tracer: Arc::new(Tracer::new(exporter).map_err(StartError::Random)?),
            access: AccessLog::new(access),
        })))
    }

    /// Sends the spans that are left.
    pub(crate) async fn finish(&self, limit: Duration) {
        self.0.tracer.stop(limit).await;
    }

    /// Begins a call: `target` only where its values are bounded.
    fn begin(
        &self,
        method: &'static str,
        target: Option<&str>,
        context: &RequestContext<RoleServer>,
    ) -> Call {
        let name = target.map_or_else(|| method.to_owned(), |target| format!("{method} {target}"));
        let mut call = self.0.tracer.call(name, &caller(context));
        call.set("mcp.method.name", method);
        if let Some(version) = context.protocol_version() {
            call.set("mcp.protocol.version", version.as_str().to_owned());
        }
        call.set("jsonrpc.request.id", context.id.to_string());
        call
    }

    fn end(&self, mut call: Call, outcome: &Outcome, text: impl FnOnce() -> String) {
        match outcome {
            Outcome::Ok => {}
            Outcome::ToolError(_) => call.fail("tool_error".to_owned(), text()),
            Outcome::ProtocolError(code) => call.fail(code.to_string(), text()),
            Outcome::Cancelled => call.fail("cancelled".to_owned(), text()),
        }
        let (name, trace_id) = (call.name().to_owned(), call.trace_id());
        self.0.access.write(&name, call.end(), outcome, trace_id);
    }

    /// Ends a call that either succeeds or is a JSON-RPC error.
    fn end_simple<T>(&self, call: Call, result: Result<T, ErrorData>) -> Result<T, ErrorData> {
        match &result {
            Ok(_) => self.end(call, &Outcome::Ok, String::new),
            Err(error) => self.end(call, &Outcome::ProtocolError(error.code.0), || {
                error.message.to_string()
            }),
        }
        result
    }

    fn about(&self) -> String {
        let root = self.0.bench.root.path().display();
        let mut text =
            format!("# Pilothouse workbench\n\nFiles below `{root}`, read-only.\n\nTools:\n");
        for tool in &self.0.tools {
            let description = tool.description.as_deref().unwrap_or_default();
            text.push_str(&format!("- `{}`: {description}\n", tool.name));
        }
        text
    }
}

impl ServerHandler for Workbench {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(
                Implementation::new("pilothouse-workbench", env!("CARGO_PKG_VERSION"))
                    .with_title("Pilothouse workbench"),
            )
            .with_instructions(
                "Files below one directory, a SQLite database and HTTP, all read-only.",
            )
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let call = self.begin("tools/list", None, &context);
        self.end_simple(
            call,
            Ok(ListToolsResult::with_all_items(self.0.tools.clone())),
        )
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = tools::find(&request.name) else {
            let call = self.begin("tools/call", None, &context);
            let names: Vec<_> = self.0.tools.iter().map(|tool| tool.name.as_ref()).collect();
            let text = format!(
                "no tool is named `{}`; there are {}",
                request.name,
                names.join(", ")
            );
            return self.end_simple(call, Err(ErrorData::invalid_params(text, None)));
        };
        let mut call = self.begin("tools/call", Some(tool.as_label()), &context);
        call.set("gen_ai.tool.name", tool.as_label());
        call.set("gen_ai.operation.name", "execute_tool");
        let scope = Scope {
            trace: call.trace().clone(),
            cancel: context.ct.clone(),
            progress: context
                .meta
                .get_progress_token()
                .map(|token| Progress::new(context.peer.clone(), token)),
        };
        let arguments = request.arguments.unwrap_or_default();
        Ok(match tool.run(&self.0.bench, arguments, scope).await {
            Ok(answer) => {
                self.end(call, &Outcome::Ok, String::new);
                let mut result = CallToolResult::success(vec![ContentBlock::text(answer.text)]);
                result.structured_content = answer.structured;
                result.into()
            }
            Err(error) => {
                let text = error.advice();
                let outcome = match &error {
                    ToolError::Cancelled => Outcome::Cancelled,
                    other => Outcome::ToolError(other.as_label()),
                };
                self.end(call, &outcome, || text.clone());
                CallToolResult::error(vec![ContentBlock::text(text)]).into()
            }
        })
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let call = self.begin("resources/list", None, &context);
        let about = Resource::new(ABOUT_URI, "about")
            .with_title("What this workbench serves")
            .with_mime_type("text/markdown");
        self.end_simple(call, Ok(ListResourcesResult::with_all_items(vec![about])))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let call = self.begin("resources/read", None, &context);
        let result = if request.uri == ABOUT_URI {
            let contents =
                ResourceContents::text(self.about(), ABOUT_URI).with_mime_type("text/markdown");
            Ok(ReadResourceResult::new(vec![contents]).into())
        } else {
            let text = format!("no resource `{}`; there is `{ABOUT_URI}`", request.uri);
            Err(ErrorData::resource_not_found(text, None))
        };
        self.end_simple(call, result)
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let call = self.begin("prompts/list", None, &context);
        let topic = PromptArgument::new("topic")
            .with_description("What to look for")
            .with_required(true);
        let description = "Find out about a topic in the files and the database";
        let prompt = Prompt::new(PROMPT, Some(description), Some(vec![topic]));
        self.end_simple(call, Ok(ListPromptsResult::with_all_items(vec![prompt])))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let target = (request.name == PROMPT).then_some(PROMPT);
        let call = self.begin("prompts/get", target, &context);
        self.end_simple(call, prompt(&request).map(Into::into))
    }
}

fn prompt(request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    if request.name != PROMPT {
        let text = format!("no prompt is named `{}`; there is `{PROMPT}`", request.name);
        return Err(ErrorData::new(ErrorCode::INVALID_PARAMS, text, None));
    }
    let topic = request
        .arguments
        .as_ref()
        .and_then(|arguments| arguments.get("topic")?.as_str());
    let Some(topic) = topic else {
        return Err(ErrorData::invalid_params(
            "the prompt needs `topic`, a text",
            None,
        ));
    };
    let text = format!(
        "Find out what there is about \"{topic}\". Search the files with searchFiles (for example `*{topic}*`), \
         read the promising ones with readFile, and look at the tables of the database with \
         query (`SELECT name FROM sqlite_master`). Answer with what you found and where."
    );
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(
        Role::User,
        text,
    )]))
}

fn caller(context: &RequestContext<RoleServer>) -> Caller {
    let headers = context
        .extensions
        .get::<http::request::Parts>()
        .map(|parts| &parts.headers);
    let header = |name| headers.and_then(|headers| headers.get(name)?.to_str().ok());
    let meta = context.meta.get_traceparent().and_then(RemoteParent::parse);
    let state = if meta.is_some() {
        context.meta.get_tracestate()
    } else {
        header("tracestate")
    };
    Caller {
        meta,
        header: header("traceparent").and_then(RemoteParent::parse),
        trace_state: state
            .filter(|state| state.len() <= TRACE_STATE_BYTES_MAX)
            .unwrap_or_default()
            .to_owned(),
    }
}

/// What the W3C recommendation asks everyone to carry at least.
const TRACE_STATE_BYTES_MAX: usize = 512;
