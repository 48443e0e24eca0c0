//! A scrape, series by series, and its lines as text in either form.

use super::Format;
use super::number::{Number, bound};
use crate::registry::Exemplar;
use ph_record::catalogue::{Kind, Metric};
use std::fmt::Write;

/// Takes what a scrape shows, series by series.
pub(crate) trait Output {
    /// A family begins; called before its first series, and not for a family without any.
    fn family(&mut self, metric: &'static Metric);
    /// One series of the family.
    fn sample(&mut self, series: &Series<'_>, value: Number, exemplar: Option<&Exemplar>);
}

/// What a sample is of.
pub(crate) struct Series<'a> {
    /// Its family.
    pub(crate) metric: &'static Metric,
    /// What a histogram's series carries after the name: `_bucket`, `_sum`, `_count`.
    pub(crate) suffix: &'static str,
    /// Values of the metric's labels, in its order.
    pub(crate) values: &'a [&'a str],
    /// Upper bound of a bucket.
    pub(crate) le: Option<&'a str>,
}

impl Series<'_> {
    /// Labels and their values; `le` last.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        debug_assert_eq!(
            self.values.len(),
            self.metric.labels.len(),
            "{}",
            self.metric.name
        );
        let named = self.metric.labels.iter().copied();
        named
            .zip(self.values.iter().copied())
            .chain(self.le.map(|le| ("le", le)))
    }
}

/// One scrape on its way to an [`Output`].
pub(crate) struct Page<'o>(pub(crate) &'o mut dyn Output);

impl Page<'_> {
    /// Begins a family; its head is given with the first sample.
    pub(crate) fn family(&mut self, metric: &'static Metric) -> Family<'_> {
        Family {
            out: self.0,
            metric,
            begun: false,
        }
    }
}

/// One family of a [`Page`].
pub(crate) struct Family<'a> {
    out: &'a mut dyn Output,
    metric: &'static Metric,
    begun: bool,
}

impl Family<'_> {
    /// One series; `labels` are the values of the metric's labels, in its order.
    pub(crate) fn sample(&mut self, labels: &[&str], value: impl Into<Number>) {
        self.give("", labels, None, value.into(), None);
    }

    /// One histogram: cumulative buckets, sum, count.
    ///
    /// - `buckets`: not cumulative, `+Inf` last.
    /// - `exemplars`: by bucket, shown where the form knows them; may be empty.
    pub(crate) fn histogram(
        &mut self,
        labels: &[&str],
        buckets: &[u64],
        sum: Number,
        exemplars: &[Option<Exemplar>],
    ) {
        let mut count = 0;
        for (i, bucket) in buckets.iter().enumerate() {
            count += bucket;
            let le = self
                .metric
                .buckets
                .get(i)
                .map_or_else(|| "+Inf".to_owned(), |b| bound(*b));
            let exemplar = exemplars.get(i).and_then(Option::as_ref);
            self.give("_bucket", labels, Some(&le), count.into(), exemplar);
        }
        self.give("_sum", labels, None, sum, None);
        self.give("_count", labels, None, count.into(), None);
    }

    fn give(
        &mut self,
        suffix: &'static str,
        values: &[&str],
        le: Option<&str>,
        value: Number,
        exemplar: Option<&Exemplar>,
    ) {
        if !std::mem::replace(&mut self.begun, true) {
            self.out.family(self.metric);
        }
        let series = Series {
            metric: self.metric,
            suffix,
            values,
            le,
        };
        self.out.sample(&series, value, exemplar);
    }
}

/// The text so far. Writing to a `String` cannot fail, so results are let go.
pub(crate) struct Text {
    text: String,
    format: Format,
}

impl Text {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            text: String::with_capacity(16 * 1024),
            format,
        }
    }

    /// The whole text.
    pub(crate) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn exemplar(&mut self, e: &Exemplar) {
        let (seconds, ms) = (
            e.at_unix_ns / 1_000_000_000,
            e.at_unix_ns / 1_000_000 % 1000,
        );
        let _ = write!(
            self.text,
            " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {seconds}.{ms:03}",
            e.trace_id,
            e.span_id,
            Number::Nanos(e.value_ns),
        );
    }
}

impl Output for Text {
    fn family(&mut self, metric: &'static Metric) {
        let Metric {
            name, kind, help, ..
        } = *metric;
        // OpenMetrics names a family without the suffix that its samples carry.
        let family = match (self.format, kind) {
            (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let text = &mut self.text;
        let _ = write!(text, "# HELP {family} ");
        for c in help.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '"' if self.format == Format::OpenMetrics => text.push_str("\\\""),
                c => text.push(c),
            }
        }
        let _ = write!(text, "\n# TYPE {family} {}\n", kind.as_str());
    }

    fn sample(&mut self, series: &Series<'_>, value: Number, exemplar: Option<&Exemplar>) {
        let text = &mut self.text;
        text.push_str(series.metric.name);
        text.push_str(series.suffix);
        let mut before = '{';
        for (name, value) in series.labels() {
            text.push(before);
            text.push_str(name);
            text.push_str("=\"");
            label_value(text, value);
            text.push('"');
            before = ',';
        }
        if before == ',' {
            text.push('}');
        }
        let _ = write!(text, " {value}");
        if let (Format::OpenMetrics, Some(exemplar)) = (self.format, exemplar) {
            self.exemplar(exemplar);
        }
        self.text.push('\n');
    }
}

fn label_value(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}
