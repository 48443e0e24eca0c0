//! Static checks of tools as they are offered together: local, and the same each time.
//!
//! They point at what a person should read. None of them is a proof: a harmless text can be found (each rule says
//! when), and a text that means harm in other words is not.

mod flow;
mod hiding;
mod name;
mod phrase;
mod text;

use super::definition::Definition;
use text::Texts;

/// Most findings in all.
const FINDINGS_MAX: usize = 1000;
/// Most findings of one rule about one tool.
const OF_ONE_MAX: usize = 4;
/// Longest evidence, in characters.
const EVIDENCE_CHARS_MAX: usize = 200;

/// A tool that is offered, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Offered<'a> {
    /// The server's name in the configuration.
    pub server: &'a str,
    /// The tool.
    pub tool: &'a Definition,
}

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is looked for.
    pub rule: &'static Rule,
    /// How bad it is, if it is what it looks like.
    pub severity: Severity,
    /// The server.
    pub server: Box<str>,
    /// The tool.
    pub tool: Box<str>,
    /// JSON pointer to the text.
    pub pointer: String,
    /// What was found, on one line and safe to print.
    pub evidence: String,
}

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// It stays the same over versions.
    pub id: &'static str,
    /// In words with hyphens.
    pub name: &'static str,
    /// Entries of OWASP's MCP Top 10 (2025) that it is about.
    pub owasp: &'static str,
    /// Why it matters.
    pub about: &'static str,
}

/// How bad a finding is, if it is what it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look when there is time.
    Low,
    /// Worth a look.
    Medium,
    /// To be explained by whoever wrote the tool.
    High,
    /// No honest tool has it.
    Critical,
}

impl Severity {
    /// Every severity, ascending.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Every rule, by id.
pub const RULES: [&Rule; 7] = [
    &HIDDEN,
    &INSTRUCTION,
    &CROSS_REFERENCE,
    &SHADOWED,
    &TOXIC,
    &MALFORMED,
    &ODD_NAME,
];

const HIDDEN: Rule = Rule {
    id: "PT001",
    name: "hidden-characters",
    owasp: "MCP03",
    about: "A text has characters that a person does not see and a model reads.",
};
const INSTRUCTION: Rule = Rule {
    id: "PT002",
    name: "instruction-to-the-model",
    owasp: "MCP03, MCP06",
    about: "A text tells the model what to do beyond calling this tool.",
};
const CROSS_REFERENCE: Rule = Rule {
    id: "PT003",
    name: "cross-server-reference",
    owasp: "MCP03, MCP06",
    about: "A text speaks of a tool of another server, whose use it could bend.",
};
const SHADOWED: Rule = Rule {
    id: "PT004",
    name: "shadowed-name",
    owasp: "MCP03, MCP09",
    about: "Two tools have the same name, or one that is read as the same.",
};
const TOXIC: Rule = Rule {
    id: "PT005",
    name: "toxic-combination",
    owasp: "MCP06, MCP10",
    about: "Private data, content of strangers and a way out are offered together.",
};
const MALFORMED: Rule = Rule {
    id: "PT006",
    name: "malformed-definition",
    owasp: "MCP03",
    about: "Two readers could understand the definition differently.",
};
const ODD_NAME: Rule = Rule {
    id: "PT007",
    name: "odd-name",
    owasp: "MCP03",
    about: "A name has other characters than the specification asks for.",
};

/// Looks at tools that one client is offered together; the findings are sorted, the worst first.
///
/// Cost: linear in the texts, but for the names, which are sorted.
#[must_use]
pub fn check(offered: &[Offered<'_>]) -> Vec<Finding> {
    let mut findings = Findings::default();
    let names = name::Names::of(offered);
    for one in offered {
        let texts = Texts::of(one.tool);
        if let Some(flaw) = one.tool.flaw {
            findings.add(one, &MALFORMED, Severity::High, "", &flaw.to_string());
        }
        hiding::check(one, &texts, &mut findings);
        phrase::check(one, &texts, &mut findings);
        names.check(one, &texts, &mut findings);
    }
    flow::check(offered, &mut findings);
    findings.sorted()
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        of: &Offered<'_>,
        rule: &'static Rule,
        severity: Severity,
        pointer: &str,
        evidence: &str,
    ) {
        let of_one = self
            .0
            .iter()
            .rev()
            .take_while(|f| *f.tool == *of.tool.name && *f.server == *of.server);
        if self.0.len() >= FINDINGS_MAX || of_one.filter(|f| f.rule == rule).count() >= OF_ONE_MAX {
            return;
        }
        self.0.push(Finding {
            rule,
            severity,
            server: of.server.into(),
            tool: of.tool.name.clone(),
            pointer: pointer.into(),
            evidence: super::printable(evidence, EVIDENCE_CHARS_MAX),
        });
    }

    fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by(|a, b| {
            let key = |f: &Finding| (std::cmp::Reverse(f.severity), f.rule.id);
            (key(a), &a.server, &a.tool, &a.pointer).cmp(&(key(b), &b.server, &b.tool, &b.pointer))
        });
        self.0
    }
}

#[cfg(test)]
mod tests;
