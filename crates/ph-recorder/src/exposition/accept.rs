//! Which text a scraper wants.

/// A text form of `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.0, with exemplars.
    OpenMetrics,
}

impl Format {
    /// The form that an `Accept` header asks for; [`Format::Text`] when it names neither.
    ///
    /// Of equal weights OpenMetrics wins, since it says more.
    pub(crate) fn negotiate(accept: Option<&str>) -> Self {
        let ranges = accept.unwrap_or_default().split(',').filter_map(weighted);
        let best = ranges
            .filter(|(weight, _)| *weight > 0)
            .max_by_key(|(weight, format)| (*weight, *format == Self::OpenMetrics));
        best.map_or(Self::Text, |(_, format)| format)
    }

    /// The `Content-Type` of the answer.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// One media range: its weight in thousandths, and the form it stands for.
fn weighted(range: &str) -> Option<(u32, Format)> {
    let mut parts = range.split(';').map(str::trim);
    let (format, version) = match &*parts.next()?.to_ascii_lowercase() {
        "application/openmetrics-text" => (Format::OpenMetrics, "1.0.0"),
        "text/plain" => (Format::Text, "0.0.4"),
        "text/*" | "*/*" => (Format::Text, ""),
        _ => return None,
    };
    let mut weight = WEIGHT_MAX;
    for (key, value) in parts.filter_map(|p| p.split_once('=')) {
        match &*key.trim().to_ascii_lowercase() {
            "q" => weight = thousandths(value.trim()),
            "version" if value.trim().trim_matches('"') != version => return None,
            _ => {}
        }
    }
    Some((weight, format))
}

const WEIGHT_MAX: u32 = 1000;

/// A quality value; what cannot be read weighs nothing.
fn thousandths(text: &str) -> u32 {
    let q: f64 = text.parse().unwrap_or(0.0);
    (q.clamp(0.0, 1.0) * f64::from(WEIGHT_MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, want: Format) {
        assert_eq!(Format::negotiate(Some(accept)), want, "accept {accept:?}");
    }

    #[test]
    fn scrapers_get_what_they_ask_for() {
        use Format::{OpenMetrics, Text};
        assert_eq!(Format::negotiate(None), Text);
        check("", Text);
        check("*/*", Text);
        check("text/plain", Text);
        check("application/json", Text);
        check("application/openmetrics-text", OpenMetrics);
        check(
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            OpenMetrics,
        );
        check(
            "Application/OpenMetrics-Text;version=\"1.0.0\"",
            OpenMetrics,
        );
        check("application/openmetrics-text;version=0.0.1", Text);
        check("application/openmetrics-text, text/plain", OpenMetrics);
        check("text/plain, application/openmetrics-text;q=0.9", Text);
        check("application/openmetrics-text;q=0, */*", Text);
        check("application/openmetrics-text;q=zero, */*;q=0.001", Text);
        // Prometheus 2.42 and 3.5, as they ask.
        check(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OpenMetrics,
        );
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OpenMetrics,
        );
    }
}
