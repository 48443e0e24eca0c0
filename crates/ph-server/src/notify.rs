//! Whoever tells people of alerts, as the plan wants it and as the API shows it.

use crate::home::Home;
use crate::start_error::StartError;
use ph_api::{Alertmanager, Unavailable};
use ph_notify::{Gone, Notifier, Settings, Start};
use ph_plan::Plan;
use ph_record::{Reading, SampleSource, catalogue};
use ph_recorder::Recorder;
use ph_rules::dispatch::{
    AlertView, GroupView, Posted, SilenceDraft, SilenceError, SilenceView, Status,
};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The notifier that runs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk(Notifier);

impl Desk {
    /// Goes on where the last process ended.
    pub(crate) async fn start(
        plan: &Plan,
        home: &Home,
        recorder: &Recorder,
        admin: Option<SocketAddr>,
        version: &str,
        complain: &Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Result<Self, StartError> {
        let start = Start {
            settings: settings(plan, admin)?,
            state_file: home.state(),
            version: version.to_owned(),
            complain: Arc::clone(complain),
            runtime: Handle::current(),
        };
        let started = tokio::task::spawn_blocking(move || Notifier::start(start)).await;
        let started = started.map_err(|lost| StartError::Home(std::io::Error::other(lost)))?;
        let desk = Self(started?);
        recorder.add_source(Arc::new(desk.clone()));
        Ok(desk)
    }

    /// Goes on as other settings say; what waits for a receiver that stays is sent.
    pub(crate) async fn apply(&self, settings: Settings) {
        let notifier = self.0.clone();
        // Gone only while everything ends.
        let _done = tokio::task::spawn_blocking(move || notifier.reload(settings)).await;
    }

    /// Whom alerts are handed to.
    pub(crate) fn notifier(&self) -> Notifier {
        self.0.clone()
    }
}

/// What the plan says of who is told.
///
/// - `admin`: where the admin listener is.
pub(crate) fn settings(plan: &Plan, admin: Option<SocketAddr>) -> Result<Settings, StartError> {
    let admin = admin.map(|admin| format!("http://{admin}"));
    Ok(Settings::of(plan, &admin.unwrap_or_default())?)
}

impl SampleSource for Desk {
    fn samples(&self, out: &mut dyn FnMut(&'static catalogue::Metric, &[&str], Reading<'_>)) {
        self.0.samples(out);
    }
}

impl Alertmanager for Desk {
    fn status(&self) -> Result<Status, Unavailable> {
        Ok(self.0.status())
    }

    fn alerts(&self) -> Result<Vec<AlertView>, Unavailable> {
        self.0.alerts().map_err(gone)
    }

    fn groups(&self) -> Result<Vec<GroupView>, Unavailable> {
        self.0.groups().map_err(gone)
    }

    fn post(&self, alerts: Vec<Posted>) -> Result<Vec<String>, Unavailable> {
        self.0.post(alerts).map_err(gone)
    }

    fn silences(&self) -> Result<Vec<SilenceView>, Unavailable> {
        self.0.silences().map_err(gone)
    }

    fn set_silence(&self, draft: SilenceDraft) -> Result<String, SilenceError> {
        self.0.set_silence(draft)
    }

    fn expire_silence(&self, id: &str) -> Result<(), SilenceError> {
        self.0.expire_silence(id)
    }
}

fn gone(gone: Gone) -> Unavailable {
    Unavailable(gone.to_string())
}
