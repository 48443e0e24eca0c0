//! The rules that run, and who is asked instead.

use super::News;
use super::outlet::Ways;
use super::remote::Asked;
use super::set::{self, RuleSet};
use arc_swap::ArcSwapOption;
use ph_api::{Elsewhere, Evaluation};
use ph_jobs::{Remote, Rules, TargetError};
use ph_notify::Notifier;
use ph_plan::Plan;
use ph_recorder::{Keeper, Recorder};
use ph_rules::GroupStatus;
use ph_store::series::SeriesReader;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// What rules need of the rest.
pub(crate) struct Parts {
    pub(crate) recorder: Recorder,
    /// Where numbers are read and written; `None` while nothing is kept.
    pub(crate) kept: Option<(SeriesReader, Keeper)>,
    /// Tells people.
    pub(crate) notifier: Notifier,
    /// Told that an alert fires or has ended.
    pub(crate) say: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Evaluates what the plan asks for. The API looks at it, too.
pub(crate) struct Running {
    /// `None` while nothing is kept, and once all is over.
    rules: Mutex<Option<Arc<Rules>>>,
    evaluates: AtomicBool,
    alertmanagers: Mutex<Vec<String>>,
    remote: ArcSwapOption<Asked>,
}

impl Running {
    /// Without a rule; blocks for a moment.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub(crate) fn start(parts: Parts) -> io::Result<Self> {
        let Parts {
            recorder,
            kept,
            notifier,
            say,
        } = parts;
        let news = News::new(recorder.clone(), say);
        let start = |(series, keeper)| {
            let ways = Ways {
                keeper,
                notifier,
                news,
            };
            Rules::start(Arc::new(series), Arc::new(ways))
        };
        let rules = kept.map(start).transpose()?.map(Arc::new);
        if let Some(rules) = &rules {
            recorder.add_source(rules.source());
        }
        Ok(Self {
            rules: Mutex::new(rules),
            evaluates: AtomicBool::new(false),
            alertmanagers: Mutex::default(),
            remote: ArcSwapOption::empty(),
        })
    }

    /// The Prometheus that `plan` wants to be asked.
    ///
    /// # Errors
    /// When it cannot be.
    pub(crate) fn remote_of(plan: &Plan) -> Result<Option<Arc<Asked>>, TargetError> {
        let url = plan.metrics.query.as_ref();
        let remote = url.map(|url| Remote::new(url.as_str())).transpose()?;
        Ok(remote.map(|remote| Arc::new(Asked::new(remote))))
    }

    /// Evaluates the rules of `plan` from now on; returns once it does.
    ///
    /// - `remote`: as [`Running::remote_of`] gave it.
    /// - `admin`: where the admin listener is.
    pub(crate) async fn apply(
        self: &Arc<Self>,
        plan: &Plan,
        set: &RuleSet,
        remote: Option<Arc<Asked>>,
        admin: Option<SocketAddr>,
    ) {
        let (running, plan, set) = (Arc::clone(self), plan.clone(), set.clone());
        let replace = move || running.replace(&plan, &set, remote, external_url(&plan, admin));
        // Lost only when the runtime ends.
        let _done = tokio::task::spawn_blocking(replace).await;
    }

    /// Evaluates the rules of `plan` from now on. Blocks until what is being evaluated is done.
    fn replace(
        &self,
        plan: &Plan,
        set: &RuleSet,
        remote: Option<Arc<Asked>>,
        external_url: String,
    ) {
        self.remote.store(remote);
        let known = plan.notify.alertmanagers.iter();
        let known =
            known.map(|url| format!("{}/api/v2/alerts", url.as_str().trim_end_matches('/')));
        *self
            .alertmanagers
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = known.collect();
        let Some(rules) = self.rules() else {
            return;
        };
        let evaluates = set::evaluates(plan);
        self.evaluates.store(evaluates, Relaxed);
        let groups = if evaluates {
            set.groups().to_vec()
        } else {
            Vec::new()
        };
        rules.replace(groups, &set::settings(plan, external_url));
    }

    /// Ends it, within a moment.
    pub(crate) async fn end(self: &Arc<Self>) {
        let running = Arc::clone(self);
        let _done = tokio::task::spawn_blocking(move || running.stop()).await;
    }

    /// Ends it. Blocks until an expression that is being answered is given up.
    fn stop(&self) {
        let rules = self
            .rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(rules) = rules {
            rules.stop();
        }
    }

    fn rules(&self) -> Option<Arc<Rules>> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.clone()
    }
}

/// Where people reach the admin listener.
fn external_url(plan: &Plan, admin: Option<SocketAddr>) -> String {
    match (&plan.notify.external_url, admin) {
        (Some(url), _) => url.as_str().trim_end_matches('/').to_owned(),
        (None, Some(admin)) => format!("http://{admin}"),
        (None, None) => String::new(),
    }
}

impl Evaluation for Running {
    fn groups(&self) -> Vec<GroupStatus> {
        self.rules().map(|rules| rules.status()).unwrap_or_default()
    }

    fn evaluates_here(&self) -> bool {
        self.evaluates.load(Relaxed)
    }

    fn alertmanagers(&self) -> Vec<String> {
        let known = self.alertmanagers.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remote(&self) -> Option<Arc<dyn Elsewhere>> {
        self.remote
            .load_full()
            .map(|asked| asked as Arc<dyn Elsewhere>)
    }
}
