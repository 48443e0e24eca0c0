//! Which limits a call is measured by, and what a refused one is told.

use crate::charge::{Allowance, Kind};
use crate::client::{ClientId, ClientRules};
use ph_plan::{Glob, LimitKey, Plan, RateLimit};
use std::fmt::Write;
use std::time::Duration;

/// What is known of a call when its limits are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who calls.
    pub client: ClientId<'a>,
    /// The server.
    pub server: &'a str,
    /// The JSON-RPC method as sent.
    pub method: &'a str,
    /// The tool of a `tools/call`.
    pub tool: Option<&'a str>,
    /// It stays open by design: it takes no place among the calls at the same time.
    pub is_stream: bool,
}

/// The limits of a plan.
#[derive(Clone, Debug)]
pub struct Limits {
    all: Vec<Limit>,
    clients: ClientRules,
}

/// One limit of a plan.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Its name in the plan.
    pub name: String,
    /// HTTP status of its refusals.
    pub refuse_with: u16,
    /// It refuses nothing.
    pub dry_run: bool,
    plan: RateLimit,
    allowances: Vec<Allowance>,
}

/// What is remembered apart: a limit, what it counts, and the values of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject<'a> {
    /// The limit's name.
    pub limit: &'a str,
    /// Which of its allowances.
    pub kind: Kind,
    /// Whose calls.
    pub client: Option<ClientId<'a>>,
    /// On which server.
    pub server: Option<&'a str>,
    /// By which method.
    pub method: Option<&'a str>,
    /// Of which tool.
    pub tool: Option<&'a str>,
}

impl Subject<'_> {
    /// Whoever there is no room to remember apart.
    pub fn of_the_rest(self) -> Self {
        Self {
            client: None,
            server: None,
            method: None,
            tool: None,
            ..self
        }
    }
}

/// One thing to be taken for a call.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// The limit.
    pub limit: &'a Limit,
    /// Of whom.
    pub subject: Subject<'a>,
    /// What is allowed.
    pub allowance: Allowance,
}

/// All that is to be taken for a call.
#[derive(Clone, Debug, Default)]
pub struct Charges<'a> {
    /// All of these, or none and the call is refused.
    pub enforced: Vec<Charge<'a>>,
    /// Those of each limit that only counts what it would have refused stand together.
    pub dry: Vec<Charge<'a>>,
}

impl Limits {
    /// The limits of `plan`.
    pub fn new(plan: &Plan) -> Self {
        let limits = plan.limits.iter();
        Self {
            all: limits.map(|(n, l)| Limit::new(n.as_str(), l)).collect(),
            clients: ClientRules::new(plan),
        }
    }

    /// Whether there are none, so that nothing of a call need be looked at.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|limit| limit.name.as_str())
    }

    /// Whom to believe about who a request is from.
    pub fn clients(&self) -> &ClientRules {
        &self.clients
    }

    /// What is to be taken for a call.
    pub fn decide<'a>(&'a self, asked: &Asked<'a>) -> Charges<'a> {
        let mut charges = Charges::default();
        for limit in self.all.iter().filter(|limit| limit.is_for(asked)) {
            let list = if limit.dry_run {
                &mut charges.dry
            } else {
                &mut charges.enforced
            };
            list.extend(limit.charges(asked));
        }
        charges
    }
}

impl Limit {
    fn new(name: &str, plan: &RateLimit) -> Self {
        let rate = plan
            .rate
            .map(|r| Allowance::rate(r.calls, r.every, plan.burst_or_rate()));
        let daily = plan.daily.map(Allowance::Daily);
        let concurrent = plan.concurrency.map(Allowance::Concurrent);
        Self {
            name: name.to_owned(),
            refuse_with: plan.refuse_with.status(),
            dry_run: plan.dry_run,
            plan: plan.clone(),
            allowances: rate.into_iter().chain(daily).chain(concurrent).collect(),
        }
    }

    fn is_for(&self, asked: &Asked<'_>) -> bool {
        let fits = |globs: &[Glob], name: &str| {
            globs.is_empty() || globs.iter().any(|glob| glob.matches(name))
        };
        let of_tool = match asked.tool {
            Some(tool) => fits(&self.plan.tools, tool),
            None => !self.is_about_tools(),
        };
        of_tool && fits(&self.plan.servers, asked.server) && fits(&self.plan.methods, asked.method)
    }

    fn charges<'a>(&'a self, asked: &Asked<'a>) -> impl Iterator<Item = Charge<'a>> {
        let subject = Subject {
            limit: &self.name,
            kind: Kind::Rate,
            client: self.counts_by(LimitKey::Client).then_some(asked.client),
            server: self.counts_by(LimitKey::Server).then_some(asked.server),
            method: self.counts_by(LimitKey::Method).then_some(asked.method),
            tool: asked.tool.filter(|_| self.counts_by(LimitKey::Tool)),
        };
        let is_stream = asked.is_stream;
        let taken = move |a: &&Allowance| !(is_stream && a.kind() == Kind::Concurrent);
        let charge = move |allowance: &Allowance| Charge {
            limit: self,
            subject: Subject {
                kind: allowance.kind(),
                ..subject
            },
            allowance: *allowance,
        };
        self.allowances.iter().filter(taken).map(charge)
    }

    fn counts_by(&self, key: LimitKey) -> bool {
        self.plan.per.contains(&key)
    }

    fn is_about_tools(&self) -> bool {
        !self.plan.tools.is_empty() || self.counts_by(LimitKey::Tool)
    }
}

/// What a refused call is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// For whoever reads the error, which may be an assistant.
    pub message: String,
    /// The limit's name.
    pub limit: String,
    /// Whole seconds to wait, at least 1.
    pub retry_after_s: u64,
    /// The field `RateLimit-Policy`.
    pub policy: String,
    /// The field `RateLimit`.
    pub state: String,
    /// The HTTP status.
    pub status: u16,
}

/// Longest name of a tool or method in a message, in characters.
const NAME_CHARS_MAX: usize = 128;

/// What a call is told when `charge` could not be taken.
///
/// - `wait`: as [`crate::Spent`] has it.
/// - source of the fields: draft-ietf-httpapi-ratelimit-headers-10.
pub fn told(charge: &Charge<'_>, asked: &Asked<'_>, wait: Duration) -> Told {
    let limit = charge.limit;
    let wait_s = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let retry_after_s = wait_s.max(1);
    let name = &limit.name;
    let (much, policy, state) = match charge.allowance {
        Allowance::Rate { .. } => {
            let rate = limit.plan.rate.map_or_else(String::new, |r| r.to_string());
            let calls = limit.plan.rate.map_or(0, |r| r.calls);
            let window = limit.plan.rate.map_or(0, |r| r.every.as_secs().max(1));
            let policy = format!("\"{name}\";q={calls};w={window}");
            (rate, policy, format!("\"{name}\";r=0;t={retry_after_s}"))
        }
        Allowance::Daily(quota) => (
            format!("{quota}/day"),
            format!("\"{name}\";q={quota};w=86400"),
            format!("\"{name}\";r=0;t={retry_after_s}"),
        ),
        Allowance::Concurrent(most) => (
            format!("{most} at once"),
            format!("\"{name}\";q={most};qu=\"concurrent-requests\""),
            format!("\"{name}\";r=0"),
        ),
    };
    let mut message = format!("too many requests: {} {much}", what(limit, asked));
    if limit.counts_by(LimitKey::Server) {
        // Writing to a string cannot fail.
        let _ = write!(message, " on server {}", asked.server);
    }
    if limit.counts_by(LimitKey::Client) {
        let _ = write!(message, " for client {}", asked.client);
    }
    let _ = write!(message, ", retry after {retry_after_s} s");
    Told {
        message,
        limit: name.clone(),
        retry_after_s,
        policy,
        state,
        status: limit.refuse_with,
    }
}

/// What there was too much of.
fn what(limit: &Limit, asked: &Asked<'_>) -> String {
    let name = match asked.tool {
        Some(tool) if limit.is_about_tools() => tool,
        _ if !limit.plan.methods.is_empty() || limit.counts_by(LimitKey::Method) => asked.method,
        _ => "calls",
    };
    name.chars().take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_plan::NoSecrets;

    fn limits(limits: &str) -> Limits {
        let text = format!("limits:\n{limits}servers: {{a: {{command: x}}}}\n");
        let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap();
        Limits::new(&plan)
    }

    fn asked<'a>(server: &'a str, method: &'a str, tool: Option<&'a str>) -> Asked<'a> {
        Asked {
            client: ClientId::Named("X"),
            server,
            method,
            tool,
            is_stream: method == "subscriptions/listen",
        }
    }

    #[track_caller]
    fn charged(limits: &Limits, asked: &Asked<'_>, want: &[&str]) {
        let charges = limits.decide(asked);
        let all = charges.enforced.iter().chain(&charges.dry);
        let got: Vec<_> = all.map(|c| c.subject.limit).collect();
        assert_eq!(got, want, "{asked:?}");
    }

    #[test]
    fn a_limit_is_for_what_it_names() {
        let limits = limits(
            "  all: {rate: 1/s}\n  files: {servers: [\"f*\"], rate: 1/s}\n  lists: {methods: [\"*/list\"], rate: 1/s}\n  per-tool: {per: [tool], rate: 1/s}\n  search: {tools: [\"search*\"], daily: 5}\n",
        );
        charged(&limits, &asked("a", "ping", None), &["all"]);
        charged(&limits, &asked("files", "ping", None), &["all", "files"]);
        charged(&limits, &asked("a", "tools/list", None), &["all", "lists"]);
        let call = |tool| asked("a", "tools/call", Some(tool));
        charged(&limits, &call("echo"), &["all", "per-tool"]);
        charged(
            &limits,
            &call("searchFiles"),
            &["all", "per-tool", "search"],
        );
    }

    #[test]
    fn subjects_are_told_apart_by_the_keys_of_their_limit() {
        let limits =
            limits("  one: {per: [client, tool], rate: 1/s}\n  all: {per: [], rate: 1/s}\n");
        let subjects = |asked: Asked<'_>| {
            let charges = limits.decide(&asked).enforced;
            format!(
                "{:?}",
                charges.iter().map(|c| c.subject).collect::<Vec<_>>()
            )
        };
        let call = |server, tool| asked(server, "tools/call", Some(tool));
        assert_eq!(subjects(call("a", "t")), subjects(call("b", "t")));
        assert_ne!(subjects(call("a", "t")), subjects(call("a", "u")));
        let other = Asked {
            client: ClientId::V4(1),
            ..call("a", "t")
        };
        let (one, two) = (
            limits.decide(&other).enforced,
            limits.decide(&other).enforced,
        );
        assert_eq!(one[0].subject, two[0].subject);
        assert_ne!(
            one[1].subject,
            limits.decide(&call("a", "t")).enforced[1].subject
        );
        // Limits stand in the order of their names: `all` is the first, and has one subject.
        assert_eq!(
            one[0].subject,
            limits.decide(&call("b", "u")).enforced[0].subject
        );
    }

    #[test]
    fn a_stream_takes_no_place_and_a_dry_run_stands_apart() {
        let limits = limits(
            "  many: {rate: 1/s, concurrency: 3, daily: 9}\n  try: {rate: 1/s, dry_run: true}\n",
        );
        let charges = limits.decide(&asked("a", "ping", None));
        let kinds: Vec<_> = charges.enforced.iter().map(|c| c.subject.kind).collect();
        assert_eq!(kinds, [Kind::Rate, Kind::Daily, Kind::Concurrent]);
        assert_eq!(charges.dry.len(), 1);
        let charges = limits.decide(&asked("a", "subscriptions/listen", None));
        let kinds: Vec<_> = charges.enforced.iter().map(|c| c.subject.kind).collect();
        assert_eq!(kinds, [Kind::Rate, Kind::Daily]);
    }

    #[track_caller]
    fn says(limit: &str, wait_ms: u64, message: &str, policy: &str, state: &str) {
        let limits = limits(&format!("  it: {limit}\n"));
        let asked = asked("files", "tools/call", Some("searchFiles"));
        let charges = limits.decide(&asked);
        let told = told(&charges.enforced[0], &asked, Duration::from_millis(wait_ms));
        assert_eq!(told.message, message);
        assert_eq!((&*told.policy, &*told.state), (policy, state));
    }

    #[test]
    fn words() {
        says(
            "{tools: [searchFiles], rate: 10/min}",
            41_001,
            "too many requests: searchFiles 10/min for client X, retry after 42 s",
            "\"it\";q=10;w=60",
            "\"it\";r=0;t=42",
        );
        says(
            "{rate: 100/min}",
            1,
            "too many requests: calls 100/min for client X, retry after 1 s",
            "\"it\";q=100;w=60",
            "\"it\";r=0;t=1",
        );
        says(
            "{per: [server, method], daily: 5}",
            3_600_000,
            "too many requests: tools/call 5/day on server files, retry after 3600 s",
            "\"it\";q=5;w=86400",
            "\"it\";r=0;t=3600",
        );
        says(
            "{per: [], concurrency: 2}",
            1_000,
            "too many requests: calls 2 at once, retry after 1 s",
            "\"it\";q=2;qu=\"concurrent-requests\"",
            "\"it\";r=0",
        );
    }
}
