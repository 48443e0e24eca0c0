//! Who may see and call what.

use ph_base::diagnostic::Problem;
use serde_json::{Value as Json, json};

use crate::choices::choice;
use crate::node::{Data, Entry, Node};
use crate::plan::Plan;
use crate::reader::Reader;
use crate::section::section;
use crate::slos::Glob;
use crate::value::{REFERENCE, Value, anchored, read_choice};

section! {
    /// Who may see and call which tools, resources and prompts of which servers. Without this key
    /// everybody may have everything. Rules are tried in their order, and the first one that is for
    /// a message decides; `default` decides where none is.
    pub struct Access {
        /// What holds where no rule decides.
        default: AccessDefault = AccessDefault::Deny;
        /// The rules, at most 256.
        rules: Vec<AccessRule> = Vec::new();
        /// HTTP status of a refusal. `200` is for clients that do not show their users the
        /// JSON-RPC error in an answer of another status.
        refuse_with: ForbidWith = ForbidWith::Status403;
    }
}

section! {
    /// A rule: either `allow` or `deny`, with what it is for. `allow: {}` is for everything.
    pub struct AccessRule {
        /// What is allowed, and to whom.
        allow: Option<AccessScope> = None;
        /// What is denied, and to whom.
        deny: Option<AccessScope> = None;
    }
}

section! {
    /// What a rule is for, by names in which `*` stands for any text. Of `principals`, `groups`,
    /// `scopes` and `clients` one has to fit; without them a rule is for everybody. Of `tools`,
    /// `resources` and `prompts` one has to fit; without them it is for all of a server.
    pub struct AccessScope {
        /// Principals: names of API keys, or of subjects of tokens as `ISSUER:SUBJECT`.
        principals: Option<Vec<Glob>> = None;
        /// Groups that the principal is in.
        groups: Option<Vec<Glob>> = None;
        /// Scopes of the principal's token.
        scopes: Option<Vec<Glob>> = None;
        /// Clients as limits know them: the principal, else the `X-Client-Id` that is believed,
        /// else the address.
        clients: Option<Vec<Glob>> = None;
        /// Servers, by their names here.
        servers: Option<Vec<Glob>> = None;
        /// JSON-RPC methods.
        methods: Option<Vec<Glob>> = None;
        /// Tools.
        tools: Option<Vec<Glob>> = None;
        /// Resources and templates of resources, by their addresses.
        resources: Option<Vec<Glob>> = None;
        /// Prompts.
        prompts: Option<Vec<Glob>> = None;
    }
}

choice! {
    /// What holds where no rule decides.
    pub enum AccessDefault {
        /// It is refused.
        Deny = "deny",
        /// It is allowed.
        Allow = "allow",
    }
}

/// HTTP status of a refusal by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForbidWith {
    /// 403, as HTTP has it.
    Status403,
    /// 200, with a JSON-RPC error.
    Status200,
}

impl ForbidWith {
    /// The status as a number.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Status403 => 403,
            Self::Status200 => 200,
        }
    }
}

impl Value for ForbidWith {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let values = [Self::Status403, Self::Status200];
        read_choice(node, &["403", "200"], &values, reader)
    }

    /// A number is how it is written most often.
    fn schema(_limits: &()) -> Json {
        json!({"anyOf": [{"enum": [403, 200, "403", "200"]}, {"type": "string", "pattern": anchored(REFERENCE)}]})
    }

    fn show(&self) -> Json {
        self.status().into()
    }
}

/// Most rules: each message is measured by all of them.
const RULES_MAX: usize = 256;
/// Most names in all rules together.
const NAMES_MAX: usize = 4096;

impl AccessScope {
    fn lists(&self) -> [&Option<Vec<Glob>>; 9] {
        [
            &self.principals,
            &self.groups,
            &self.scopes,
            &self.clients,
            &self.servers,
            &self.methods,
            &self.tools,
            &self.resources,
            &self.prompts,
        ]
    }
}

/// Rules that are none, servers that are not there, and too much of it.
pub(crate) fn check_access(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    let block = root.entry("access").filter(|_| !reader.has_error());
    let Some((block, access)) = block.zip(plan.access.as_ref()) else {
        return;
    };
    let Some(rules) = block.value.entry("rules") else {
        return;
    };
    let scopes = access.rules.iter();
    let scopes = scopes.flat_map(|rule| rule.allow.iter().chain(&rule.deny));
    let names: usize = scopes
        .flat_map(AccessScope::lists)
        .flatten()
        .map(Vec::len)
        .sum();
    let too_much = [
        (access.rules.len(), "rules", RULES_MAX),
        (names, "names in rules", NAMES_MAX),
    ];
    let Data::List(written) = &rules.value.data else {
        return;
    };
    reader.within(block, |reader| {
        reader.within(rules, |reader| {
            for (count, what, max) in too_much {
                if count > max {
                    reader.report(&rules.key_at, Problem::TooLarge { what, max });
                }
            }
            for (nth, (node, rule)) in written.iter().zip(&access.rules).enumerate() {
                reader.within_item(nth, |reader| check_rule(plan, node, rule, reader));
            }
        });
    });
}

fn check_rule(plan: &Plan, node: &Node, rule: &AccessRule, reader: &mut Reader<'_>) {
    let (word, scope) = match (&rule.allow, &rule.deny) {
        (Some(scope), None) => ("allow", scope),
        (None, Some(scope)) => ("deny", scope),
        (None, None) => {
            let fields = &["allow", "deny"];
            let hint = "`allow: {}` is for everything".to_owned();
            reader.report_with(&node.at, Problem::MissingField { fields }, Some(hint));
            return;
        }
        (Some(_), Some(_)) => {
            let at = node.entry("deny").map_or(&node.at, |entry| &entry.key_at);
            let (got, with) = ("deny", "allow");
            reader.report(at, Problem::Conflict { got, with });
            return;
        }
    };
    let Some(entry) = node.entry(word) else {
        return;
    };
    reader.within(entry, |reader| check_scope(plan, entry, scope, reader));
}

fn check_scope(plan: &Plan, entry: &Entry, scope: &AccessScope, reader: &mut Reader<'_>) {
    let Data::Map(lists) = &entry.value.data else {
        return;
    };
    for list in lists {
        // A list that a template left empty must not come to mean everything.
        let is_empty = match &list.value.data {
            Data::List(items) => items.is_empty(),
            Data::Scalar(_) | Data::Map(_) => list.value.is_null(),
        };
        if is_empty {
            let (expected, got) = ("at least one name", "none");
            let hint = format!("without `{}` the rule is for all of them", list.key);
            let problem = Problem::WrongType { expected, got };
            reader.within(list, |reader| {
                reader.report_with(&list.key_at, problem, Some(hint));
            });
        }
    }
    let Some((list, Data::List(items))) = entry.value.entry("servers").map(|e| (e, &e.value.data))
    else {
        return;
    };
    for (nth, (glob, item)) in scope.servers.iter().flatten().zip(items).enumerate() {
        if plan.servers.keys().any(|name| glob.matches(name.as_str())) {
            continue;
        }
        let got = glob.shown().to_owned();
        let expected = "the name of a server in `servers`, or `*` in it".to_owned();
        reader.within(list, |reader| {
            reader.within_item(nth, |reader| {
                reader.report(&item.at, Problem::BadValue { got, expected });
            });
        });
    }
}
