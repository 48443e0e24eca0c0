//! What a scrape of a target brings.

use crate::exposition::{self, Bounds, Page, ParseError};
use crate::fetch::{FetchError, Fetched};
use crate::target::Target;
use ph_promql::Labels;
use ph_store::series::{NewExemplar, NewMetadata, NewSample, Scrape};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A scrape with all that it brought.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedScrape {
    /// Which target, the same text each time.
    pub target: Arc<str>,
    /// When, Unix milliseconds.
    pub t_ms: i64,
    /// Its samples. None at all: the target is gone.
    pub samples: Vec<NewSample>,
    /// Its exemplars.
    pub exemplars: Vec<NewExemplar>,
    /// What its metrics are.
    pub metadata: Vec<NewMetadata>,
}

impl OwnedScrape {
    /// As the store takes it.
    pub fn as_scrape(&self) -> Scrape<'_> {
        Scrape {
            t_ms: self.t_ms,
            target: &self.target,
            samples: &self.samples,
            exemplars: &self.exemplars,
            metadata: &self.metadata,
        }
    }

    /// Heap bytes, about: for a queue that is bounded in bytes.
    pub fn bytes(&self) -> usize {
        self.samples.len() * 400 + self.exemplars.len() * 600 + self.metadata.len() * 200 + 200
    }
}

/// Why a target is down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScrapeError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Parse(#[from] ParseError),
}

/// What a target is, for its scrapes.
pub(crate) struct Frame {
    key: Arc<str>,
    /// Labels that every series gets.
    own: BTreeMap<Arc<str>, Arc<str>>,
    samples_max: usize,
}

/// A scrape with what there is to say about it.
pub(crate) struct Scraping {
    pub(crate) scrape: OwnedScrape,
    pub(crate) samples: usize,
    pub(crate) error: Option<ScrapeError>,
}

impl Frame {
    pub(crate) fn new(target: &Target, instance: &str) -> Self {
        let mut own: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
        own.insert("job".into(), target.job.as_str().into());
        own.insert("instance".into(), instance.into());
        for (name, value) in &target.labels {
            own.insert(name.as_str().into(), value.as_str().into());
        }
        Self {
            key: target.key().into(),
            own,
            samples_max: target.samples_max,
        }
    }

    /// The scrape that ends all series of the target.
    pub(crate) fn gone(&self, t_ms: i64) -> OwnedScrape {
        OwnedScrape {
            target: self.key.clone(),
            t_ms,
            samples: Vec::new(),
            exemplars: Vec::new(),
            metadata: Vec::new(),
        }
    }

    pub(crate) fn scrape(
        &self,
        t_ms: i64,
        took: Duration,
        fetched: Result<Fetched, FetchError>,
    ) -> Scraping {
        let page = fetched.map_err(ScrapeError::from).and_then(|fetched| {
            let bounds = Bounds {
                samples_max: self.samples_max,
                ..Bounds::default()
            };
            Ok(exposition::parse(&fetched.body, fetched.format, &bounds)?)
        });
        let (page, error) = match page {
            Ok(page) => (page, None),
            Err(error) => (Page::default(), Some(error)),
        };
        let count = page.samples.len();
        let mut scrape = self.gone(t_ms);
        scrape.samples.reserve(count + 3);
        for sample in page.samples {
            scrape.samples.push(NewSample {
                labels: self.labelled(&sample.labels),
                v: sample.v,
                t_ms: sample.t_ms,
            });
        }
        for exemplar in page.exemplars {
            scrape.exemplars.push(NewExemplar {
                series: self.labelled(&exemplar.series),
                labels: exemplar.labels,
                v: exemplar.v,
                t_ms: exemplar.t_ms.unwrap_or(t_ms),
            });
        }
        scrape.metadata = page.metadata;
        for (name, v) in [
            ("up", f64::from(u8::from(error.is_none()))),
            ("scrape_duration_seconds", took.as_secs_f64()),
            ("scrape_samples_scraped", count as f64),
        ] {
            let labels = self.labelled(&Labels::from_pairs([("__name__", name)]));
            scrape.samples.push(NewSample::from((labels, v)));
        }
        Scraping {
            scrape,
            samples: count,
            error,
        }
    }

    /// With the target's labels; a label of the page that has one of their names gets `exported_` before it.
    fn labelled(&self, labels: &Labels) -> Labels {
        let mut pairs: Vec<(Arc<str>, Arc<str>)> =
            Vec::with_capacity(labels.len() + self.own.len());
        for (name, value) in labels.iter() {
            let mut free: Arc<str> = name.into();
            while self.own.contains_key(&free)
                || *free != *name && labels.get(&free).is_some()
                || pairs.iter().any(|(other, _)| *other == free)
            {
                free = format!("exported_{free}").into();
            }
            pairs.push((free, value.into()));
        }
        for (name, value) in &self.own {
            pairs.push((name.clone(), value.clone()));
        }
        Labels::from_pairs(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use http::StatusCode;

    fn frame() -> Frame {
        let target = Target {
            job: "node".to_owned(),
            url: "http://a:1/".to_owned(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            labels: vec![("site".to_owned(), "x".to_owned())],
            headers: Vec::new(),
            ca_file: None,
            samples_max: 3,
        };
        Frame::new(&target, "a:1")
    }

    fn page(text: &str) -> Result<Fetched, FetchError> {
        Ok(Fetched {
            body: text.as_bytes().to_vec(),
            format: Format::Text,
        })
    }

    fn shown(scraping: &Scraping) -> Vec<String> {
        let samples = scraping.scrape.samples.iter();
        samples
            .map(|one| format!("{} {}", one.labels, one.v))
            .collect()
    }

    #[test]
    fn labels_of_the_target_win_and_reports_are_added() {
        let text = "m{job=\"theirs\",exported_site=\"s\",site=\"t\"} 1\n";
        let scraping = frame().scrape(7, Duration::from_millis(250), page(text));
        let own = r#"instance="a:1", job="node", site="x""#;
        assert_eq!(
            shown(&scraping),
            [
                r#"m{exported_exported_site="t", exported_job="theirs", exported_site="s", instance="a:1", job="node", site="x"} 1"#.to_owned(),
                format!("up{{{own}}} 1"),
                format!("scrape_duration_seconds{{{own}}} 0.25"),
                format!("scrape_samples_scraped{{{own}}} 1"),
            ]
        );
    }

    #[test]
    fn a_target_that_fails_shows_only_that() {
        for (failing, error) in [
            (page("m 1\nm{ 2\n"), "line 2"),
            (page("a 1\nb 1\nc 1\nd 1\n"), "line 4"),
            (Err(FetchError::Status(StatusCode::NOT_FOUND)), "404"),
        ] {
            let scraping = frame().scrape(7, Duration::ZERO, failing);
            assert!(
                scraping
                    .error
                    .as_ref()
                    .is_some_and(|e| e.to_string().contains(error))
            );
            let values: Vec<f64> = scraping.scrape.samples.iter().map(|one| one.v).collect();
            assert_eq!(values, [0.0, 0.0, 0.0]);
        }
    }
}
