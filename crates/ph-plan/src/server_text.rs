//! A server as the operator writes it, flat, and its way into a [`Server`] and back.

use std::collections::BTreeMap;

use ph_base::diagnostic::Problem;
use serde_json::{Value as Json, json};

use crate::checked::{EnvName, FilePath, HeaderKey};
use crate::choices::Isolation;
use crate::interpolate::Dialect;
use crate::mapping::MapItem;
use crate::node::{Entry, Node};
use crate::pins::PinMode;
use crate::reader::Reader;
use crate::replicas::{Eject, Replicas};
use crate::section::Block;
use crate::section::section;
use crate::server::{
    ChildStop, Health, HttpUpstream, Limits, Resources, Restart, Server, Stdio, Timeouts, Upstream,
};
use crate::text::{Endpoint, Secret, Text};
use crate::units::show_duration;
use crate::value::Value;

section! {
    /// One MCP server: either `command` (a child process over stdio) or `url` (Streamable HTTP).
    pub(crate) struct ServerText {
        /// The program of a stdio server: a path, or a name looked up in `PATH`.
        command: Option<Text> = None;
        /// Arguments of the program.
        args: Vec<Text> = Vec::new();
        /// Variables set for the child. Values may be `${NAME}` or `file:PATH`.
        env: BTreeMap<EnvName, Secret> = BTreeMap::new();
        /// Working directory of the child; Pilothouse's own if absent.
        cwd: Option<FilePath> = None;
        /// Address of a Streamable HTTP server.
        url: Option<Endpoint> = None;
        /// Addresses of replicas of one Streamable HTTP server, instead of `url`: a call goes to the one
        /// with the fewest calls, a session stays where it began. At most 64.
        urls: Vec<Endpoint> = Vec::new();
        /// Headers added to every request to `url`. Values may be `${NAME}` or `file:PATH`.
        headers: BTreeMap<HeaderKey, Secret> = BTreeMap::new();
        /// PEM file of the certificate authorities trusted for `url` instead of the system's.
        ca_file: Option<FilePath> = None;
        /// How children are shared among client sessions. `auto`: one child per legacy session, one
        /// for all stateless clients. `session`: no shared child; stateless clients are told to use
        /// sessions. `shared`: sessions have as many children as `replicas` says, all together; only
        /// those of clients that declare capabilities, or speak an older version, have one of their own.
        /// `shared_by_all`: also those that declare capabilities share, of which the server is not told.
        /// Both tell stateless clients to use sessions.
        isolation: Isolation = Isolation::Auto;
        /// Spare children kept ready for sessions that get a child of their own; none with `shared`.
        prewarm: u32 = 1, in 0..=16;
        /// Whether the server traces: calls carry our trace context on, and a child is given
        /// `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_SERVICE_NAME`.
        otel: bool = false;
        /// Times after which a step of a call is given up.
        timeouts: Timeouts = Timeouts::default();
        /// Bounds on calls and frames.
        limits: Limits = Limits::default();
        /// Active probes.
        health: Health = Health::default();
        /// How many children serve stateless calls.
        replicas: Replicas = Replicas::default();
        /// When a replica is left out, and asked again.
        eject: Eject = Eject::default();
        /// Log files that its tools write: each new line is kept beside its calls, with the trace it
        /// names.
        log_files: Vec<FilePath> = Vec::new();
        /// What is done when its tools are no longer what they were; `pins.mode` if absent.
        pins: Option<PinMode> = None;
        /// Folder, lockfile, SBOM or image archive that says what it is made of, for `pilothouse vuln`, where
        /// `command` and `args` do not show it.
        source: Option<FilePath> = None;
        /// What happens when a child ends unasked.
        restart: Restart = Restart::default();
        /// How a child is ended: end of input, then SIGTERM, then SIGKILL.
        stop: ChildStop = ChildStop::default();
        /// What a child may use of the machine.
        resources: Resources = Resources::default();
    }
}

/// Keys that say something about a child process, which a `url` has none of.
const STDIO_ONLY: [&str; 9] = [
    "args",
    "env",
    "cwd",
    "isolation",
    "prewarm",
    "replicas",
    "restart",
    "stop",
    "resources",
];

/// Most addresses of one server.
const URLS_MAX: usize = 64;

/// Keys that say something about a `url`.
const HTTP_ONLY: [&str; 2] = ["headers", "ca_file"];

impl ServerText {
    /// A server, or a report of what keeps it from being one.
    ///
    /// - `node`: what the fields were read from, for the places of problems.
    pub(crate) fn into_server(self, node: &Node, reader: &mut Reader<'_>) -> Option<Server> {
        let written = |key: &str| node.entry(key).filter(|entry| !entry.value.is_null());
        self.check_backoff(node, reader);
        self.check_replicas(node, reader);
        let urls = written("urls");
        if let (Some(url), Some(urls)) = (written("url"), urls) {
            let (got, with) = ("urls", "url");
            let _ = url;
            reader.report(&urls.key_at, Problem::Conflict { got, with });
        }
        self.check_urls(node, reader);
        let (command, url) = (written("command"), written("url").or(urls));
        match (command, url) {
            (Some(_), Some(url)) => {
                let got = if urls.is_some() { "urls" } else { "url" };
                let with = "command";
                reader.report(&url.key_at, Problem::Conflict { got, with });
            }
            (Some(_), None) => refuse(&HTTP_ONLY, "command", node, reader),
            (None, Some(_)) => refuse(&STDIO_ONLY, "url", node, reader),
            (None, None) => {
                let at = reader.here().unwrap_or(node.at.clone());
                let fields = &["command", "url"];
                let hint = "`command` starts a child process, `url` reaches a Streamable HTTP server, `urls` several of them";
                reader.report_with(&at, Problem::MissingField { fields }, Some(hint.to_owned()));
            }
        }
        if let (Some(entry), Some(command)) = (command, &self.command)
            && command.as_str().is_empty()
        {
            let (got, expected) = (command.to_string(), "a program".to_owned());
            reader.within(entry, |reader| {
                reader.report(&entry.value.at, Problem::BadValue { got, expected });
            });
        }
        self.assemble()
    }

    /// A server without looking at any text: of `command` and `url`, the first that is set.
    pub(crate) fn assemble(self) -> Option<Server> {
        let mut urls = self.url.into_iter().chain(self.urls);
        let upstream = match (self.command, urls.next()) {
            (Some(command), _) => Upstream::Stdio(Stdio {
                command,
                args: self.args,
                env: self.env,
                cwd: self.cwd,
                isolation: self.isolation,
                prewarm: self.prewarm,
                otel: self.otel,
                restart: self.restart,
                stop: self.stop,
                resources: self.resources,
            }),
            (None, Some(url)) => Upstream::Http(HttpUpstream {
                url,
                others: urls.collect(),
                headers: self.headers,
                ca_file: self.ca_file,
                otel: self.otel,
            }),
            (None, None) => return None,
        };
        let (timeouts, limits, health) = (self.timeouts, self.limits, self.health);
        Some(Server {
            upstream,
            timeouts,
            limits,
            health,
            replicas: self.replicas,
            eject: self.eject,
            log_files: self.log_files,
            pins: self.pins,
            source: self.source,
        })
    }

    fn check_urls(&self, node: &Node, reader: &mut Reader<'_>) {
        let Some(entry) = node.entry("urls").filter(|entry| !entry.value.is_null()) else {
            return;
        };
        let count = self.urls.len();
        if !(1..=URLS_MAX).contains(&count) {
            let (got, expected) = (format!("{count} addresses"), format!("1 to {URLS_MAX}"));
            reader.within(entry, |reader| {
                reader.report(&entry.value.at, Problem::BadValue { got, expected });
            });
        }
    }

    fn check_replicas(&self, node: &Node, reader: &mut Reader<'_>) {
        let (min, max) = (self.replicas.min, self.replicas.max);
        let Some((block, max)) = node.entry("replicas").zip(max.filter(|max| *max < min)) else {
            return;
        };
        if let Some(entry) = block.value.entry("max") {
            let (got, expected) = (max.to_string(), format!("at least `min`, {min}"));
            reader.within(block, |reader| {
                reader.within(entry, |reader| {
                    reader.report(&entry.value.at, Problem::BadValue { got, expected });
                });
            });
        }
    }

    fn check_backoff(&self, node: &Node, reader: &mut Reader<'_>) {
        let (min, max) = (self.restart.backoff_min, self.restart.backoff_max);
        let Some(block) = node.entry("restart").filter(|_| min > max) else {
            return;
        };
        let (min, max) = (show_duration(min), show_duration(max));
        let written = |key| block.value.entry(key);
        let (entry, got, expected) = match (written("backoff_min"), written("backoff_max")) {
            (_, Some(entry)) => (entry, max, format!("at least `backoff_min`, {min}")),
            (Some(entry), None) => (entry, min, format!("at most `backoff_max`, {max}")),
            (None, None) => return,
        };
        reader.within(block, |reader| {
            reader.within(entry, |reader| {
                reader.report(&entry.value.at, Problem::BadValue { got, expected });
            });
        });
    }
}

/// Reports the keys that mean nothing beside `with`. Other programs' files are not judged.
fn refuse(keys: &[&'static str], with: &'static str, node: &Node, reader: &mut Reader<'_>) {
    if reader.dialect() == Dialect::Desktop {
        return;
    }
    for &got in keys {
        if let Some(Entry { key_at, .. }) = node.entry(got) {
            reader.report(key_at, Problem::Conflict { got, with });
        }
    }
}

impl From<&Server> for ServerText {
    fn from(server: &Server) -> Self {
        let Server {
            upstream,
            timeouts,
            limits,
            health,
            replicas,
            eject,
            log_files,
            pins,
            source,
        } = server.clone();
        let common = Self {
            timeouts,
            limits,
            health,
            replicas,
            eject,
            log_files,
            pins,
            source,
            ..Self::default()
        };
        match upstream {
            Upstream::Stdio(stdio) => Self {
                command: Some(stdio.command),
                args: stdio.args,
                env: stdio.env,
                cwd: stdio.cwd,
                isolation: stdio.isolation,
                prewarm: stdio.prewarm,
                otel: stdio.otel,
                restart: stdio.restart,
                stop: stdio.stop,
                resources: stdio.resources,
                ..common
            },
            Upstream::Http(http) => Self {
                url: Some(http.url.clone()).filter(|_| http.others.is_empty()),
                urls: if http.others.is_empty() {
                    Vec::new()
                } else {
                    [vec![http.url], http.others].concat()
                },
                headers: http.headers,
                ca_file: http.ca_file,
                ..common
            },
        }
    }
}

impl Value for Server {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        ServerText::read(node, limits, reader)?.into_server(node, reader)
    }

    fn schema(limits: &()) -> Json {
        let mut schema = ServerText::schema(limits);
        schema["type"] = "object".into();
        schema["oneOf"] =
            json!([{"required": ["command"]}, {"required": ["url"]}, {"required": ["urls"]}]);
        schema
    }

    fn block() -> Option<Block> {
        ServerText::block()
    }

    fn show(&self) -> Json {
        let mut shown = ServerText::from(self).show();
        let foreign: &[&str] = match self.upstream {
            Upstream::Stdio(_) => &HTTP_ONLY,
            Upstream::Http(_) => &STDIO_ONLY,
        };
        if let Json::Object(fields) = &mut shown {
            let is_empty = |value: &Json| value.as_array().is_some_and(Vec::is_empty);
            fields.retain(|key, value| {
                !(foreign.contains(&key.as_str()) || key == "urls" && is_empty(value))
            });
        }
        shown
    }
}

impl MapItem for Server {}
