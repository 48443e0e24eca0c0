//! The tools: their names, their schemas, and what they have in common.

pub(crate) mod database;
pub(crate) mod fetch;
mod files;
mod glob;
pub(crate) mod root;
mod simple;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{JsonObject, ProgressNotificationParam, ProgressToken, Tool, ToolAnnotations};
use rmcp::schemars::JsonSchema;
use rmcp::{Peer, RoleServer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::database::Database;
use self::fetch::AllowList;
use self::root::Root;
use crate::trace::Trace;

/// What the tools work on.
pub(crate) struct Bench {
    pub(crate) root: Arc<Root>,
    pub(crate) database: Database,
    pub(crate) hosts: AllowList,
}

/// What one call has of its own.
pub(crate) struct Scope {
    pub(crate) trace: Trace,
    pub(crate) cancel: CancellationToken,
    /// Only when the caller asked for it.
    pub(crate) progress: Option<Progress>,
}

/// What a tool answers with.
pub(crate) struct Answer {
    /// For the model to read.
    pub(crate) text: String,
    /// For programs, of the tool's output schema.
    pub(crate) structured: Option<Value>,
}

impl Answer {
    fn new(text: String, structured: &impl Serialize) -> Self {
        // Our outputs have text keys only and serialise always.
        Self {
            text,
            structured: serde_json::to_value(structured).ok(),
        }
    }
}

/// Why a tool has no answer. The caller is a model: every text says what to do instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    #[error("these arguments do not fit `{tool}`: {source}. Its input schema is in tools/list")]
    Arguments {
        tool: &'static str,
        source: serde_json::Error,
    },
    #[error(
        "`{path}` is not a path below the root. Give it relative to the root, without `..`: `docs/readme.md`"
    )]
    PathForm { path: String },
    #[error(
        "`{path}` leads outside of the root through a symbolic link. Only files below the root can be read"
    )]
    PathOutside { path: String },
    #[error("there is no file `{path}`. Find the right path with searchFiles")]
    PathMissing { path: String },
    #[error(
        "`{path}` is not a regular file. List what is in a directory with searchFiles and `{path}/*`"
    )]
    PathNotFile { path: String },
    #[error("`{path}` is not UTF-8 text, and only text can be read")]
    NotText { path: String },
    #[error("`{path}` cannot be read: {source}")]
    File { path: String, source: io::Error },
    #[error(
        "the pattern `{pattern}` is wrong: {source}. Use `*.md`, `src/**/*.rs` or `report-?.txt`"
    )]
    Pattern {
        pattern: String,
        source: glob::PatternError,
    },
    #[error(
        "this database is read-only: only SELECT (and PRAGMA table_info and the like) is allowed"
    )]
    ReadOnly,
    #[error("give one SQL statement at a time")]
    SqlCount,
    #[error("SQLite says: {0}. The tables are in `SELECT name, sql FROM sqlite_master`")]
    Sql(#[source] rusqlite::Error),
    #[error("the query took longer than {0:?}. Ask for less: add a WHERE or a LIMIT")]
    SqlTime(Duration),
    #[error(
        "`{url}` is no URL that can be asked. Give one like `http://localhost:8080/path`; https is not supported"
    )]
    Url { url: String },
    #[error("`{host}` is not a host that may be asked. Allowed: {allowed}")]
    Host { host: String, allowed: String },
    #[error("`{host}` cannot be reached: {source}")]
    Connect { host: String, source: io::Error },
    #[error("the exchange with `{host}` broke off: {source}")]
    Exchange { host: String, source: hyper::Error },
    #[error("`{host}` did not answer within {limit:?}")]
    FetchTime { host: String, limit: Duration },
    #[error("{0}")]
    Asked(String),
    #[error("the call was cancelled")]
    Cancelled,
    #[error("the work on this call broke off inside the workbench")]
    Broken(#[source] tokio::task::JoinError),
}

impl ToolError {
    /// A bounded word for access lines and spans.
    pub(crate) fn as_label(&self) -> &'static str {
        match self {
            Self::Arguments { .. } => "arguments",
            Self::PathForm { .. } => "path_form",
            Self::PathOutside { .. } => "path_outside",
            Self::PathMissing { .. } => "path_missing",
            Self::PathNotFile { .. } => "path_not_file",
            Self::NotText { .. } => "not_text",
            Self::File { .. } => "file",
            Self::Pattern { .. } => "pattern",
            Self::ReadOnly => "read_only",
            Self::SqlCount => "sql_count",
            Self::Sql(_) => "sql",
            Self::SqlTime(_) => "sql_time",
            Self::Url { .. } => "url",
            Self::Host { .. } => "host",
            Self::Connect { .. } => "connect",
            Self::Exchange { .. } => "exchange",
            Self::FetchTime { .. } => "fetch_time",
            Self::Asked(_) => "asked",
            Self::Cancelled => "cancelled",
            Self::Broken(_) => "broken",
        }
    }

    /// The text for the caller.
    pub(crate) fn advice(&self) -> String {
        self.to_string()
    }
}

/// Tells the caller how far a call has come.
pub(crate) struct Progress {
    peer: Peer<RoleServer>,
    token: ProgressToken,
}

impl Progress {
    pub(crate) fn new(peer: Peer<RoleServer>, token: ProgressToken) -> Self {
        Self { peer, token }
    }

    async fn report(&self, done: f64, total: f64, message: String) {
        let note = ProgressNotificationParam::new(self.token.clone(), done)
            .with_total(total)
            .with_message(message);
        // A client that has gone does not want to know.
        let _sent = self.peer.notify_progress(note).await;
    }
}

/// The tools there are. A closed set: its labels are span names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    SearchFiles,
    ReadFile,
    Query,
    HttpGet,
    Echo,
    Sleep,
    Fail,
}

const ALL: [Name; 7] = [
    Name::SearchFiles,
    Name::ReadFile,
    Name::Query,
    Name::HttpGet,
    Name::Echo,
    Name::Sleep,
    Name::Fail,
];

/// The tool of this name.
pub(crate) fn find(name: &str) -> Option<Name> {
    ALL.into_iter().find(|tool| tool.as_label() == name)
}

/// The definitions for `tools/list`.
pub(crate) fn list() -> Vec<Tool> {
    ALL.map(Name::definition).to_vec()
}

impl Name {
    pub(crate) fn as_label(self) -> &'static str {
        match self {
            Self::SearchFiles => "searchFiles",
            Self::ReadFile => "readFile",
            Self::Query => "query",
            Self::HttpGet => "httpGet",
            Self::Echo => "echo",
            Self::Sleep => "sleep",
            Self::Fail => "fail",
        }
    }

    fn definition(self) -> Tool {
        let tool = match self {
            Self::SearchFiles => self.describe::<files::Search, files::Found>(
                "Find files below the root by a glob pattern, with size and time of change. A pattern without `/` \
                 is compared with names at any depth (`*.md`), one with `/` with the whole path (`src/**/*.rs`).",
            ),
            Self::ReadFile => self.describe::<files::Read, files::Text>("Read a text file below the root."),
            Self::Query => self.describe::<database::Query, database::Rows>(
                "Run one SELECT on the SQLite database. The tables are in `SELECT name, sql FROM sqlite_master`.",
            ),
            Self::HttpGet => self.describe::<fetch::Get, fetch::Page>(
                "Ask for an http:// URL on an allowed host. Redirects are reported, not followed.",
            ),
            Self::Echo => self.describe::<simple::Echo, simple::Echoed>("Answer with the text that was given."),
            Self::Sleep => self.describe::<simple::Sleep, simple::Slept>(
                "Wait for some milliseconds, at most 60000. Reports progress and can be cancelled.",
            ),
            Self::Fail => Tool::new(self.as_label(), "Fail with the message that was given.", JsonObject::new())
                .with_input_schema::<simple::Fail>(),
        };
        let hints = ToolAnnotations::new()
            .read_only(true)
            .destructive(false)
            .open_world(self == Self::HttpGet);
        tool.annotate(hints)
    }

    fn describe<I: JsonSchema + 'static, O: JsonSchema + 'static>(
        self,
        description: &'static str,
    ) -> Tool {
        Tool::new(self.as_label(), description, JsonObject::new())
            .with_input_schema::<I>()
            .with_output_schema::<O>()
    }

    /// Does the work of one call.
    pub(crate) async fn run(
        self,
        bench: &Bench,
        arguments: JsonObject,
        scope: Scope,
    ) -> Result<Answer, ToolError> {
        match self {
            Self::SearchFiles => files::search(&bench.root, self.read(arguments)?, scope).await,
            Self::ReadFile => files::read(&bench.root, self.read(arguments)?, scope).await,
            Self::Query => bench.database.query(self.read(arguments)?, scope).await,
            Self::HttpGet => fetch::get(&bench.hosts, self.read(arguments)?, scope).await,
            Self::Echo => Ok(simple::echo(self.read(arguments)?)),
            Self::Sleep => simple::sleep(self.read(arguments)?, scope).await,
            Self::Fail => Err(simple::fail(self.read(arguments)?)),
        }
    }

    fn read<T: DeserializeOwned>(self, arguments: JsonObject) -> Result<T, ToolError> {
        let tool = self.as_label();
        serde_json::from_value(Value::Object(arguments))
            .map_err(|source| ToolError::Arguments { tool, source })
    }
}

/// Runs blocking work; it is not broken off from outside and looks at the scope's token itself.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(ToolError::Broken)?
}
