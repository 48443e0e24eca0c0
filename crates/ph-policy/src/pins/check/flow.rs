//! PT005: private data, content of strangers, and a way out, offered together.
//!
//! What a tool does is judged by the words of its name, the names of its arguments and what it says of itself
//! (`annotations`, which are hints of the server and can lie). False positives are the rule rather than the exception:
//! many useful sets of tools have all three. It is told once, for the set.

use super::super::definition::Definition;
use super::super::json::Json;
use super::{Findings, Offered, Severity, TOXIC};
use std::collections::BTreeSet;

/// Tools that are named for each of the three.
const NAMED_MAX: usize = 3;

const PRIVATE: &[&str] = &[
    "file",
    "files",
    "database",
    "db",
    "sql",
    "query",
    "secret",
    "secrets",
    "credential",
    "credentials",
    "password",
    "passwords",
    "inbox",
    "mail",
    "mails",
    "email",
    "emails",
    "calendar",
    "contact",
    "contacts",
    "customer",
    "customers",
    "account",
    "accounts",
    "document",
    "documents",
    "drive",
    "repo",
    "repository",
    "repositories",
    "private",
    "memory",
    "note",
    "notes",
    "history",
    "env",
    "environment",
    "invoice",
    "invoices",
    "payment",
    "payments",
    "patient",
    "patients",
    "employee",
    "employees",
    "clipboard",
];
const STRANGERS: &[&str] = &[
    "web",
    "website",
    "page",
    "pages",
    "browse",
    "browser",
    "crawl",
    "scrape",
    "fetch",
    "http",
    "url",
    "rss",
    "feed",
    "feeds",
    "inbox",
    "mail",
    "mails",
    "email",
    "emails",
    "message",
    "messages",
    "issue",
    "issues",
    "comment",
    "comments",
    "ticket",
    "tickets",
    "review",
    "reviews",
    "tweet",
    "tweets",
    "download",
    "notifications",
    "pull",
    "internet",
];
const WAY_OUT: &[&str] = &[
    "send", "email", "mail", "post", "publish", "tweet", "upload", "webhook", "notify", "message",
    "push", "comment", "reply", "share", "submit", "fetch", "http", "browse", "curl", "invite",
    "export", "forward", "request",
];
/// Arguments that say where something goes.
const DESTINATIONS: &[&str] = &[
    "url",
    "uri",
    "webhook",
    "recipient",
    "recipients",
    "to",
    "email",
    "endpoint",
    "host",
    "channel",
];
/// Words of tools that change something of their own, and read nothing.
const READS: &[&str] = &[
    "get", "list", "read", "fetch", "search", "browse", "find", "show", "query", "view", "open",
    "download", "crawl", "scrape", "http", "load", "export",
];

#[derive(Default)]
struct Does {
    private: bool,
    strangers: bool,
    way_out: bool,
}

pub(super) fn check(offered: &[Offered<'_>], findings: &mut Findings) {
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for (i, one) in offered.iter().enumerate() {
        let does = does(one.tool);
        for (kind, is_so) in [does.private, does.strangers, does.way_out]
            .into_iter()
            .enumerate()
        {
            if is_so {
                all[kind].push(i);
            }
        }
    }
    if all.iter().any(Vec::is_empty) {
        return;
    }
    let named = |kind: usize| {
        let some = all[kind].iter().take(NAMED_MAX);
        let some: Vec<_> = some
            .map(|i| format!("{}/{}", offered[*i].server, offered[*i].tool.name))
            .collect();
        let more = all[kind].len() - some.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{}{more}", some.join(", "))
    };
    let evidence = format!(
        "a way out: {}; private data: {}; content of strangers: {}",
        named(2),
        named(0),
        named(1)
    );
    let exit = &offered[all[2][0]];
    findings.add(exit, &TOXIC, Severity::Medium, "", &evidence);
}

fn does(tool: &Definition) -> Does {
    let words = words(&tool.name);
    let has = |list: &[&str]| list.iter().any(|word| words.contains(*word));
    let json = tool.json();
    let annotation = |key: &str| {
        let annotations = json.as_ref()?.get("annotations")?;
        match annotations.get(key)? {
            Json::Bool(is_so) => Some(*is_so),
            _ => None,
        }
    };
    let arguments = json
        .as_ref()
        .and_then(|j| j.get("inputSchema")?.get("properties"));
    let has_destination = match arguments {
        Some(Json::Object(members)) => members
            .iter()
            .any(|(key, _)| DESTINATIONS.contains(&&*key.to_lowercase())),
        _ => false,
    };
    let reads = has(READS) || annotation("readOnlyHint") == Some(true);
    // Who says that nothing outside is touched has no way out and meets no stranger, if that is true.
    let stays = annotation("openWorldHint") == Some(false);
    Does {
        private: has(PRIVATE) && reads,
        strangers: has(STRANGERS) && reads && !stays,
        way_out: (has(WAY_OUT) || has_destination) && !stays,
    }
}

/// `searchFiles`, `search_files` → `search`, `files`.
fn words(name: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            words.insert(std::mem::take(&mut word));
        }
        was_lower = c.is_lowercase();
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    words.insert(word);
    words
}
