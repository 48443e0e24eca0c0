//! Where results of rules go: the store, whoever notifies, the log.

use super::News;
use ph_jobs::Outlet;
use ph_notify::Notifier;
use ph_promql::Labels;
use ph_recorder::{Keeper, Scraped};
use ph_rules::Alert;
use ph_store::series::NewSample;

pub(crate) struct Ways {
    pub(crate) keeper: Keeper,
    pub(crate) notifier: Notifier,
    pub(crate) news: News,
}

impl Outlet for Ways {
    fn samples(&self, group: &str, at_ms: i64, samples: Vec<(Labels, f64)>) -> bool {
        // With times of their own: a series ends where its rule says so, and not where a rule that failed is silent.
        let sample = |(labels, v)| NewSample {
            labels,
            v,
            t_ms: Some(at_ms),
        };
        self.keeper.offer_scrape(Scraped {
            t_ms: at_ms,
            target: format!("rules/{group}"),
            samples: samples.into_iter().map(sample).collect(),
            exemplars: Vec::new(),
            metadata: Vec::new(),
        })
    }

    fn alerts(&self, alerts: Vec<Alert>) {
        // What there is no room for is counted there, and said again with the next resend.
        let _taken = self.notifier.offer(alerts);
    }

    fn changed(&self, alert: &Alert) {
        self.news.changed(alert);
    }

    fn evaluated(&self) {
        self.notifier.evaluated();
    }
}
