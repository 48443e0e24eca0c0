//! Exemplars: samples of single events with labels of their own, such as a trace id. A bounded ring.

use ph_promql::Labels;
use std::collections::VecDeque;

/// An exemplar on its way in.
#[derive(Clone, Debug, PartialEq)]
pub struct NewExemplar {
    /// The series that it belongs to.
    pub series: Labels,
    /// Its own labels.
    pub labels: Labels,
    /// Its value.
    pub v: f64,
    /// When it was seen, Unix milliseconds.
    pub t_ms: i64,
}

/// An exemplar of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Its own labels.
    pub labels: Labels,
    /// Its value.
    pub v: f64,
    /// When it was seen, Unix milliseconds.
    pub t_ms: i64,
}

/// The youngest exemplars of all series, the oldest first.
#[derive(Debug)]
pub(super) struct Ring {
    all: VecDeque<NewExemplar>,
    max: usize,
}

impl Ring {
    pub(super) fn new(max: usize) -> Self {
        Self {
            all: VecDeque::new(),
            max,
        }
    }

    /// A target shows an exemplar again until it has another: the same one is kept once.
    pub(super) fn push(&mut self, new: &NewExemplar) {
        let is_known = self
            .all
            .iter()
            .rev()
            .find(|one| one.series == new.series)
            .is_some_and(|one| one.t_ms >= new.t_ms);
        if is_known || self.max == 0 {
            return;
        }
        if self.all.len() == self.max {
            self.all.pop_front();
        }
        self.all.push_back(new.clone());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &NewExemplar> {
        self.all.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_and_the_same_one_comes_once() {
        let new = |series: &str, t_ms| NewExemplar {
            series: Labels::from_pairs([("__name__", series)]),
            labels: Labels::default(),
            v: 1.0,
            t_ms,
        };
        let mut ring = Ring::new(2);
        for one in [new("a", 1), new("a", 1), new("b", 1), new("a", 2)] {
            ring.push(&one);
        }
        let times: Vec<_> = ring
            .iter()
            .map(|one| (one.series.to_string(), one.t_ms))
            .collect();
        assert_eq!(times, [("b".to_owned(), 1), ("a".to_owned(), 2)]);
    }
}
