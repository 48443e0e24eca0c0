//! From a text, a command or an address to a plan.

use ph_base::diagnostic::{Diagnostic, Problem};

use crate::access::check_access;
use crate::auth::check_auth;
use crate::clients::check_clients;
use crate::cost::check_cost;
use crate::desktop;
use crate::interpolate::Dialect;
use crate::names::{cleaned, name_of_command};
use crate::node::{Node, TEXT_BYTES_MAX};
use crate::plan::Plan;
use crate::rate_limits::check_limits;
use crate::reader::Reader;
use crate::redis::check_redis;
use crate::report::Report;
use crate::secrets::{NoSecrets, Secrets};
use crate::server_text::ServerText;
use crate::text::{Endpoint, Text};
use crate::tree::{Step, Tree};
use crate::units::show_duration;
use crate::value::Value;
use crate::vuln::check_vuln;
use crate::{json, lint, listeners, notify, slos, yaml};

/// A plan with its warnings, or everything that is wrong; in the order of the text.
pub type Loaded = Result<(Plan, Vec<Diagnostic>), Vec<Diagnostic>>;

/// Reads a configuration of any of the forms: `pilothouse.yaml` (or the same as JSON), or an
/// `mcpServers` file of a desktop client. Which one it is shows in its keys.
///
/// - `file_name`: one that ends in `.json` or `.jsonc` is read as JSON (comments and trailing
///   commas allowed), any other as YAML, except for a text that begins like a JSON object.
/// - errors: every problem, at least one of them an error, at most a hundred errors and a hundred
///   warnings with the number of the others.
/// - cost: bounded for any text: 1 MiB, 32 levels, 50,000 values.
pub fn load(file_name: &str, text: &str, secrets: &dyn Secrets) -> Loaded {
    let syntax = if is_json(file_name, text) {
        Syntax::Json
    } else {
        Syntax::Yaml
    };
    read(text, syntax, None, secrets)
}

/// The text as it may be shown: what is secret by its place is masked, and so is what nobody knows the meaning of, such
/// as what stands below an unknown key. References stay. Secrets elsewhere, as in comments and arguments, are not looked
/// for: that is for whoever redacts by form.
///
/// - `file_name`: as for [`load`].
/// - returns: `None` for a text that cannot be read as YAML or JSON, of which nobody can say where its secrets are.
#[must_use]
pub fn shown(file_name: &str, text: &str) -> Option<String> {
    let syntax = if is_json(file_name, text) {
        Syntax::Json
    } else {
        Syntax::Yaml
    };
    let mut report = Report::default();
    let root = read_tree(text, syntax, &mut report)?;
    let dialect = if desktop::is_desktop(&root) {
        Dialect::Desktop
    } else {
        Dialect::Pilothouse
    };
    let mut reader = Reader::new(text, dialect, &NoSecrets, &mut report);
    let _plan = match dialect {
        Dialect::Pilothouse => Plan::read(&root, &(), &mut reader),
        Dialect::Desktop => desktop::read(&root, &mut reader),
    };
    let mut hidden = reader.into_hidden();
    hidden.sort_by_key(|(at, _)| (at.start, std::cmp::Reverse(at.end)));
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for (at, instead) in hidden {
        // What lies within what is hidden already is hidden with it.
        let Some(before) = text.get(from..at.start) else {
            continue;
        };
        shown.push_str(before);
        shown.push_str(&instead);
        // A block of lines is followed by its line end, and by what indents the next line.
        let own = &text[at.clone()];
        let behind = &own[own.trim_end().len()..];
        if behind.contains('\n') {
            shown.push_str(behind);
        }
        from = at.end;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    Some(shown)
}

impl Plan {
    /// Reads `pilothouse.yaml`.
    ///
    /// # Errors
    /// Every problem, as [`load`].
    pub fn from_yaml(text: &str, secrets: &dyn Secrets) -> Loaded {
        read(text, Syntax::Yaml, Some(Dialect::Pilothouse), secrets)
    }

    /// Reads an `mcpServers` file of a desktop client.
    ///
    /// # Errors
    /// Every problem, as [`load`]; keys that desktop clients add are warnings.
    pub fn from_mcp_servers_json(text: &str, secrets: &dyn Secrets) -> Loaded {
        read(text, Syntax::Json, Some(Dialect::Desktop), secrets)
    }

    /// The plan for one stdio server without any configuration.
    ///
    /// - `argv`: the program and its arguments, taken as they are: `${…}` is the shell's business.
    ///
    /// # Errors
    /// [`NoServer::EmptyCommand`] for no program.
    pub fn for_command(argv: &[String]) -> Result<Self, NoServer> {
        let (command, args) = argv.split_first().ok_or(NoServer::EmptyCommand)?;
        if command.is_empty() {
            return Err(NoServer::EmptyCommand);
        }
        let server = ServerText {
            command: Some(command.as_str().into()),
            args: args.iter().map(|arg| arg.as_str().into()).collect(),
            ..ServerText::default()
        };
        let servers = server
            .assemble()
            .map(|server| (name_of_command(argv), server));
        Ok(Self {
            servers: servers.into_iter().collect(),
            ..Self::default()
        })
    }

    /// The plan for one Streamable HTTP server without any configuration.
    ///
    /// # Errors
    /// [`NoServer::BadUrl`] for anything but an absolute `http` or `https` address.
    pub fn for_url(url: &str) -> Result<Self, NoServer> {
        let bad = |expected| NoServer::BadUrl {
            got: url.to_owned(),
            expected,
        };
        let url = Endpoint::parse(&Text::from(url)).map_err(bad)?;
        let name = cleaned(url.host().trim_matches(['[', ']']));
        let server = ServerText {
            url: Some(url),
            ..ServerText::default()
        };
        let servers = server.assemble().map(|server| (name, server));
        Ok(Self {
            servers: servers.into_iter().collect(),
            ..Self::default()
        })
    }
}

/// Why a command line names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoServer {
    /// No program.
    #[error("a command is needed after `--`")]
    EmptyCommand,
    /// Not an address of a server.
    #[error("`{got}` is not {expected}")]
    BadUrl {
        /// The address as given.
        got: String,
        /// What it has to be.
        expected: &'static str,
    },
}

#[derive(Clone, Copy)]
enum Syntax {
    Json,
    Yaml,
}

fn is_json(file_name: &str, text: &str) -> bool {
    let name = file_name.to_ascii_lowercase();
    if name.ends_with(".json") || name.ends_with(".jsonc") {
        return true;
    }
    // `{ "` and `{}` are an object; `{a` is YAML.
    let inside = text
        .trim_start_matches(['\u{FEFF}', ' ', '\t', '\r', '\n'])
        .strip_prefix('{');
    inside.is_some_and(|inside| inside.trim_start().starts_with(['"', '}', '/']))
}

fn read(text: &str, syntax: Syntax, dialect: Option<Dialect>, secrets: &dyn Secrets) -> Loaded {
    let mut report = Report::default();
    let plan = read_tree(text, syntax, &mut report).and_then(|root| {
        let found = if desktop::is_desktop(&root) {
            Dialect::Desktop
        } else {
            Dialect::Pilothouse
        };
        let dialect = dialect.unwrap_or(found);
        let mut reader = Reader::new(text, dialect, secrets, &mut report);
        let plan = match dialect {
            Dialect::Pilothouse => Plan::read(&root, &(), &mut reader)?,
            Dialect::Desktop => desktop::read(&root, &mut reader)?,
        };
        check(&plan, &root, &mut reader);
        Some(plan)
    });
    report.finish(plan)
}

/// The tree of the text; `None` once reported why not. An empty text is an empty mapping.
fn read_tree(text: &str, syntax: Syntax, report: &mut Report) -> Option<Node> {
    tree_of(text, report, |tree| match syntax {
        Syntax::Json => json::read(text, tree),
        Syntax::Yaml => yaml::read(text, tree),
    })
}

/// The tree that `feed` makes of the text, within bounds; `None` once reported why not.
pub(crate) fn tree_of(
    text: &str,
    report: &mut Report,
    feed: impl FnOnce(&mut Tree<'_>) -> Step,
) -> Option<Node> {
    if text.len() > TEXT_BYTES_MAX {
        let problem = Problem::TooLarge {
            what: "bytes",
            max: TEXT_BYTES_MAX,
        };
        report.add(Diagnostic {
            at: 0..0,
            path: String::new(),
            problem,
            hint: None,
        });
        return None;
    }
    let mut tree = Tree::new(text, report);
    let read = feed(&mut tree);
    let root = tree.finish();
    match read {
        Ok(()) => Some(root.unwrap_or_else(Node::nothing)),
        Err(failure) => {
            report.add(*failure);
            None
        }
    }
}

/// What no single field can judge.
fn check(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    listeners::check(plan, root, reader);
    check_scrape(plan, root, reader);
    check_redaction(root, reader);
    check_sinks(plan, root, reader);
    notify::check(plan, root, reader);
    slos::check(plan, root, reader);
    check_limits(plan, root, reader);
    check_clients(plan, root, reader);
    check_auth(plan, root, reader);
    check_redis(plan.redis.as_ref(), root, reader);
    check_access(plan, root, reader);
    check_vuln(plan, root, reader);
    check_cost(plan, root, reader);
    let servers = root.entry("mcpServers").or(root.entry("servers"));
    match servers {
        None if reader.dialect() == Dialect::Pilothouse => {
            let (start, hint) = (root.at.start, Some(SERVERS_HINT.to_owned()));
            let fields = &["servers"];
            reader.report_with(&(start..start), Problem::MissingField { fields }, hint);
        }
        Some(entry) if plan.servers.is_empty() && !reader.has_error() => {
            let (expected, got) = ("at least one server", "none");
            reader.within(entry, |reader| {
                reader.report(&entry.key_at, Problem::WrongType { expected, got });
            });
        }
        None | Some(_) => {}
    }
    // What has to be mended is looked at first.
    if !reader.has_error() {
        lint::check(root, reader);
    }
}

/// Keys in two places.
fn check_redaction(root: &Node, reader: &mut Reader<'_>) {
    let both = root.entry("log").zip(root.entry("redaction"));
    let both = both.and_then(|(log, new)| {
        new.value.entry("keys")?;
        Some((log, log.value.entry("redact_keys")?))
    });
    if let Some((log, old)) = both {
        let (got, with) = ("redact_keys", "redaction.keys");
        reader.within(log, |reader| {
            reader.report(&old.key_at, Problem::Conflict { got, with });
        });
    }
}

/// A job without an address, or with a scrape that outlasts its interval.
fn check_scrape(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    let Some(block) = root.entry("scrape") else {
        return;
    };
    let unread = reader.has_error();
    for (job, scrape) in &plan.scrape {
        let Some(entry) = block.value.entry(job.as_str()) else {
            continue;
        };
        let problem = if scrape.urls.is_empty() && !unread {
            let fields = &["urls"];
            Some((&entry.key_at, Problem::MissingField { fields }))
        } else if scrape.timeout > scrape.interval {
            let written = entry
                .value
                .entry("timeout")
                .or(entry.value.entry("interval"));
            written.map(|written| {
                let (got, expected) = (
                    show_duration(scrape.timeout),
                    format!("at most `interval`, {}", show_duration(scrape.interval)),
                );
                (&written.value.at, Problem::BadValue { got, expected })
            })
        } else {
            None
        };
        if let Some((at, problem)) = problem {
            reader.within(block, |reader| {
                reader.within(entry, |reader| reader.report(at, problem));
            });
        }
    }
}

/// A sink that goes nowhere, or to two places.
fn check_sinks(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    let Some(block) = root.entry("sinks").filter(|_| !reader.has_error()) else {
        return;
    };
    for (name, sink) in &plan.sinks {
        let Some(entry) = block.value.entry(name.as_str()) else {
            continue;
        };
        let (at, problem) = match (&sink.elasticsearch, &sink.otlp) {
            (Some(_), Some(_)) => {
                let (got, with) = ("otlp", "elasticsearch");
                let at = entry.value.entry(got).map_or(&entry.key_at, |e| &e.key_at);
                (at, Problem::Conflict { got, with })
            }
            (None, None) => {
                let fields = &["elasticsearch", "otlp"];
                (&entry.key_at, Problem::MissingField { fields })
            }
            (Some(elastic), None) if elastic.url.is_none() => {
                let fields = &["url"];
                (&entry.key_at, Problem::MissingField { fields })
            }
            (None, Some(otlp)) if otlp.endpoint.is_none() => {
                let fields = &["endpoint"];
                (&entry.key_at, Problem::MissingField { fields })
            }
            _ => continue,
        };
        reader.within(block, |reader| {
            reader.within(entry, |reader| reader.report(at, problem));
        });
    }
}

const SERVERS_HINT: &str = "name at least one: `servers: {files: {command: my-server}}`";
