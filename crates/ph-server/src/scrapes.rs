//! Further Prometheus targets, scraped into the store.

use ph_jobs::{OwnedScrape, Scraped, Scraper, Target};
use ph_plan::{JobName, Plan, Scrape};
use ph_promql::Labels;
use ph_record::Redactor;
use ph_recorder::{Keeper, Recorder};
use std::borrow::Cow;
use std::sync::Arc;

/// Scrapes what the plan lists, if anything is kept.
pub(crate) struct Scrapes {
    scraper: Scraper,
    complain: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Scrapes {
    /// Begins with the targets of `plan`; `None` when nothing is kept. Within a tokio runtime.
    pub(crate) fn start(
        plan: &Plan,
        recorder: &Recorder,
        complain: &Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Option<Self> {
        let offers = Offers {
            keeper: recorder.keeper()?,
            redactor: recorder.redactor(),
        };
        let mut scrapes = Self {
            scraper: Scraper::new(Arc::new(offers)),
            complain: Arc::clone(complain),
        };
        scrapes.replace(plan);
        Some(scrapes)
    }

    /// Scrapes the targets of `plan` from now on; those it scraped already go on.
    pub(crate) fn replace(&mut self, plan: &Plan) {
        let targets = plan.scrape.iter().flat_map(targets).collect();
        for (target, error) in self.scraper.replace(targets) {
            let (job, url) = (target.job, target.url);
            (self.complain)(&format!("`{url}` of job `{job}` is not scraped: {error}"));
        }
    }

    /// Ends every scrape; its series end in the store.
    pub(crate) async fn stop(self) {
        self.scraper.stop().await;
    }
}

fn targets((job, scrape): (&JobName, &Scrape)) -> Vec<Target> {
    let target = |url: &ph_plan::Endpoint| Target {
        job: job.as_str().to_owned(),
        url: url.as_str().to_owned(),
        interval: scrape.interval,
        timeout: scrape.timeout,
        labels: scrape
            .labels
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()))
            .collect(),
        headers: scrape
            .headers
            .iter()
            // A value that no header can have is refused when the plan is read.
            .filter_map(|(name, value)| {
                let value = http::HeaderValue::from_str(value.expose()).ok()?;
                Some((name.header_name().clone(), value))
            })
            .collect(),
        ca_file: scrape
            .ca_file
            .as_ref()
            .map(|path| path.as_path().to_owned()),
        samples_max: crate::settings::count(scrape.samples_max),
    };
    scrape.urls.iter().map(target).collect()
}

/// The way of a scrape into the store.
struct Offers {
    keeper: Keeper,
    redactor: Redactor,
}

impl Offers {
    /// Takes secrets out of what labels say.
    fn clean(&self, labels: &mut Labels) {
        let clean = |value: &str| match self.redactor.text(value) {
            Cow::Owned(clean) => Some(clean),
            Cow::Borrowed(_) => None,
        };
        if labels.iter().any(|(_, value)| clean(value).is_some()) {
            let pairs = labels
                .iter()
                .map(|(name, value)| (name, self.redactor.text(value)));
            *labels = Labels::from_pairs(pairs);
        }
    }
}

impl Scraped for Offers {
    fn offer(&self, mut scrape: OwnedScrape) -> bool {
        for sample in &mut scrape.samples {
            self.clean(&mut sample.labels);
        }
        for exemplar in &mut scrape.exemplars {
            self.clean(&mut exemplar.series);
            self.clean(&mut exemplar.labels);
        }
        for metadata in &mut scrape.metadata {
            if let Cow::Owned(help) = self.redactor.text(&metadata.help) {
                metadata.help = help.into();
            }
        }
        self.keeper.offer_scrape(ph_recorder::Scraped {
            t_ms: scrape.t_ms,
            target: scrape.target.as_ref().to_owned(),
            samples: scrape.samples,
            exemplars: scrape.exemplars,
            metadata: scrape.metadata,
        })
    }
}
