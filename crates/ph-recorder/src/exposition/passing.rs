//! A scrape handed on as readings, histograms in one piece.

use super::Number;
use super::page::{Output, Series};
use crate::registry::Exemplar;
use ph_record::Reading;
use ph_record::catalogue::Metric;

/// Takes a scrape and hands it to a closure.
pub(crate) struct Passing<'a> {
    out: &'a mut dyn FnMut(&'static Metric, &[&str], Reading<'_>),
    /// Buckets of the histogram that is being taken, not cumulative.
    buckets: Vec<u64>,
    count: u64,
    sum: f64,
}

impl<'a> Passing<'a> {
    pub(crate) fn new(out: &'a mut dyn FnMut(&'static Metric, &[&str], Reading<'_>)) -> Self {
        Self {
            out,
            buckets: Vec::new(),
            count: 0,
            sum: 0.0,
        }
    }
}

impl Output for Passing<'_> {
    fn family(&mut self, _metric: &'static Metric) {}

    fn sample(&mut self, series: &Series<'_>, value: Number, _exemplar: Option<&Exemplar>) {
        let mut hand = |reading| (self.out)(series.metric, series.values, reading);
        match (series.suffix, value) {
            ("_bucket", Number::Int(count)) => {
                self.buckets.push(count - self.count);
                self.count = count;
            }
            ("_sum", sum) => self.sum = sum.as_f64(),
            ("_count", _) => {
                let (buckets, sum) = (&self.buckets[..], self.sum);
                hand(Reading::Histogram { buckets, sum });
                self.buckets.clear();
                self.count = 0;
            }
            (_, value) => hand(Reading::Value(value.as_f64())),
        }
    }
}
