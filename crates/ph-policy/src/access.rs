//! Who may see and call what.
//!
//! Rules are tried in their order, and the first that is for a message decides. A list shows what a call would be
//! allowed for, because both ask the same question ([`Access::decide`]).

mod rule;
mod uri;

use crate::Principal;
use ph_plan::{AccessDefault, Plan};
use rule::Rule;
use uri::Uri;

pub use rule::Step;

/// The rules of a plan.
#[derive(Clone, Debug)]
pub struct Access {
    rules: Vec<Rule>,
    default: bool,
    status: u16,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// Who it was shown to be.
    pub principal: Option<&'a Principal>,
    /// Who it is as limits know it: [`crate::ClientId`] as text. Only asked for where
    /// [`Access::names_clients`].
    pub client: &'a str,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing<'a> {
    /// Nothing of the server in particular.
    Nothing,
    /// A tool, by its name.
    Tool(&'a str),
    /// A prompt, by its name.
    Prompt(&'a str),
    /// A resource or a template of resources, by its address.
    Resource(&'a str),
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The server.
    pub server: &'a str,
    /// The JSON-RPC method as sent; empty for what is no request and no notification.
    pub method: &'a str,
    /// What it is about.
    pub thing: Thing<'a>,
}

/// Whether it may have it, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// It may.
    pub is_allowed: bool,
    /// By what.
    pub by: By,
}

/// What has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The rule at this place, from 0.
    Rule(usize),
    /// No rule is for it.
    Default,
    /// The address leads above its root: no rule is asked, since what it comes to depends on who resolves it.
    Climbs,
}

impl Access {
    /// The rules of `plan`; `None` when everybody may have everything.
    pub fn new(plan: &Plan) -> Option<Self> {
        let access = plan.access.as_ref()?;
        Some(Self {
            rules: access.rules.iter().filter_map(Rule::new).collect(),
            default: access.default == AccessDefault::Allow,
            status: access.refuse_with.status(),
        })
    }

    /// HTTP status of a refusal.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether [`Who::client`] is asked for.
    pub fn names_clients(&self) -> bool {
        self.rules.iter().any(Rule::names_clients)
    }

    /// Whether `who` may have what is `wanted`.
    ///
    /// - cost: linear in the rules' names and the length of what is asked for.
    pub fn decide(&self, who: &Who<'_>, wanted: &Wanted<'_>) -> Decision {
        let uri = Uri::of(wanted.thing);
        if uri.climbs() {
            return Decision::CLIMBS;
        }
        let mut rules = self.rules.iter().enumerate();
        let decided = rules.find_map(|(nth, rule)| match rule.step(who, wanted, &uri) {
            Step::Decides { is_allowed } => Some((nth, is_allowed)),
            _ => None,
        });
        self.decision(decided)
    }

    /// The decision, and what each rule up to the one that decides has to say.
    pub fn explain(&self, who: &Who<'_>, wanted: &Wanted<'_>) -> (Decision, Vec<Step>) {
        let uri = Uri::of(wanted.thing);
        let mut steps = Vec::new();
        if uri.climbs() {
            return (Decision::CLIMBS, steps);
        }
        for (nth, rule) in self.rules.iter().enumerate() {
            let step = rule.step(who, wanted, &uri);
            steps.push(step);
            if let Step::Decides { is_allowed } = step {
                return (self.decision(Some((nth, is_allowed))), steps);
            }
        }
        (self.decision(None), steps)
    }

    fn decision(&self, decided: Option<(usize, bool)>) -> Decision {
        match decided {
            Some((nth, is_allowed)) => Decision {
                is_allowed,
                by: By::Rule(nth),
            },
            None => Decision {
                is_allowed: self.default,
                by: By::Default,
            },
        }
    }

    /// Whether `who` sees everything that a list of `server` has, so that the list need not be looked at.
    ///
    /// - `method`, `thing`: what is asked for each entry; of the thing only the kind counts.
    pub fn sees_all(&self, who: &Who<'_>, wanted: &Wanted<'_>) -> bool {
        for rule in &self.rules {
            match rule.reach(who, wanted) {
                rule::Reach::None => {}
                rule::Reach::Some if rule.is_allow() => {}
                rule::Reach::Some => return false,
                rule::Reach::All => return rule.is_allow(),
            }
        }
        self.default
    }
}

impl Decision {
    const CLIMBS: Self = Self {
        is_allowed: false,
        by: By::Climbs,
    };

    /// What a refused client is told of the reason: what kind of rule it was, and not what is in it.
    pub fn reason(&self) -> &'static str {
        match self.by {
            By::Rule(_) => "a rule denies it",
            By::Default => "no rule allows it",
            By::Climbs => "its address leads above its root",
        }
    }
}

#[cfg(test)]
mod tests;
