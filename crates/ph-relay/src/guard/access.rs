//! Who may see and call what: rules are `ph-policy`'s, here they are asked.

use super::Refusal;
use crate::inbound::Client;
use crate::reply::OwnError;
use ph_mcp::Envelope;
use ph_mcp::about::{About, about};
use ph_mcp::error::code;
use ph_mcp::headers::check_repeated;
use ph_mcp::lists::ListKind;
use ph_plan::Plan;
use ph_policy::{Access, By, ClientRules, Decision, Principal, Thing, Wanted, Who};
use ph_record::RefusedReason;
use std::sync::Arc;

/// The rules of one plan.
pub(super) struct AccessGate {
    rules: Access,
    clients: ClientRules,
}

/// Who asks, kept for as long as a call.
pub(super) struct Asker {
    principal: Option<Arc<Principal>>,
    client: Box<str>,
}

impl Asker {
    fn who(&self) -> Who<'_> {
        Who {
            principal: self.principal.as_deref(),
            client: &self.client,
        }
    }
}

impl AccessGate {
    /// `None` when everybody may have everything.
    pub(super) fn new(plan: &Plan) -> Option<Self> {
        Access::new(plan).map(|rules| Self {
            rules,
            clients: ClientRules::new(plan),
        })
    }

    /// Whether a message may go on.
    pub(super) fn judge(
        &self,
        server: &str,
        client: &Client,
        text: &str,
        envelope: &Envelope<'_>,
    ) -> Result<(), Box<Refusal>> {
        if let Err(fault) = check_repeated(envelope, |name| client.field(name)) {
            let mut error = OwnError::new(400, fault.code(), fault.to_string());
            error.data = fault.data();
            return Err(Refusal::new(RefusedReason::HeaderMismatch, error));
        }
        let asker = self.asker(client);
        let method = &*envelope.method_text;
        let allowed = |thing| {
            let wanted = Wanted {
                server,
                method,
                thing,
            };
            self.allowed(client, &asker, &wanted)
        };
        match about(text, envelope) {
            Ok(About::Nothing) => allowed(Thing::Nothing),
            Ok(About::Tool(name)) => allowed(Thing::Tool(&name)),
            Ok(About::Prompt(name)) => allowed(Thing::Prompt(&name)),
            Ok(About::Resource(uri)) => allowed(Thing::Resource(&uri)),
            Ok(About::Resources(uris)) => {
                allowed(Thing::Nothing)?;
                uris.iter()
                    .try_for_each(|uri| allowed(Thing::Resource(uri)))
            }
            Err(fault) => {
                let error = OwnError::new(400, fault.code(), fault.to_string());
                Err(Refusal::new(RefusedReason::Malformed, error))
            }
        }
    }

    /// Whether a request without a message may go on: a stream is opened, a session ended.
    pub(super) fn judge_head(&self, server: &str, client: &Client) -> Result<(), Box<Refusal>> {
        let wanted = Wanted {
            server,
            method: "",
            thing: Thing::Nothing,
        };
        self.allowed(client, &self.asker(client), &wanted)
    }

    fn allowed(
        &self,
        client: &Client,
        asker: &Asker,
        wanted: &Wanted<'_>,
    ) -> Result<(), Box<Refusal>> {
        let decision = self.rules.decide(&asker.who(), wanted);
        if decision.is_allowed {
            return Ok(());
        }
        Err(self.refusal(client, wanted, decision))
    }

    fn refusal(&self, client: &Client, wanted: &Wanted<'_>, decision: Decision) -> Box<Refusal> {
        let (what, reason) = (what(wanted), decision.reason());
        let server = wanted.server;
        let client = self.named(client);
        let message = format!("forbidden: {what} on server {server} for client {client}, {reason}");
        let why = match decision.by {
            By::Rule(nth) => format!("{message} (access.rules, number {})", nth + 1),
            By::Default => format!("{message} (access.default)"),
            By::Climbs => message.clone(),
        };
        let error = OwnError::new(self.rules.status(), code::FORBIDDEN, message);
        let mut refusal = Refusal::new(RefusedReason::Forbidden, error);
        refusal.why = Some(why);
        refusal
    }

    /// Who asks.
    pub(super) fn asker(&self, client: &Client) -> Asker {
        let name = if self.rules.names_clients() {
            self.named(client)
        } else {
            String::new()
        };
        Asker {
            principal: client.principal.clone(),
            client: name.into(),
        }
    }

    fn named(&self, client: &Client) -> String {
        let header = |name: &str| {
            let values = client.headers.get_all(name).iter();
            values.filter_map(|value| value.to_str().ok())
        };
        let principal = client.principal.as_deref();
        let id = self.clients.identify(principal, client.peer, header);
        id.to_string()
    }

    /// Whether all of a list is shown, whatever is in it.
    pub(super) fn shows_all(&self, server: &str, asker: &Asker, kind: ListKind) -> bool {
        let wanted = shown(server, kind, "");
        self.rules.sees_all(&asker.who(), &wanted)
    }

    /// Whether an entry of a list is shown: whether it might be called.
    pub(super) fn shows(&self, server: &str, asker: &Asker, kind: ListKind, name: &str) -> bool {
        let wanted = shown(server, kind, name);
        self.rules.decide(&asker.who(), &wanted).is_allowed
    }
}

/// What is asked for an entry of a list: what a call of it would be.
fn shown<'a>(server: &'a str, kind: ListKind, name: &'a str) -> Wanted<'a> {
    let (method, thing) = match kind {
        ListKind::Tools => ("tools/call", Thing::Tool(name)),
        ListKind::Prompts => ("prompts/get", Thing::Prompt(name)),
        ListKind::Resources | ListKind::Templates => ("resources/read", Thing::Resource(name)),
    };
    Wanted {
        server,
        method,
        thing,
    }
}

/// Longest name in a message, in characters.
const NAME_CHARS_MAX: usize = 128;

fn what(wanted: &Wanted<'_>) -> String {
    let cut = |name: &str| name.chars().take(NAME_CHARS_MAX).collect::<String>();
    match wanted.thing {
        Thing::Tool(name) => format!("tool {}", cut(name)),
        Thing::Prompt(name) => format!("prompt {}", cut(name)),
        Thing::Resource(uri) => format!("resource {}", cut(uri)),
        Thing::Nothing if wanted.method.is_empty() => "anything".to_owned(),
        Thing::Nothing => cut(wanted.method),
    }
}
