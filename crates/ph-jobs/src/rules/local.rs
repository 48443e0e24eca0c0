//! Expressions answered by the own store.

use super::overlay::Overlay;
use ph_promql::{
    EvalError, Interrupt, Labels, Limits, Query, Select, Series, SeriesSource, SourceError, Value,
};
use ph_rules::{Ask, AskError};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Samples that one expression may hold at once: 160 MB, and far more than a rule should read.
const SAMPLES_MAX: usize = 10_000_000;
/// Samples that are remembered from one rule of a tick to the next.
const REMEMBERED_MAX: usize = 1_000_000;

/// Answers the rules of one group at one tick.
pub(crate) struct Local<'a> {
    view: View<'a>,
    /// How long each expression took, in their order.
    times: Vec<Duration>,
    until: Instant,
    is_over: &'a AtomicBool,
}

/// The store, what was written a moment ago, and what rules of this tick have read already.
struct View<'a> {
    store: &'a dyn SeriesSource,
    overlay: &'a Overlay,
    read: RefCell<HashMap<String, Vec<Series>>>,
    samples: Cell<usize>,
}

impl<'a> Local<'a> {
    /// - `limit`: for one tick of the group.
    /// - `is_over`: set when everything ends; an expression ends soon after.
    pub(crate) fn new(
        store: &'a dyn SeriesSource,
        overlay: &'a Overlay,
        limit: Duration,
        is_over: &'a AtomicBool,
    ) -> Self {
        Self {
            view: View {
                store,
                overlay,
                read: RefCell::default(),
                samples: Cell::new(0),
            },
            times: Vec::new(),
            until: Instant::now() + limit,
            is_over,
        }
    }

    /// How long each expression took since [`Local::forget_times`].
    pub(crate) fn times(&self) -> &[Duration] {
        &self.times
    }

    pub(crate) fn forget_times(&mut self) {
        self.times.clear();
    }

    fn answer(&self, query: &Query, at_ms: i64) -> Result<Vec<(Labels, f64)>, AskError> {
        let check = || {
            if self.is_over.load(Relaxed) {
                Err(Interrupt::Canceled)
            } else if Instant::now() >= self.until {
                Err(Interrupt::Timeout)
            } else {
                Ok(())
            }
        };
        let limits = Limits {
            samples_max: SAMPLES_MAX,
            check: Some(&check),
            ..Limits::default()
        };
        let answer = ph_promql::instant(&self.view, query, at_ms, &limits);
        match answer.map_err(|error| said(&error))?.value {
            Value::Vector(elements) => Ok(elements
                .into_iter()
                .map(|(labels, sample)| (labels, sample.v))
                .collect()),
            Value::Scalar(sample) => Ok(vec![(Labels::default(), sample.v)]),
            Value::String(..) | Value::Matrix(_) => Err(AskError(
                "the expression gives no vector and no number".into(),
            )),
        }
    }
}

impl Ask for Local<'_> {
    fn instant(&mut self, query: &Query, at_ms: i64) -> Result<Vec<(Labels, f64)>, AskError> {
        let begun = Instant::now();
        let answer = self.answer(query, at_ms);
        self.times.push(begun.elapsed());
        answer
    }

    fn written(&mut self, at_ms: i64, samples: &[(Labels, f64)]) {
        self.view.overlay.add(at_ms, samples);
        if !samples.is_empty() {
            self.view.forget(samples);
        }
    }
}

fn said(error: &EvalError) -> AskError {
    AskError(error.to_string())
}

impl SeriesSource for View<'_> {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        let key = key(wish);
        if let Some(series) = self.read.borrow().get(&key) {
            return within(wish, series).map(|()| series.clone());
        }
        let mut series = self.store.select(wish)?;
        self.overlay.lay_over(wish, &mut series);
        let samples: usize = series.iter().map(|one| one.samples.len()).sum();
        if self.samples.get() + samples <= REMEMBERED_MAX {
            self.samples.set(self.samples.get() + samples);
            self.read.borrow_mut().insert(key, series.clone());
        }
        Ok(series)
    }
}

impl View<'_> {
    /// What was read of these metrics is not what there is any more.
    fn forget(&self, written: &[(Labels, f64)]) {
        let mut names: Vec<&str> = written
            .iter()
            .filter_map(|(labels, _)| labels.metric_name())
            .collect();
        names.dedup();
        self.read.borrow_mut().retain(|key, series| {
            let read = key.split('\n').next().unwrap_or_default();
            // A wish that names no metric may be for any.
            let stays = !read.is_empty() && !names.contains(&read);
            if !stays {
                let samples: usize = series.iter().map(|one| one.samples.len()).sum();
                self.samples.set(self.samples.get().saturating_sub(samples));
            }
            stays
        });
    }
}

/// The metric that a wish names, on a line of its own, and all else that its answer depends on.
fn key(wish: &Select<'_>) -> String {
    let mut metric = "";
    let mut rest = String::with_capacity(96);
    for matcher in wish.matchers {
        if matcher.name() == ph_promql::METRIC_NAME && matcher.op() == ph_promql::MatchOp::Eq {
            metric = matcher.value();
        }
        // Lengths, so that no two wishes are written the same way.
        let (name, value) = (matcher.name(), matcher.value());
        let _ = write!(
            rest,
            "{}:{name}{:?}{}:{value}",
            name.len(),
            matcher.op(),
            value.len()
        );
    }
    let (from, to, range) = (wish.from_ms, wish.to_ms, wish.range_ms);
    let _ = write!(
        rest,
        "|{from}|{to}|{range:?}|{:?}|{:?}",
        wish.step_ms, wish.function
    );
    if metric.contains('\n') {
        metric = "";
    }
    format!("{metric}\n{rest}")
}

fn within(wish: &Select<'_>, series: &[Series]) -> Result<(), SourceError> {
    if series.len() > wish.series_max {
        return Err(SourceError::TooManySeries {
            max: wish.series_max,
        });
    }
    let samples: usize = series.iter().map(|one| one.samples.len()).sum();
    if samples > wish.samples_max {
        return Err(SourceError::TooManySamples {
            max: wish.samples_max,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_promql::Sample;

    /// One series `m{a="x"}` with a sample every second, counting its reads.
    #[derive(Default)]
    struct Store(Cell<usize>);

    impl SeriesSource for Store {
        fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
            self.0.set(self.0.get() + 1);
            let labels = Labels::from_pairs([("__name__", "m"), ("a", "x")]);
            let of = |matcher: &ph_promql::Matcher| {
                matcher.matches(labels.get(matcher.name()).unwrap_or_default())
            };
            if !wish.matchers.iter().all(of) {
                return Ok(Vec::new());
            }
            let times = (wish.from_ms / 1000..=wish.to_ms / 1000).map(|s| s * 1000);
            let samples = times.map(|t_ms| Sample { t_ms, v: 1.0 }).collect();
            Ok(vec![Series { labels, samples }])
        }
    }

    fn ask(local: &mut Local<'_>, query: &str) -> Result<Vec<(String, f64)>, AskError> {
        let query = ph_promql::parse(query).unwrap();
        let got = local.instant(&query, 600_000)?;
        Ok(got.iter().map(|(l, v)| (l.to_string(), *v)).collect())
    }

    #[test]
    fn rules_see_what_was_written_before_them_and_read_a_selector_once() {
        let (store, overlay, is_over) =
            (Store::default(), Overlay::default(), AtomicBool::new(false));
        let mut local = Local::new(&store, &overlay, Duration::from_secs(60), &is_over);
        let one = || Ok(vec![("{}".to_owned(), 1.0)]);
        assert_eq!(ask(&mut local, "sum(m)"), one());
        assert_eq!(ask(&mut local, "max(m)"), one());
        assert_eq!(store.0.get(), 1);
        assert_eq!(ask(&mut local, "sum(r)"), Ok(Vec::new()));
        let r = Labels::from_pairs([("__name__", "r")]);
        local.written(600_000, &[(r, 4.0)]);
        assert_eq!(ask(&mut local, "r"), Ok(vec![("r".to_owned(), 4.0)]));
        assert_eq!(ask(&mut local, "sum(m)"), one());
        assert_eq!(store.0.get(), 3);
        assert_eq!(
            ask(&mut local, "time()"),
            Ok(vec![("{}".to_owned(), 600.0)])
        );
    }

    #[test]
    fn what_takes_too_long_or_ends_is_an_error() {
        let (store, overlay, is_over) =
            (Store::default(), Overlay::default(), AtomicBool::new(false));
        let mut local = Local::new(&store, &overlay, Duration::ZERO, &is_over);
        let slow = "sum(count_over_time(m[10d:1s]))";
        assert!(ask(&mut local, slow).unwrap_err().0.contains("timed out"));
        is_over.store(true, Relaxed);
        let mut local = Local::new(&store, &overlay, Duration::from_secs(60), &is_over);
        assert!(ask(&mut local, slow).unwrap_err().0.contains("canceled"));
    }
}
