//! The labels of a series.

use std::fmt;
use std::sync::Arc;

/// The label that holds the name of a metric.
pub const METRIC_NAME: &str = "__name__";

/// A set of labels: sorted by name, each name once, no empty value (an empty value is no label).
///
/// Cheap to clone. Order, equality and hash are those of the sorted pairs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from(Vec::new()))
    }
}

impl Labels {
    /// Labels from pairs in any order. Of a name that comes twice the last counts; empty values are left out.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<Arc<str>>,
        V: Into<Arc<str>>,
    {
        let mut all: Vec<(Arc<str>, Arc<str>)> = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        // Stable, so that of equal names the last given stands last.
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all.reverse();
        all.dedup_by(|one, other| one.0 == other.0);
        all.reverse();
        all.retain(|(_, value)| !value.is_empty());
        Self(all.into())
    }

    /// The value of a label, if it is there.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_shared(name).map(|value| &**value)
    }

    /// The name of the metric, if there is one.
    pub fn metric_name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// The pairs, ascending by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many labels there are, the metric's name included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These labels with only those that `keep` says yes to.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        if self.0.iter().all(|(name, _)| keep(name)) {
            return self.clone();
        }
        let kept: Vec<_> = self
            .0
            .iter()
            .filter(|(name, _)| keep(name))
            .cloned()
            .collect();
        Self(kept.into())
    }

    /// These labels without what describes the metric itself: its name, and the type and unit that
    /// Prometheus may keep beside it.
    #[must_use]
    pub fn without_name(&self) -> Self {
        self.filtered(|name| !matches!(name, METRIC_NAME | "__type__" | "__unit__"))
    }

    /// These labels with one label set; an empty value takes the label away.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        if self.get(name).unwrap_or_default() == value {
            return self.clone();
        }
        let mut all: Vec<_> = self.0.to_vec();
        match all.binary_search_by(|pair| (*pair.0).cmp(name)) {
            Ok(at) if value.is_empty() => {
                all.remove(at);
            }
            Ok(at) => all[at].1 = value.into(),
            Err(at) => all.insert(at, (name.into(), value.into())),
        }
        Self(all.into())
    }

    fn get_shared(&self, name: &str) -> Option<&Arc<str>> {
        let at = self.0.binary_search_by(|pair| (*pair.0).cmp(name)).ok()?;
        Some(&self.0[at].1)
    }
}

/// As PromQL writes them: `name{a="b"}`, or `{}` for none.
impl fmt::Display for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name().filter(|name| is_plain_metric_name(name));
        out.write_str(name.unwrap_or_default())?;
        let shown = self
            .iter()
            .filter(|(label, _)| name.is_none() || *label != METRIC_NAME);
        let mut separator = "{";
        for (label, value) in shown {
            out.write_str(separator)?;
            separator = ", ";
            if is_plain_label_name(label) {
                out.write_str(label)?;
            } else {
                quote(out, label)?;
            }
            out.write_str("=")?;
            quote(out, value)?;
        }
        match (separator, name) {
            ("{", Some(_)) => Ok(()),
            ("{", None) => out.write_str("{}"),
            _ => out.write_str("}"),
        }
    }
}

fn quote(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    out.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            c => fmt::Write::write_char(out, c)?,
        }
    }
    out.write_str("\"")
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
pub(crate) fn is_plain_label_name(name: &str) -> bool {
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

fn is_plain_metric_name(name: &str) -> bool {
    is_plain_label_name(&name.replace(':', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_unique_and_never_empty() {
        let labels = Labels::from_pairs([("b", "1"), ("a", "2"), ("b", "3"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
        assert_eq!(labels.get("c"), None);
        assert_eq!(labels, Labels::from_pairs([("b", "3"), ("a", "2")]));
    }

    #[test]
    fn a_label_is_set_replaced_and_removed() {
        let labels = Labels::from_pairs([("b", "1")]);
        assert_eq!(labels.with("a", "0").to_string(), r#"{a="0", b="1"}"#);
        assert_eq!(labels.with("b", "2").to_string(), r#"{b="2"}"#);
        assert_eq!(labels.with("b", "").to_string(), "{}");
        assert_eq!(labels.with("c", ""), labels);
    }

    #[test]
    fn shown_as_promql_writes_them() {
        let named = Labels::from_pairs([("__name__", "up:x"), ("job", "a\"b\n")]);
        assert_eq!(named.to_string(), r#"up:x{job="a\"b\n"}"#);
        assert_eq!(Labels::from_pairs([("__name__", "up")]).to_string(), "up");
        let odd = Labels::from_pairs([("__name__", "a.b"), ("x y", "1")]);
        assert_eq!(odd.to_string(), r#"{__name__="a.b", "x y"="1"}"#);
    }
}
