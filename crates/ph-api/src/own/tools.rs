//! `tools`: what the tools of servers were when they were accepted, what they are now, and their approval.
//!
//! Texts of servers are foreign. They are given as they are, as JSON; whoever prints them makes them printable.

use super::request;
use crate::admission::Caller;
use crate::endpoint::{Answer, Endpoint, Methods, Param};
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use crate::tools::{NotApproved, PinnedServer, ToolBooks};
use crate::work::NotDone;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use ph_policy::pins::{By, Definition, Hash, Offered, Part, Pin, Standing, check, differences};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Longest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 256 << 10;
/// Longest time that looking or approving may take.
const TIME_MAX: Duration = Duration::from_secs(10);

const SERVER: Param = Param::text("server", "Only this server.");
const LIST: &[Param] = &[SERVER];
const DIFF: &[Param] = &[SERVER, Param::text("tool", "Only this tool.")];

/// The tools of servers.
#[derive(Serialize, JsonSchema)]
struct ToolList {
    /// The servers whose tools are pinned, by name.
    servers: Vec<ServerTools>,
}

/// The tools of one server.
#[derive(Serialize, JsonSchema)]
struct ServerTools {
    server: String,
    /// Tools that are no longer what was accepted cannot be called.
    blocks: bool,
    /// What it runs now: its command, or its address, without secrets.
    artefact: String,
    /// A whole list has been accepted; until then what is listed is accepted as it is.
    complete: bool,
    /// SHA-256 of the set of accepted definitions.
    set: String,
    /// Tools that wait for somebody to look at them.
    waiting: usize,
    /// By name.
    tools: Vec<Tool>,
}

/// How a tool stands.
#[derive(Serialize, JsonSchema)]
struct Tool {
    tool: String,
    /// `pinned`, `changed`, `added`, `renamed` or `removed`.
    standing: &'static str,
    /// It cannot be called now.
    blocked: bool,
    /// What was accepted last.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<Accepted>,
    /// How many definitions are accepted side by side.
    accepted_count: usize,
    /// What was seen instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Seen>,
    /// What it was called before, where it was renamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    renamed_from: Option<String>,
    /// Since when it is not listed, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_since: Option<u64>,
}

/// A definition that was accepted.
#[derive(Serialize, JsonSchema)]
struct Accepted {
    /// SHA-256 of its canonical form (RFC 8785).
    hash: String,
    /// When, in Unix seconds.
    at: u64,
    /// Who approved it; absent where it was accepted because it was the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// What the server ran then.
    artefact: String,
}

/// A definition that was seen and is not accepted.
#[derive(Serialize, JsonSchema)]
struct Seen {
    /// SHA-256 of its canonical form (RFC 8785).
    hash: String,
    /// When it was first seen, in Unix seconds.
    at: u64,
    /// What the server ran then.
    artefact: String,
}

/// What differs.
#[derive(Serialize, JsonSchema)]
struct Diff {
    /// The tools that wait for somebody to look at them.
    tools: Vec<ToolDiff>,
}

/// What of a tool differs.
#[derive(Serialize, JsonSchema)]
struct ToolDiff {
    server: String,
    #[serde(flatten)]
    tool: Tool,
    /// The server runs what it ran when the tool was accepted.
    same_artefact: bool,
    /// Place by place; of a tool that was added, all of it.
    differences: Vec<Difference>,
}

/// One place that differs.
#[derive(Serialize, JsonSchema)]
struct Difference {
    /// JSON pointer; empty for the whole definition.
    pointer: String,
    /// In order.
    parts: Vec<DiffPart>,
}

/// A piece of text.
#[derive(Serialize, JsonSchema)]
struct DiffPart {
    /// `same`, `gone` or `new`.
    kind: &'static str,
    text: String,
}

/// What the static checks found.
#[derive(Serialize, JsonSchema)]
struct Check {
    /// Tools that were looked at.
    tools: usize,
    /// The worst first.
    findings: Vec<Finding>,
}

/// Something to look at.
#[derive(Serialize, JsonSchema)]
struct Finding {
    /// The rule: `PT001`, ….
    id: &'static str,
    /// The rule in words.
    rule: &'static str,
    /// Entries of OWASP's MCP Top 10 (2025).
    owasp: &'static str,
    /// `low`, `medium`, `high` or `critical`.
    severity: &'static str,
    server: String,
    tool: String,
    /// JSON pointer to the text.
    pointer: String,
    /// What was found, on one line and safe to print.
    evidence: String,
    /// Why it matters.
    about: &'static str,
}

/// What is to be approved.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Approval {
    server: String,
    /// The tools.
    tools: Vec<ApprovedTool>,
    /// What was accepted before stays accepted beside it.
    #[serde(default)]
    also: bool,
}

/// A tool that is to be approved.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ApprovedTool {
    tool: String,
    /// The definition that was looked at, by its hash; when it is another one by now, nothing is approved.
    #[serde(default)]
    hash: Option<String>,
}

/// What was approved.
#[derive(Serialize, JsonSchema)]
struct Approved {
    approved: Vec<String>,
    /// What was not.
    refused: Vec<Refused>,
}

/// A tool that was not approved.
#[derive(Serialize, JsonSchema)]
struct Refused {
    tool: String,
    error: String,
}

/// The endpoints of this module.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/api/pilothouse/tools",
            methods: Methods::GetOrPost,
            summary: "The tools of servers that are pinned, and how they stand; POST approves what tools are now.",
            params: LIST,
            answer: Answer::exchange::<ToolList, Approval, Approved>(),
            route: get(list).post(approve),
        },
        Endpoint {
            path: "/api/pilothouse/tools/diff",
            methods: Methods::Get,
            summary: "What differs in the tools that are no longer what was accepted, word by word.",
            params: DIFF,
            answer: Answer::json::<Diff>(),
            route: get(diff),
        },
        Endpoint {
            path: "/api/pilothouse/tools/check",
            methods: Methods::Get,
            summary: "What is suspicious about the tools of all servers together.",
            params: LIST,
            answer: Answer::json::<Check>(),
            route: get(checks),
        },
    ]
}

async fn list(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, LIST)?;
    let servers = servers(&shared, params.get("server")).await?;
    let servers = servers.iter().map(|server| ServerTools {
        server: server.server.clone(),
        blocks: server.blocks,
        artefact: server.artefact.clone(),
        complete: server.book.is_complete(),
        set: server.book.set().to_string(),
        waiting: server.book.waiting(),
        tools: server
            .book
            .pins()
            .map(|(name, pin)| Tool::of(name, pin, server.blocks))
            .collect(),
    });
    reply::value(&ToolList {
        servers: servers.collect(),
    })
}

async fn diff(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, DIFF)?;
    let servers = servers(&shared, params.get("server")).await?;
    let wanted = params.get("tool").map(str::to_owned);
    let tools = call(&shared, move |_| {
        let mut tools = Vec::new();
        for server in &servers {
            for (name, pin) in server.book.pins() {
                let is_wanted = wanted.as_deref().is_none_or(|wanted| wanted == name);
                if is_wanted && pin.standing() != Standing::Pinned {
                    tools.push(ToolDiff::of(server, name, pin));
                }
            }
        }
        Ok(tools)
    })
    .await?;
    reply::value(&Diff { tools })
}

async fn checks(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, LIST)?;
    // All servers are looked at together, whichever is asked about: what is bad about a tool can be another one.
    let all = servers(&shared, None).await?;
    let wanted = params.get("server").map(str::to_owned);
    if let Some(wanted) = &wanted {
        known(&all, wanted)?;
    }
    let found = call(&shared, move |_| {
        let mut offered = Vec::new();
        for server in &all {
            for (_, pin) in server.book.pins() {
                let latest = pin.latest().filter(|_| pin.missing_since.is_none());
                offered.extend(latest.map(|tool| Offered {
                    server: &server.server,
                    tool,
                }));
            }
        }
        let is_wanted = |server: &str| wanted.as_deref().is_none_or(|wanted| wanted == server);
        let findings = check(&offered).into_iter().filter(|f| is_wanted(&f.server));
        Ok(Check {
            tools: offered.iter().filter(|o| is_wanted(o.server)).count(),
            findings: findings.map(Finding::from).collect(),
        })
    })
    .await?;
    reply::value(&found)
}

async fn approve(State(shared): State<Shared>, request: Request) -> Result<Response, ApiError> {
    let caller = request.extensions().get::<Caller>();
    let by = caller.map_or_else(|| Arc::from(""), |caller| Arc::clone(&caller.name));
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX);
    let body = body.collect().await.map_err(|_| {
        let text = format!("a body has at most {BODY_BYTES_MAX} bytes, or it was cut");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    })?;
    let posted: Approval = serde_json::from_slice(&body.to_bytes())
        .map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))?;
    let done = call(&shared, move |books| {
        let mut done = Approved {
            approved: Vec::new(),
            refused: Vec::new(),
        };
        for wanted in posted.tools {
            let hash = wanted.hash.as_deref().map(|hash| {
                let bad = || ApiError::bad_request("a `hash` has 64 hexadecimal digits");
                Hash::parse(hash).ok_or_else(bad)
            });
            let approved = books.approve(
                &posted.server,
                &wanted.tool,
                hash.transpose()?,
                posted.also,
                &by,
            );
            match approved {
                Ok(()) => done.approved.push(wanted.tool),
                Err(NotApproved::Unavailable(why)) => {
                    return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why));
                }
                Err(why) => done.refused.push(Refused {
                    tool: wanted.tool,
                    error: why.to_string(),
                }),
            }
        }
        Ok(done)
    })
    .await?;
    reply::value(&done)
}

/// The servers whose tools are pinned: one of them, or all.
async fn servers(shared: &Shared, wanted: Option<&str>) -> Result<Vec<PinnedServer>, ApiError> {
    let mut servers = call(shared, |books| Ok(books.all())).await?;
    if let Some(wanted) = wanted {
        known(&servers, wanted)?;
        servers.retain(|server| server.server == wanted);
    }
    Ok(servers)
}

fn known(servers: &[PinnedServer], wanted: &str) -> Result<(), ApiError> {
    if servers.iter().any(|server| server.server == wanted) {
        return Ok(());
    }
    let shown: String = wanted.chars().take(100).collect();
    let error = format!("no tools are pinned for a server `{shown}`");
    let names: Vec<_> = servers.iter().map(|s| s.server.as_str()).collect();
    let hint = if names.is_empty() {
        "`pins: {mode: alert}` in the configuration remembers what tools are".to_owned()
    } else {
        format!("they are for {}", names.join(", "))
    };
    Err(ApiError::new(StatusCode::NOT_FOUND, error).hint(hint))
}

async fn call<T: Send + 'static>(
    shared: &Shared,
    job: impl FnOnce(Arc<dyn ToolBooks>) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let unavailable = |why: &str| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let Some(books) = shared.sources.tools.clone() else {
        return Err(unavailable("only a daemon knows the tools of its servers"));
    };
    match shared.queries.run(TIME_MAX, move |_| job(books)).await {
        Ok(done) => done,
        Err(NotDone::Queue) => Err(unavailable("too many queries run at once: try again")),
        Err(NotDone::Lost) => Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the call was lost",
        )),
    }
}

impl Tool {
    fn of(name: &str, pin: &Pin, blocks: bool) -> Self {
        let standing = pin.standing();
        Self {
            tool: name.to_owned(),
            standing: standing.as_str(),
            blocked: blocks && standing.is_unapproved(),
            accepted: pin.accepted.first().map(|accepted| Accepted {
                hash: accepted.definition.hash.to_string(),
                at: accepted.unix_s,
                by: match &accepted.by {
                    By::FirstUse => None,
                    By::Operator(name) if name.is_empty() => Some("an operator".to_owned()),
                    By::Operator(name) => Some(name.to_string()),
                },
                artefact: accepted.artefact.to_string(),
            }),
            accepted_count: pin.accepted.len(),
            now: pin.now.as_ref().map(|seen| Seen {
                hash: seen.definition.hash.to_string(),
                at: seen.unix_s,
                artefact: seen.artefact.to_string(),
            }),
            renamed_from: pin.renamed_from.as_deref().map(str::to_owned),
            missing_since: pin.missing_since,
        }
    }
}

impl ToolDiff {
    fn of(server: &PinnedServer, name: &str, pin: &Pin) -> Self {
        let before = match (&pin.renamed_from, pin.newest()) {
            (_, Some(newest)) => Some(newest),
            (Some(from), None) => server.book.pin(from).and_then(Pin::newest),
            (None, None) => None,
        };
        let now = pin.now.as_ref().map(|seen| &seen.definition);
        let differences = match (before, now) {
            (Some(before), Some(now)) => differences(before, now)
                .into_iter()
                .map(Difference::from)
                .collect(),
            (None, Some(new)) => vec![whole(new, "new")],
            (Some(gone), None) => vec![whole(gone, "gone")],
            (None, None) => Vec::new(),
        };
        let accepted = pin.accepted.first();
        Self {
            server: server.server.clone(),
            same_artefact: accepted.is_some_and(|a| *a.artefact == *server.artefact),
            tool: Tool::of(name, pin, server.blocks),
            differences,
        }
    }
}

fn whole(definition: &Definition, kind: &'static str) -> Difference {
    let text = match &definition.text {
        Some(text) => text.to_string(),
        None => format!("(too long to be kept, sha256 {})", definition.hash),
    };
    Difference {
        pointer: String::new(),
        parts: vec![DiffPart { kind, text }],
    }
}

impl From<ph_policy::pins::Difference> for Difference {
    fn from(difference: ph_policy::pins::Difference) -> Self {
        let parts = difference.parts.into_iter().map(|part| {
            let (kind, text) = match part {
                Part::Same(text) => ("same", text),
                Part::Gone(text) => ("gone", text),
                Part::New(text) => ("new", text),
            };
            DiffPart { kind, text }
        });
        Self {
            pointer: difference.pointer,
            parts: parts.collect(),
        }
    }
}

impl From<ph_policy::pins::Finding> for Finding {
    fn from(finding: ph_policy::pins::Finding) -> Self {
        Self {
            id: finding.rule.id,
            rule: finding.rule.name,
            owasp: finding.rule.owasp,
            severity: finding.severity.as_str(),
            server: finding.server.into(),
            tool: finding.tool.into(),
            pointer: finding.pointer,
            evidence: finding.evidence,
            about: finding.rule.about,
        }
    }
}
