//! Lines of the text, in either form.

use super::Format;
use super::number::{Number, bound};
use crate::registry::Exemplar;
use ph_record::catalogue::{Kind, Metric};
use std::fmt::Write;

/// The text so far. Writing to a `String` cannot fail, so results are let go.
pub(crate) struct Page {
    text: String,
    format: Format,
}

impl Page {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            text: String::with_capacity(16 * 1024),
            format,
        }
    }

    /// Begins a family; its head is written with the first sample.
    pub(crate) fn family(&mut self, metric: &'static Metric) -> Family<'_> {
        Family {
            page: self,
            metric,
            begun: false,
        }
    }

    /// The whole text.
    pub(crate) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// One family of a [`Page`].
pub(crate) struct Family<'a> {
    page: &'a mut Page,
    metric: &'static Metric,
    begun: bool,
}

impl Family<'_> {
    /// One series; `labels` are the values of the metric's labels, in its order.
    pub(crate) fn sample(&mut self, labels: &[&str], value: impl Into<Number>) {
        self.begin();
        self.series("", labels, None);
        let _ = writeln!(self.page.text, "{}", value.into());
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
        self.begin();
        let mut count = 0;
        for (i, bucket) in buckets.iter().enumerate() {
            count += bucket;
            let le = self
                .metric
                .buckets
                .get(i)
                .map_or_else(|| "+Inf".to_owned(), |b| bound(*b));
            self.series("_bucket", labels, Some(&le));
            let _ = write!(self.page.text, "{count}");
            if let (Format::OpenMetrics, Some(Some(exemplar))) =
                (self.page.format, exemplars.get(i))
            {
                self.exemplar(exemplar);
            }
            self.page.text.push('\n');
        }
        self.series("_sum", labels, None);
        let _ = writeln!(self.page.text, "{sum}");
        self.series("_count", labels, None);
        let _ = writeln!(self.page.text, "{count}");
    }

    fn begin(&mut self) {
        if self.begun {
            return;
        }
        self.begun = true;
        let Metric {
            name, kind, help, ..
        } = *self.metric;
        // OpenMetrics names a family without the suffix that its samples carry.
        let family = match (self.page.format, kind) {
            (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let text = &mut self.page.text;
        let _ = write!(text, "# HELP {family} ");
        for c in help.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '"' if self.page.format == Format::OpenMetrics => text.push_str("\\\""),
                c => text.push(c),
            }
        }
        let _ = write!(text, "\n# TYPE {family} {}\n", kind.as_str());
    }

    /// Name and labels of a sample, and the space before its value.
    fn series(&mut self, suffix: &str, values: &[&str], le: Option<&str>) {
        debug_assert_eq!(
            values.len(),
            self.metric.labels.len(),
            "{}",
            self.metric.name
        );
        let text = &mut self.page.text;
        text.push_str(self.metric.name);
        text.push_str(suffix);
        let labels = self
            .metric
            .labels
            .iter()
            .copied()
            .zip(values.iter().copied());
        let mut before = '{';
        for (name, value) in labels.chain(le.map(|le| ("le", le))) {
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
        text.push(' ');
    }

    fn exemplar(&mut self, e: &Exemplar) {
        let (seconds, ms) = (
            e.at_unix_ns / 1_000_000_000,
            e.at_unix_ns / 1_000_000 % 1000,
        );
        let _ = write!(
            self.page.text,
            " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {seconds}.{ms:03}",
            e.trace_id,
            e.span_id,
            Number::Nanos(e.value_ns),
        );
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
