//! Pages of metrics: the text format 0.0.4 and OpenMetrics 1.0, from bytes to samples. Pure.

mod line;

use line::{Line, Number};
use ph_promql::{Labels, METRIC_NAME};
use ph_store::series::NewMetadata;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's text format 0.0.4: times in milliseconds, no exemplars.
    Text,
    /// OpenMetrics 1.0: times in seconds, exemplars, `# EOF` at the end.
    OpenMetrics,
}

impl Format {
    /// The format that a `Content-Type` names; `None` for one that is no text of metrics.
    pub fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        match kind.to_ascii_lowercase().as_str() {
            "application/openmetrics-text" => Some(Self::OpenMetrics),
            "" | "text/plain" => Some(Self::Text),
            _ => None,
        }
    }
}

/// What is still believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Samples of a page.
    pub samples_max: usize,
    /// Labels of a sample.
    pub labels_max: usize,
    /// Bytes of a name or a value, and of a help text.
    pub text_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            samples_max: 100_000,
            labels_max: 60,
            text_bytes_max: 4096,
        }
    }
}

/// A page that cannot be read, with the first line that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

/// A sample of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageSample {
    /// Its labels, with the metric's name.
    pub labels: Labels,
    /// Its value.
    pub v: f64,
    /// Its own time, Unix milliseconds.
    pub t_ms: Option<i64>,
}

/// An exemplar of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageExemplar {
    /// The labels of its sample.
    pub series: Labels,
    /// Its own labels.
    pub labels: Labels,
    /// Its value.
    pub v: f64,
    /// Its time, Unix milliseconds.
    pub t_ms: Option<i64>,
}

/// What a page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// In their order.
    pub samples: Vec<PageSample>,
    /// In their order.
    pub exemplars: Vec<PageExemplar>,
    /// Of each metric that has any, by name.
    pub metadata: Vec<NewMetadata>,
}

#[derive(Default)]
struct About {
    kind: Option<Arc<str>>,
    help: Option<Arc<str>>,
    unit: Option<Arc<str>>,
}

/// Reads a page.
///
/// # Errors
/// The first line that is not as it should be, or beyond a bound. Then nothing of the page counts.
pub fn parse(body: &[u8], format: Format, bounds: &Bounds) -> Result<Page, ParseError> {
    let mut page = Page::default();
    let mut about: BTreeMap<String, About> = BTreeMap::new();
    let mut is_ended = false;
    let mut number = 0;
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    for bytes in body.split(|byte| *byte == b'\n') {
        number += 1;
        let wrong = |problem: &str| ParseError {
            line: number,
            problem: problem.to_owned(),
        };
        if is_ended {
            return Err(wrong("something follows `# EOF`"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("not UTF-8"))?;
        // Lines of some programs end as on Windows.
        let text = text.strip_suffix('\r').unwrap_or(text);
        let mut line = Line::new(text);
        line.blanks();
        if line.is_empty() {
            if format == Format::OpenMetrics && !body.is_empty() {
                return Err(wrong("an empty line"));
            }
            continue;
        }
        if let Some(comment) = line.rest().strip_prefix('#') {
            is_ended = format == Format::OpenMetrics && comment == " EOF";
            comment_line(comment, format, bounds, &mut about).map_err(|problem| wrong(&problem))?;
            continue;
        }
        if page.samples.len() >= bounds.samples_max {
            return Err(wrong(&format!("more than {} samples", bounds.samples_max)));
        }
        sample_line(&mut line, format, bounds, &mut page).map_err(|problem| wrong(&problem))?;
    }
    if format == Format::OpenMetrics && !is_ended {
        return Err(ParseError {
            line: number,
            problem: "the page ends without `# EOF`: it is not whole".to_owned(),
        });
    }
    page.metadata = about.into_iter().map(metadata_of).collect();
    Ok(page)
}

fn metadata_of((metric, about): (String, About)) -> NewMetadata {
    NewMetadata {
        metric: metric.into(),
        kind: about.kind.unwrap_or_else(|| "unknown".into()),
        help: about.help.unwrap_or_default(),
        unit: about.unit.unwrap_or_default(),
    }
}

/// `HELP`, `TYPE`, `UNIT`; anything else behind a `#` is nobody's business.
fn comment_line(
    comment: &str,
    format: Format,
    bounds: &Bounds,
    about: &mut BTreeMap<String, About>,
) -> Result<(), String> {
    let mut line = Line::new(comment);
    line.blanks();
    let what = line.word();
    if !matches!(what, "HELP" | "TYPE" | "UNIT") || (what == "UNIT" && format == Format::Text) {
        return Ok(());
    }
    line.blanks();
    let name = match line.quoted() {
        Some(name) => name?,
        None => line.word().to_owned(),
    };
    if name.is_empty() {
        return Err(format!("`{what}` without a metric"));
    }
    line.blanks();
    let text = line.rest();
    if name.len().max(text.len()) > bounds.text_bytes_max {
        return Err(format!(
            "`{what}` is longer than {} bytes",
            bounds.text_bytes_max
        ));
    }
    if about.len() >= bounds.samples_max && !about.contains_key(&name) {
        return Err(format!("more than {} metrics", bounds.samples_max));
    }
    let about = about.entry(name).or_default();
    match what {
        "TYPE" => about.kind = Some(kind_of(text.trim_end())?),
        "HELP" => about.help = Some(unescaped(text).into()),
        _ => about.unit = Some(text.trim_end().into()),
    }
    Ok(())
}

fn kind_of(text: &str) -> Result<Arc<str>, String> {
    let kind = match text {
        "untyped" => "unknown",
        "counter" | "gauge" | "histogram" | "gaugehistogram" | "summary" | "info" | "stateset"
        | "unknown" => text,
        other => return Err(format!("`{other}` is no type of a metric")),
    };
    Ok(kind.into())
}

/// Help texts have `\\` and `\n`; OpenMetrics adds `\"`.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match characters.next() {
            Some('n') => out.push('\n'),
            Some(c @ ('\\' | '"')) => out.push(c),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

fn sample_line(
    line: &mut Line<'_>,
    format: Format,
    bounds: &Bounds,
    page: &mut Page,
) -> Result<(), String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let name = line.metric_name();
    if !name.is_empty() {
        pairs.push((METRIC_NAME.to_owned(), name.to_owned()));
    }
    line.blanks();
    line.labels(&mut pairs, true)?;
    let labels = labels_of(pairs, bounds)?;
    if labels.metric_name().is_none() {
        return Err("a sample without a name".to_owned());
    }
    let v = line.value()?;
    let t_ms = line.time(format)?;
    line.blanks();
    if format == Format::OpenMetrics && line.rest().starts_with('#') {
        page.exemplars.push(exemplar(line, &labels, bounds)?);
    }
    line.blanks();
    if !line.is_empty() {
        return Err(format!("`{}` behind the sample", line.shown()));
    }
    page.samples.push(PageSample { labels, v, t_ms });
    Ok(())
}

fn exemplar(line: &mut Line<'_>, series: &Labels, bounds: &Bounds) -> Result<PageExemplar, String> {
    line.take('#')?;
    line.blanks();
    if !line.rest().starts_with('{') {
        return Err("an exemplar without labels".to_owned());
    }
    let mut pairs = Vec::new();
    line.labels(&mut pairs, false)?;
    Ok(PageExemplar {
        series: series.clone(),
        labels: labels_of(pairs, bounds)?,
        v: line.value()?,
        t_ms: line.time(Format::OpenMetrics)?,
    })
}

fn labels_of(pairs: Vec<(String, String)>, bounds: &Bounds) -> Result<Labels, String> {
    if pairs.len() > bounds.labels_max {
        return Err(format!("more than {} labels", bounds.labels_max));
    }
    let longest = pairs
        .iter()
        .map(|(name, value)| name.len().max(value.len()))
        .max();
    if longest.is_some_and(|longest| longest > bounds.text_bytes_max) {
        return Err(format!(
            "a label is longer than {} bytes",
            bounds.text_bytes_max
        ));
    }
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("the label `{}` comes twice", twice[0]));
    }
    Ok(Labels::from_pairs(pairs))
}

impl Number {
    /// A time as a page has it, in Unix milliseconds.
    fn as_time(self, format: Format) -> Result<i64, String> {
        let ms = match (format, self) {
            (Format::Text, Self::Whole(ms)) => ms as f64,
            (Format::OpenMetrics, Self::Whole(seconds)) => seconds as f64 * 1000.0,
            (Format::OpenMetrics, Self::Float(seconds)) => (seconds * 1000.0).round(),
            (Format::Text, Self::Float(_)) => f64::NAN,
        };
        // 10^15 ms is the year 33658.
        if ms.abs() <= 1e15 {
            Ok(ms as i64)
        } else {
            Err("a time that is none".to_owned())
        }
    }
}

#[cfg(test)]
mod tests;
