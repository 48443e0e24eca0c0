//! One rule, and whether it is for a message.

use super::uri::{Uri, normal};
use super::{Thing, Wanted, Who};
use ph_plan::{AccessRule, AccessScope, Glob};

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    is_allow: bool,
    scope: AccessScope,
    /// `scope.resources` in the form in which addresses are compared.
    addresses: Globs,
}

/// What a rule has to say to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is for others.
    NotWho,
    /// It is for other servers.
    NotServer,
    /// It is for other methods.
    NotMethod,
    /// It is for other tools, prompts or resources.
    NotThing,
    /// It decides.
    Decides {
        /// And allows it.
        is_allowed: bool,
    },
}

/// How much of the things of a kind a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    None,
    Some,
    All,
}

impl Rule {
    /// `None` for one that neither allows nor denies; the plan has none.
    pub(super) fn new(rule: &AccessRule) -> Option<Self> {
        let (is_allow, scope) = match (&rule.allow, &rule.deny) {
            (Some(scope), None) => (true, scope),
            (_, Some(scope)) => (false, scope),
            (None, None) => return None,
        };
        let addresses = scope.resources.iter().flatten();
        let addresses = addresses.map(|glob| Glob::parse(&normal(glob.as_str())));
        Some(Self {
            is_allow,
            scope: scope.clone(),
            addresses: Some(addresses.flatten().collect()),
        })
    }

    pub(super) fn is_allow(&self) -> bool {
        self.is_allow
    }

    pub(super) fn names_clients(&self) -> bool {
        self.scope.clients.is_some()
    }

    pub(super) fn step(&self, who: &Who<'_>, wanted: &Wanted<'_>, uri: &Uri<'_>) -> Step {
        if let Some(step) = self.other(who, wanted) {
            return step;
        }
        let fits_method = fits_or_all(&self.scope.methods, wanted.method);
        let is_for_it = match wanted.thing {
            Thing::Nothing => {
                // Whoever may have something of a server has to speak to it.
                let lets_in = self.is_allow && is_of_speaking(wanted.method);
                if !lets_in && !fits_method {
                    return Step::NotMethod;
                }
                lets_in || !self.names_things()
            }
            _ if !fits_method => return Step::NotMethod,
            _ if !self.names_things() => true,
            Thing::Tool(name) => fits(&self.scope.tools, name),
            Thing::Prompt(name) => fits(&self.scope.prompts, name),
            // What is denied is so in whatever way it is written, what is allowed only as what it comes to.
            Thing::Resource(raw) if !self.is_allow => {
                fits(&self.scope.resources, raw) || fits(&self.addresses, uri.normal())
            }
            Thing::Resource(_) => fits(&self.addresses, uri.normal()),
        };
        if is_for_it {
            Step::Decides {
                is_allowed: self.is_allow,
            }
        } else {
            Step::NotThing
        }
    }

    /// How many of the things of this kind it is for; `wanted.thing` stands for its kind.
    pub(super) fn reach(&self, who: &Who<'_>, wanted: &Wanted<'_>) -> Reach {
        if self.other(who, wanted).is_some() || !fits_or_all(&self.scope.methods, wanted.method) {
            return Reach::None;
        }
        let named = match wanted.thing {
            _ if !self.names_things() => return Reach::All,
            Thing::Nothing => return Reach::None,
            Thing::Tool(_) => &self.scope.tools,
            Thing::Prompt(_) => &self.scope.prompts,
            Thing::Resource(_) => &self.scope.resources,
        };
        let named = named.as_ref();
        if named.is_some_and(|all| all.iter().any(|glob| glob.as_str() == "*")) {
            Reach::All
        } else if named.is_none() {
            Reach::None
        } else {
            Reach::Some
        }
    }

    /// Why it is not for whoever asks, or for what is there.
    fn other(&self, who: &Who<'_>, wanted: &Wanted<'_>) -> Option<Step> {
        if !self.is_for(who) {
            return Some(Step::NotWho);
        }
        let fits_server = fits_or_all(&self.scope.servers, wanted.server);
        (!fits_server).then_some(Step::NotServer)
    }

    fn is_for(&self, who: &Who<'_>) -> bool {
        let AccessScope {
            principals,
            groups,
            scopes,
            clients,
            ..
        } = &self.scope;
        if [principals, groups, scopes, clients]
            .iter()
            .all(|l| l.is_none())
        {
            return true;
        }
        let of_principal = who.principal.is_some_and(|principal| {
            fits(principals, &principal.name)
                || principal.groups.iter().any(|group| fits(groups, group))
                || principal.scopes.iter().any(|scope| fits(scopes, scope))
        });
        of_principal || fits(clients, who.client)
    }

    fn names_things(&self) -> bool {
        let scope = &self.scope;
        let lists = [&scope.tools, &scope.resources, &scope.prompts];
        lists.iter().any(|list| list.is_some())
    }
}

type Globs = Option<Vec<Glob>>;

fn fits(globs: &Globs, name: &str) -> bool {
    globs.iter().flatten().any(|glob| glob.matches(name))
}

fn fits_or_all(globs: &Globs, name: &str) -> bool {
    globs.is_none() || fits(globs, name)
}

/// Without which nothing of a server can be had: beginning, lists, and what accompanies calls.
fn is_of_speaking(method: &str) -> bool {
    matches!(
        method,
        "" | "initialize"
            | "ping"
            | "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "logging/setLevel"
            | "subscriptions/listen"
            // Of a task by its id, which is for whoever was given it. `tasks/list` would show those of others.
            | "tasks/get"
            | "tasks/result"
            | "tasks/update"
            | "tasks/cancel"
    ) || method.starts_with("notifications/")
}
