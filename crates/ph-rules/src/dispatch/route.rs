//! Who hears of an alert.

use super::matcher::Matchers;
use super::text;
use ph_promql::Labels;

/// Where alerts go, and how they are put together. The root's matchers are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which alerts.
    pub matchers: Matchers,
    /// Name of the receiver.
    pub receiver: String,
    /// Which alerts come in one notification.
    pub group_by: GroupBy,
    /// Milliseconds from a group's first alert to its first notification.
    pub group_wait_ms: i64,
    /// Milliseconds between two looks at a group that was told of.
    pub group_interval_ms: i64,
    /// Milliseconds after which a group that has not changed is told of again.
    pub repeat_interval_ms: i64,
    /// The next route beside this one is asked, too (`continue`).
    pub goes_on: bool,
    /// Routes below; the first that matches counts.
    pub routes: Vec<Route>,
}

/// Which labels make a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// All of them (`...`): every alert on its own.
    All,
    /// These.
    Names(Vec<String>),
}

/// A route without those below it, with its place in the tree.
#[derive(Clone, Debug)]
pub(super) struct Node {
    matchers: Matchers,
    /// `{}/{severity="critical"}`
    key: String,
    pub(super) receiver: String,
    group_by: GroupBy,
    pub(super) group_wait_ms: i64,
    pub(super) group_interval_ms: i64,
    pub(super) repeat_interval_ms: i64,
    goes_on: bool,
    below: Vec<usize>,
}

/// The tree of routes; the root is the first.
#[derive(Clone, Debug)]
pub(super) struct Tree(Vec<Node>);

impl Tree {
    pub(super) fn new(root: &Route) -> Self {
        let mut nodes = Vec::new();
        grow(&mut nodes, root, None);
        Self(nodes)
    }

    pub(super) fn node(&self, at: usize) -> &Node {
        &self.0[at]
    }

    /// The nodes that an alert with these labels ends at; the root's matchers are not asked.
    pub(super) fn matching(&self, labels: &Labels) -> Vec<usize> {
        let mut all = Vec::new();
        self.collect(0, labels, &mut all);
        all
    }

    fn collect(&self, at: usize, labels: &Labels, all: &mut Vec<usize>) {
        let before = all.len();
        for below in &self.0[at].below {
            let node = &self.0[*below];
            if !node.matchers.matches(labels) {
                continue;
            }
            self.collect(*below, labels, all);
            if !node.goes_on {
                break;
            }
        }
        if all.len() == before {
            all.push(at);
        }
    }
}

/// Most levels of routes, the root included; deeper ones are left out.
const LEVELS_MAX: usize = 16;

fn grow(nodes: &mut Vec<Node>, route: &Route, above: Option<(&str, usize)>) -> usize {
    let key = match above {
        Some((key, _)) => format!("{key}/{}", route.matchers),
        None => route.matchers.to_string(),
    };
    let level = above.map_or(1, |(_, level)| level + 1);
    let at = nodes.len();
    nodes.push(Node {
        matchers: route.matchers.clone(),
        key: key.clone(),
        receiver: route.receiver.clone(),
        group_by: route.group_by.clone(),
        group_wait_ms: route.group_wait_ms,
        group_interval_ms: route.group_interval_ms,
        repeat_interval_ms: route.repeat_interval_ms,
        goes_on: route.goes_on,
        below: Vec::new(),
    });
    if level < LEVELS_MAX {
        let below = route.routes.iter();
        let below = below
            .map(|route| grow(nodes, route, Some((&key, level))))
            .collect();
        nodes[at].below = below;
    }
    at
}

impl Node {
    /// The labels that the alert's group shares.
    pub(super) fn group_labels(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Names(names) => {
                labels.filtered(|name| names.iter().any(|known| known == name))
            }
        }
    }

    /// `{}/{severity="critical"}:{alertname="A"}`
    pub(super) fn group_key(&self, group_labels: &Labels) -> String {
        format!("{}:{}", self.key, text::label_set(group_labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(matchers: &str, receiver: &str, goes_on: bool, routes: Vec<Route>) -> Route {
        Route {
            matchers: Matchers::parse([matchers]).unwrap(),
            receiver: receiver.to_owned(),
            group_by: GroupBy::Names(vec!["alertname".to_owned()]),
            group_wait_ms: 1,
            group_interval_ms: 2,
            repeat_interval_ms: 3,
            goes_on,
            routes,
        }
    }

    #[test]
    fn the_first_route_counts_unless_it_goes_on() {
        let tree = Tree::new(&route(
            "",
            "root",
            false,
            vec![
                route(
                    "a=1",
                    "one",
                    true,
                    vec![route("b=1", "deep", false, vec![])],
                ),
                route("a=1", "two", false, vec![]),
                route("a=~.+", "three", false, vec![]),
            ],
        ));
        let to = |pairs: &[(&str, &str)]| {
            let labels = Labels::from_pairs(pairs.iter().copied());
            let names = tree.matching(&labels).into_iter();
            names
                .map(|at| tree.node(at).receiver.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(to(&[("x", "y")]), ["root"]);
        assert_eq!(to(&[("a", "1")]), ["one", "two"]);
        assert_eq!(to(&[("a", "1"), ("b", "1")]), ["deep", "two"]);
        assert_eq!(to(&[("a", "2")]), ["three"]);
    }

    #[test]
    fn keys_are_those_of_alertmanager() {
        let tree = Tree::new(&route(
            "",
            "r",
            false,
            vec![route("severity=critical,a!=b", "s", false, vec![])],
        ));
        let labels = Labels::from_pairs([("alertname", "A"), ("severity", "critical")]);
        let node = tree.node(tree.matching(&labels)[0]);
        assert_eq!(
            node.group_key(&node.group_labels(&labels)),
            r#"{}/{a!="b",severity="critical"}:{alertname="A"}"#
        );
    }
}
