//! `mcpServers` files as desktop clients have them (and `servers`, as VS Code has it).
//!
//! They belong to other programs, which add keys of their own: what we do not know is a warning.

use ph_base::ServerName;
use ph_base::diagnostic::Problem;

use crate::checked::HeaderKey;
use crate::mapping::Key;
use crate::names::cleaned;
use crate::node::{Data, Entry, Node};
use crate::plan::Plan;
use crate::reader::Reader;
use crate::section::Section;
use crate::server::Server;
use crate::server_text::ServerText;
use crate::value::Value;

const SERVERS: [&str; 2] = ["mcpServers", "servers"];

/// Keys of an entry that mean the same in our own format.
const SAME: [&str; 6] = ["command", "args", "env", "cwd", "url", "headers"];

const KNOWN: [&str; 8] = [
    "command", "args", "env", "cwd", "url", "headers", "type", "disabled",
];

/// Whether the text is such a file: by its keys, since both formats may be JSON or YAML.
pub(crate) fn is_desktop(root: &Node) -> bool {
    if root.entry("mcpServers").is_some() {
        return true;
    }
    // Ours has a `servers` of the same shape; VS Code's has `inputs` or entries with a `type`.
    let Some(Entry {
        value: Node {
            data: Data::Map(servers),
            ..
        },
        ..
    }) = root.entry("servers")
    else {
        return false;
    };
    let has_own_key = Plan::FIELDS
        .iter()
        .any(|key| *key != "servers" && root.entry(key).is_some());
    !has_own_key
        && (root.entry("inputs").is_some()
            || servers
                .iter()
                .any(|server| server.value.entry("type").is_some()))
}

/// Reads the servers; everything else keeps its default.
pub(crate) fn read(root: &Node, reader: &mut Reader<'_>) -> Option<Plan> {
    let entries = reader.entries(root, "a mapping with `mcpServers`")?;
    let servers = entries
        .iter()
        .find(|entry| SERVERS.contains(&entry.key.as_str()));
    for other in entries
        .iter()
        .filter(|entry| !SERVERS.contains(&entry.key.as_str()))
    {
        ignored(other, &SERVERS, reader);
    }
    let Some(servers) = servers else {
        reader.report(&root.at, Problem::MissingField { fields: &SERVERS });
        return None;
    };
    let mut plan = Plan::default();
    reader.within(servers, |reader| {
        let entries = reader.entries(&servers.value, ServerName::MAPPING);
        for entry in entries.unwrap_or_default() {
            reader.within(entry, |reader| {
                if let Some(server) = read_server(entry, reader) {
                    insert(&mut plan, entry, server, reader);
                }
            });
        }
    });
    Some(plan)
}

fn insert(plan: &mut Plan, entry: &Entry, server: Server, reader: &mut Reader<'_>) {
    let name = cleaned(&entry.key);
    if plan.servers.contains_key(&name) {
        let expected = format!("a name that differs from the others; it is served as `{name}`");
        let got = entry.key.clone();
        reader.report(&entry.key_at, Problem::BadValue { got, expected });
        return;
    }
    if name.as_str() != entry.key {
        let to = name.to_string();
        reader.report(&entry.key_at, Problem::Renamed { to });
    }
    plan.servers.insert(name, server);
}

fn read_server(entry: &Entry, reader: &mut Reader<'_>) -> Option<Server> {
    let node = &entry.value;
    let entries = reader.entries(node, "a mapping")?;
    if let Some(disabled) = node.entry("disabled")
        && reader.within(disabled, |reader| bool::read(&disabled.value, &(), reader))?
    {
        // Nothing else is looked at: its variables need not be set.
        reader.hide(node);
        let reason = "it is disabled";
        reader.report(&entry.key_at, Problem::LeftOut { reason });
        return None;
    }
    let mut text = ServerText::default();
    for field in entries {
        match field.key.as_str() {
            "headers" => {
                let kept = without_own_headers(field, reader);
                reader.within(field, |reader| text.set(&kept, reader));
            }
            key if SAME.contains(&key) => reader.within(field, |reader| text.set(field, reader)),
            "type" => check_type(field, node, reader),
            "disabled" => {}
            _ => ignored(field, &KNOWN, reader),
        }
    }
    text.into_server(node, reader)
}

fn check_type(field: &Entry, node: &Node, reader: &mut Reader<'_>) {
    let resolved = reader.within(field, |reader| reader.resolved(&field.value, "a word"));
    let Some(resolved) = resolved else { return };
    let (needs, other): (&'static [&'static str], _) = match resolved.text.as_str() {
        "stdio" | "local" => (&["command"], "url"),
        "http" | "streamable-http" | "streamableHttp" | "streamable_http" => (&["url"], "command"),
        _ => {
            let got = resolved.text.written().to_owned();
            let expected = KNOWN_TYPES.to_owned();
            reader.within(field, |reader| {
                reader.report(resolved.at, Problem::BadValue { got, expected });
            });
            return;
        }
    };
    // With neither of the two, that is reported, not this.
    if node.entry(needs[0]).is_none() && node.entry(other).is_some() {
        reader.report(resolved.at, Problem::MissingField { fields: needs });
    }
}

const KNOWN_TYPES: &str = "`stdio` or `http`; the older HTTP+SSE transport cannot be reached yet";

/// `Content-Type` and the like are often set there; Pilothouse sets them itself.
fn without_own_headers(field: &Entry, reader: &mut Reader<'_>) -> Entry {
    let mut kept = field.clone();
    if let Data::Map(headers) = &mut kept.value.data {
        reader.within(field, |reader| {
            headers.retain(|header| {
                let is_own = HeaderKey::is_own(&header.key);
                if is_own {
                    ignored(header, &[], reader);
                }
                !is_own
            });
        });
    }
    kept
}

fn ignored(entry: &Entry, known: &[&'static str], reader: &mut Reader<'_>) {
    reader.hide(&entry.value);
    let (got, allowed) = (entry.key.clone(), known.to_vec());
    reader.report(&entry.key_at, Problem::IgnoredField { got, allowed });
}
