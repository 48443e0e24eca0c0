//! What is abnormal about how somebody calls, and what follows.

use std::time::Duration;

use crate::checked::FilePath;
use crate::choices::choice;
use crate::plan::{hours, minutes, secs};
use crate::section::section;
use crate::slos::Glob;
use crate::text::Text;
use crate::units::ByteSize;

section! {
    /// Watches for abnormal patterns of access. Each is counted and explained by a line in the log;
    /// nobody is refused unless `block` says so. `anomalies: {}` watches with what stands here.
    pub struct Anomalies {
        /// Kinds that are not watched for.
        disabled: Vec<AnomalyName> = Vec::new();
        /// Clients of which nothing is abnormal, with `*`: their principal, `X-Client-Id` or address.
        exempt: Vec<Glob> = Vec::new();
        /// `rate`, `size`, `errors`: how far from usual is abnormal, in robust standard deviations.
        score: f64 = 8.0, in 3.0..=1000.0;
        /// `rate`: least calls in a minute that can be abnormal.
        calls_min: u32 = 60, in 1..=1_000_000;
        /// `size`: least bytes of a message that can be abnormal.
        bytes_min: ByteSize = ByteSize::kib(256), in ByteSize::kib(1)..=ByteSize::gib(1);
        /// `first_use`: for how long a client, and a tool, have to be known.
        known_for: Duration = hours(24), in secs(1)..=hours(24 * 30);
        /// `auth_failures`: failures in a minute; of all clients together ten times as many.
        auth_failures: u32 = 10, in 1..=100_000;
        /// `enumeration`: names that do not exist or are forbidden, tried in ten minutes.
        unknown_names: u32 = 8, in 1..=100;
        /// `enumeration`: tools that a client has never called, called in ten minutes.
        new_tools: u32 = 20, in 1..=250;
        /// What is looked for in the arguments of calls.
        arguments: Arguments = Arguments::default();
        /// Who is refused, and for how long; nobody without it.
        block: Option<Block> = None;
    }
}

section! {
    /// What is looked for in the arguments of calls, before a server has them.
    pub struct Arguments {
        /// Whether arguments are looked at.
        enabled: bool = true;
        /// `oversized`: largest arguments of a call.
        bytes_max: ByteSize = ByteSize::mib(1), in ByteSize::kib(1)..=ByteSize::gib(1);
        /// `path_traversal`: directories that absolute paths have to be in; none given: any.
        paths: Vec<FilePath> = Vec::new();
        /// `ssrf`: whether loopback and private addresses are abnormal, too.
        private_targets: bool = false;
        /// Tools whose arguments are not looked at, with `*`: those that are meant to take commands
        /// or SQL.
        except_tools: Vec<Glob> = Vec::new();
        /// Arguments that hold documents, code or messages and are not looked at, by name.
        except: Vec<Text> = documents();
    }
}

section! {
    /// Who is refused, and for how long.
    pub struct Block {
        /// Kinds that lead to it. One that is seen in arguments refuses that call and no other.
        kinds: Vec<AnomalyName> = Vec::new();
        /// Time for which a client is refused.
        block_for as "for": Duration = minutes(10), in secs(1)..=hours(24 * 7);
    }
}

fn documents() -> Vec<Text> {
    let names = [
        "body", "code", "content", "contents", "diff", "html", "markdown", "message", "new_str",
        "old_str", "patch", "prompt", "text",
    ];
    names.into_iter().map(Text::from).collect()
}

choice! {
    /// Kinds of what is abnormal.
    pub enum AnomalyName {
        /// Many requests that could not show who they are from.
        AuthFailures = "auth_failures",
        /// Far more calls than a client is used to make.
        Rate = "rate",
        /// A tool that a client has never called, long after it came.
        FirstUse = "first_use",
        /// One tool or resource after the other is tried.
        Enumeration = "enumeration",
        /// Far more of a client's calls fail than did, and than those of others do.
        Errors = "errors",
        /// A message far larger than those of this client.
        Size = "size",
        /// A path that climbs out of its directory, or to where secrets are.
        PathTraversal = "path_traversal",
        /// SQL that breaks out of a value.
        SqlInjection = "sql_injection",
        /// A command of a shell behind a value.
        CommandInjection = "command_injection",
        /// An expression of a template engine.
        TemplateInjection = "template_injection",
        /// An address that only the server can reach.
        Ssrf = "ssrf",
        /// Arguments larger than configured.
        Oversized = "oversized",
    }
}

impl Anomalies {
    /// Whether `kind` leads to a refusal.
    #[must_use]
    pub fn blocks(&self, kind: AnomalyName) -> bool {
        let block = self.block.as_ref();
        block.is_some_and(|block| block.kinds.contains(&kind))
    }
}
