//! Which series there are: labels to ids, and an inverted index from `label=value` to the series that have it.

use super::head::HeadSeries;
use ph_promql::{Labels, Matcher};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A series while it is known: as long as the head or a block has samples of it. Then its id is given again.
pub(super) type SeriesId = u32;

/// A known series.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) labels: Labels,
    /// Blocks that have samples of it.
    pub(super) blocks: u32,
    /// Its samples that are in no block yet.
    pub(super) head: Option<HeadSeries>,
}

/// All known series.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: Vec<Option<Entry>>,
    free: Vec<SeriesId>,
    by_labels: HashMap<Labels, SeriesId>,
    /// Name → value → ids, ascending.
    postings: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Vec<SeriesId>>>,
    texts: HashSet<Arc<str>>,
    /// Series of a metric in the head.
    active_of: HashMap<Arc<str>, u32>,
    active: u32,
}

impl Index {
    /// Series known, in the head or in blocks.
    pub(super) fn len(&self) -> usize {
        self.by_labels.len()
    }

    /// Series in the head.
    pub(super) fn active(&self) -> u32 {
        self.active
    }

    /// Series in the head of one metric.
    pub(super) fn active_of(&self, metric: &str) -> u32 {
        self.active_of.get(metric).copied().unwrap_or(0)
    }

    pub(super) fn id(&self, labels: &Labels) -> Option<SeriesId> {
        self.by_labels.get(labels).copied()
    }

    pub(super) fn get(&self, id: SeriesId) -> Option<&Entry> {
        self.entries.get(id as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: SeriesId) -> Option<&mut Entry> {
        self.entries.get_mut(id as usize)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SeriesId, &Entry)> {
        (0..)
            .zip(&self.entries)
            .filter_map(|(id, entry)| Some((id, entry.as_ref()?)))
    }

    /// The series with these labels, made if there is none.
    pub(super) fn make(&mut self, labels: &Labels) -> SeriesId {
        if let Some(id) = self.id(labels) {
            return id;
        }
        // Names and values are shared by all series that have them.
        let pairs: Vec<(Arc<str>, Arc<str>)> = labels
            .iter()
            .map(|(name, value)| (share(&mut self.texts, name), share(&mut self.texts, value)))
            .collect();
        let labels = Labels::from_pairs(pairs.iter().cloned());
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            (self.entries.len() - 1) as SeriesId
        });
        for (name, value) in pairs {
            let ids = self
                .postings
                .entry(name)
                .or_default()
                .entry(value)
                .or_default();
            match ids.last() {
                Some(last) if *last > id => {
                    let at = ids.partition_point(|other| *other < id);
                    ids.insert(at, id);
                }
                _ => ids.push(id),
            }
        }
        self.by_labels.insert(labels.clone(), id);
        self.entries[id as usize] = Some(Entry {
            labels,
            blocks: 0,
            head: None,
        });
        id
    }

    /// The head of a series, made if there is none.
    pub(super) fn head(&mut self, id: SeriesId) -> Option<&mut HeadSeries> {
        let entry = self.entries.get_mut(id as usize)?.as_mut()?;
        if entry.head.is_none() {
            self.active += 1;
            if let Some(metric) = entry.labels.metric_name() {
                let metric = share(&mut self.texts, metric);
                *self.active_of.entry(metric).or_default() += 1;
            }
        }
        Some(entry.head.get_or_insert_default())
    }

    /// Takes the head of a series away.
    pub(super) fn drop_head(&mut self, id: SeriesId) {
        let Some(entry) = self.entries.get_mut(id as usize).and_then(Option::as_mut) else {
            return;
        };
        if entry.head.take().is_some() {
            self.active -= 1;
            if let Some(metric) = entry.labels.metric_name()
                && let Some(count) = self.active_of.get_mut(metric)
            {
                *count -= 1;
                if *count == 0 {
                    self.active_of.remove(metric);
                }
            }
        }
    }

    /// Forgets the series that are neither in the head nor in a block; gives their ids.
    pub(super) fn forget_unused(&mut self) -> Vec<SeriesId> {
        let unused: Vec<SeriesId> = self
            .iter()
            .filter(|(_, entry)| entry.blocks == 0 && entry.head.is_none())
            .map(|(id, _)| id)
            .collect();
        for id in &unused {
            self.forget(*id);
        }
        if !unused.is_empty() {
            // Whoever is left in the postings has at least one more owner than this set.
            self.texts.retain(|text| Arc::strong_count(text) > 1);
        }
        unused
    }

    fn forget(&mut self, id: SeriesId) {
        let Some(entry) = self.entries.get_mut(id as usize).and_then(Option::take) else {
            return;
        };
        self.by_labels.remove(&entry.labels);
        for (name, value) in entry.labels.iter() {
            let Some(values) = self.postings.get_mut(name) else {
                continue;
            };
            if let Some(ids) = values.get_mut(value) {
                if let Ok(at) = ids.binary_search(&id) {
                    ids.remove(at);
                }
                if ids.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.postings.remove(name);
            }
        }
        self.free.push(id);
    }

    /// The series that all matchers match, ascending.
    ///
    /// A matcher looks at each value of its label once, however many series have it.
    pub(super) fn matching(&self, matchers: &[Matcher]) -> Vec<SeriesId> {
        let mut found: Option<Vec<SeriesId>> = None;
        let mut refused: Vec<&Matcher> = Vec::new();
        for matcher in matchers {
            if matcher.matches("") {
                refused.push(matcher);
                continue;
            }
            let these = self.having(matcher.name(), |value| matcher.matches(value), matcher);
            found = Some(match found {
                Some(found) => intersection(&found, &these),
                None => these,
            });
        }
        let mut found = found.unwrap_or_else(|| self.iter().map(|(id, _)| id).collect());
        for matcher in refused {
            if found.is_empty() {
                break;
            }
            let values = self.postings.get(matcher.name());
            let out =
                union(values.into_iter().flatten().filter_map(|(value, ids)| {
                    (!matcher.matches(value)).then_some(ids.as_slice())
                }));
            found.retain(|id| out.binary_search(id).is_err());
        }
        found
    }

    fn having(
        &self,
        name: &str,
        is_wanted: impl Fn(&str) -> bool,
        matcher: &Matcher,
    ) -> Vec<SeriesId> {
        let Some(values) = self.postings.get(name) else {
            return Vec::new();
        };
        if let Some(literals) = matcher.literals() {
            return union(
                literals
                    .into_iter()
                    .filter_map(|value| values.get(value).map(Vec::as_slice)),
            );
        }
        union(
            values
                .iter()
                .filter(|(value, _)| is_wanted(value))
                .map(|(_, ids)| ids.as_slice()),
        )
    }

    /// Every label name with its values and the series that have them.
    pub(super) fn postings(&self) -> &BTreeMap<Arc<str>, BTreeMap<Arc<str>, Vec<SeriesId>>> {
        &self.postings
    }
}

fn share(texts: &mut HashSet<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(text) = texts.get(text) {
        return text.clone();
    }
    let text: Arc<str> = text.into();
    texts.insert(text.clone());
    text
}

fn union<'a>(lists: impl Iterator<Item = &'a [SeriesId]>) -> Vec<SeriesId> {
    let mut all = Vec::new();
    let mut count = 0;
    for list in lists {
        all.extend_from_slice(list);
        count += 1;
    }
    if count > 1 {
        all.sort_unstable();
        all.dedup();
    }
    all
}

fn intersection(one: &[SeriesId], other: &[SeriesId]) -> Vec<SeriesId> {
    let (few, many) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    let mut rest = many;
    let mut both = Vec::with_capacity(few.len());
    for id in few {
        let at = rest.partition_point(|other| other < id);
        rest = &rest[at..];
        if rest.first() == Some(id) {
            both.push(*id);
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_promql::{METRIC_NAME, MatchOp};
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn ids_and_texts_come_back_when_nobody_has_them() {
        let mut index = Index::default();
        let first = index.make(&labels(&[("__name__", "a"), ("tool", "x")]));
        let second = index.make(&labels(&[("__name__", "a"), ("tool", "y")]));
        assert_eq!(
            index.make(&labels(&[("tool", "x"), ("__name__", "a")])),
            first
        );
        if let Some(entry) = index.get_mut(second) {
            entry.blocks = 1;
        }
        assert_eq!(index.forget_unused(), [first]);
        assert!(!index.texts.contains("x") && index.texts.contains("y"));
        assert_eq!(index.make(&labels(&[("__name__", "b")])), first);
        assert_eq!(index.postings()[METRIC_NAME].len(), 2);
        assert_eq!(index.postings()["tool"].len(), 1);
    }

    #[test]
    fn active_series_are_counted_by_metric() {
        let mut index = Index::default();
        let id = index.make(&labels(&[("__name__", "a")]));
        index.head(id);
        index.head(id);
        assert_eq!((index.active(), index.active_of("a")), (1, 1));
        index.drop_head(id);
        index.drop_head(id);
        assert_eq!((index.active(), index.active_of("a")), (0, 0));
    }

    fn any_matcher() -> impl Strategy<Value = Matcher> {
        let op = prop_oneof![
            Just(MatchOp::Eq),
            Just(MatchOp::Ne),
            Just(MatchOp::Re),
            Just(MatchOp::Nre)
        ];
        let value = prop_oneof![
            Just(""),
            Just("x"),
            Just("y"),
            Just("x|y"),
            Just("x|"),
            Just(".*"),
            Just(".+"),
            Just("[xz]"),
            Just("x?")
        ];
        ("[abc]", op, value).prop_map(|(name, op, value)| Matcher::new(name, op, value).unwrap())
    }

    proptest! {
        /// The index finds what asking each series finds, also after some were forgotten.
        #[test]
        fn the_index_agrees_with_asking_each_series(
            sets in prop::collection::vec(prop::collection::vec(("[abc]", "[xyz]"), 1..4), 1..30),
            kept in prop::collection::vec(any::<bool>(), 30),
            matchers in prop::collection::vec(any_matcher(), 0..4),
        ) {
            let mut index = Index::default();
            for (set, keep) in sets.iter().zip(&kept) {
                let id = index.make(&Labels::from_pairs(set.iter().map(|(n, v)| (n.as_str(), v.as_str()))));
                if let Some(entry) = index.get_mut(id) {
                    entry.blocks |= u32::from(*keep);
                }
            }
            index.forget_unused();
            for set in sets.iter().rev().take(3) {
                index.make(&Labels::from_pairs(set.iter().map(|(n, v)| (n.as_str(), v.as_str()))));
            }
            let wanted: Vec<SeriesId> = index
                .iter()
                .filter(|(_, entry)| {
                    matchers.iter().all(|m| m.matches(entry.labels.get(m.name()).unwrap_or_default()))
                })
                .map(|(id, _)| id)
                .collect();
            prop_assert_eq!(index.matching(&matchers), wanted);
        }
    }
}
