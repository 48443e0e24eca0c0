//! Where rules stand in the text of a configuration.

use crate::terminal::clean;
use ph_plan::Plan;
use ph_plan::document::{self, Data, Node};
use serde_json::Value as Json;

/// The rules of a text, as they are written.
pub(super) struct Places<'t> {
    file: &'t str,
    text: &'t str,
    /// `None` where the text is of a form whose places are not known, as JSON with comments.
    root: Option<Node>,
    /// The plan as it could be written.
    plan: Json,
}

/// Longest rule that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 160;

impl<'t> Places<'t> {
    pub(super) fn of(file: &'t str, text: &'t str, plan: &Plan) -> Self {
        Self {
            file,
            text,
            root: document::read(text).ok(),
            plan: plan.to_json(),
        }
    }

    /// `pilothouse.yaml:7`, of the rule at this place, from 0.
    pub(super) fn of_rule(&self, nth: usize) -> String {
        self.at(self.rule(nth).map(|node| node.at.start))
    }

    /// The same of what holds without a rule: where the block begins, if it does not say.
    pub(super) fn of_default(&self) -> String {
        let block = self.root.as_ref().and_then(|root| root.entry("access"));
        let default = block.and_then(|block| block.value.entry("default"));
        self.at(default.or(block).map(|entry| entry.key_at.start))
    }

    /// What the rule says, on one line: `deny: {tools: ["b*"]}`.
    pub(super) fn text_of(&self, nth: usize) -> String {
        let rules = &self.plan["access"]["rules"];
        let words = rules[nth].as_object().into_iter().flatten();
        let words = words.map(|(word, scope)| {
            let lists = scope.as_object().into_iter().flatten();
            let lists = lists.filter(|(_, list)| !list.is_null());
            let lists: Vec<_> = lists.map(|(key, list)| format!("{key}: {list}")).collect();
            format!("{word}: {{{}}}", lists.join(", "))
        });
        let line = words.collect::<Vec<_>>().join(", ");
        clean(&line.chars().take(SHOWN_CHARS_MAX).collect::<String>())
    }

    fn rule(&self, nth: usize) -> Option<&Node> {
        let block = &self.root.as_ref()?.entry("access")?.value;
        match &block.entry("rules")?.value.data {
            Data::List(rules) => rules.get(nth),
            Data::Scalar(_) | Data::Map(_) => None,
        }
    }

    fn at(&self, start: Option<usize>) -> String {
        match start.and_then(|start| self.text.get(..start)) {
            Some(before) => format!("{}:{}", self.file, before.matches('\n').count() + 1),
            None => self.file.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_plan::NoSecrets;

    #[test]
    fn rules_are_found_in_their_lines() {
        let text = "listen: 127.0.0.1:1\naccess:\n  rules:\n    - allow: {tools: [a]}\n    - deny:  # why\n        tools:\n          - \"b*\"\nservers: {s: {command: x}}\n";
        let (plan, _) = ph_plan::load("p.yaml", text, &NoSecrets).unwrap();
        let places = Places::of("p.yaml", text, &plan);
        assert_eq!(places.of_rule(0), "p.yaml:4");
        assert_eq!(places.of_rule(1), "p.yaml:5");
        assert_eq!(places.of_default(), "p.yaml:2");
        assert_eq!(places.text_of(0), "allow: {tools: [\"a\"]}");
        assert_eq!(places.text_of(1), "deny: {tools: [\"b*\"]}");
        assert_eq!(places.of_rule(2), "p.yaml");
        let json = "{\"access\": {\"default\": \"deny\",\n\"rules\": [\n{\"allow\": {}}]}}";
        let places = Places::of("p.json", json, &Plan::default());
        assert_eq!(
            (places.of_rule(0), places.of_default()),
            ("p.json:3".into(), "p.json:1".into())
        );
    }
}
