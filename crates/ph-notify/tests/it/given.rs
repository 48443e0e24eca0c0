//! A notifier, and somebody who listens.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use ph_notify::{Notifier, Settings, Start};
use ph_plan::Plan;
use ph_promql::Labels;
use ph_rules::Alert;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// One request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn key(&self) -> &str {
        self.headers["idempotency-key"].to_str().unwrap()
    }
}

/// Somebody who listens, and answers with what is put in: 200 when nothing is.
pub(crate) struct Catcher {
    pub(crate) url: String,
    got: mpsc::Receiver<Got>,
    answers: Arc<Mutex<Vec<u16>>>,
}

type Shared = (mpsc::Sender<Got>, Arc<Mutex<Vec<u16>>>);

impl Catcher {
    pub(crate) async fn start() -> Self {
        let (sender, got) = mpsc::channel(10_000);
        let answers = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new()
            .fallback(catch)
            .with_state((sender, Arc::clone(&answers)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, got, answers }
    }

    /// The next answers, in this order.
    pub(crate) fn answer(&self, statuses: &[u16]) {
        let mut answers = self.answers.lock().unwrap();
        answers.extend(statuses.iter().rev());
    }

    pub(crate) async fn next(&mut self) -> Got {
        let next = tokio::time::timeout(Duration::from_secs(20), self.got.recv());
        next.await.expect("nothing came").unwrap()
    }

    /// Everything that has come by now.
    pub(crate) fn rest(&mut self) -> Vec<Got> {
        let mut all = Vec::new();
        while let Ok(got) = self.got.try_recv() {
            all.push(got);
        }
        all
    }
}

async fn catch(
    State((sender, answers)): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let status = answers.lock().unwrap().pop().unwrap_or(200);
    let got = Got {
        method,
        path: uri.path_and_query().unwrap().to_string(),
        headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let _ = sender.try_send(got);
    StatusCode::from_u16(status).unwrap()
}

/// A notifier with its directory.
pub(crate) struct Given {
    pub(crate) notifier: Notifier,
    pub(crate) said: Arc<Mutex<Vec<String>>>,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) fn settings(yaml: &str) -> Settings {
    let text = format!("servers:\n  one:\n    url: http://127.0.0.1:1/mcp\nnotify:\n{yaml}");
    let loaded = Plan::from_yaml(&text, &ph_plan::NoSecrets);
    let (plan, _) = loaded.unwrap();
    Settings::of(&plan, "http://127.0.0.1:3001").unwrap()
}

pub(crate) async fn start(yaml: &str) -> Given {
    start_in(tempfile::tempdir().unwrap(), yaml).await
}

pub(crate) fn state_file(dir: &Path) -> PathBuf {
    dir.join("state.db")
}

pub(crate) async fn start_in(dir: tempfile::TempDir, yaml: &str) -> Given {
    let said = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&said);
    let start = Start {
        settings: settings(yaml),
        state_file: state_file(dir.path()),
        version: "9.9.9".to_owned(),
        complain: Arc::new(move |line: &str| lines.lock().unwrap().push(line.to_owned())),
        runtime: tokio::runtime::Handle::current(),
    };
    let notifier = tokio::task::spawn_blocking(move || Notifier::start(start).unwrap());
    Given {
        notifier: notifier.await.unwrap(),
        said,
        dir,
    }
}

impl Given {
    /// Runs something that blocks.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        job: impl FnOnce(Notifier) -> T + Send + 'static,
    ) -> T {
        let notifier = self.notifier.clone();
        tokio::task::spawn_blocking(move || job(notifier))
            .await
            .unwrap()
    }

    /// What a metric reads.
    pub(crate) fn reads(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let mut found = None;
        let mut look = |metric: &'static ph_record::catalogue::Metric,
                        values: &[&str],
                        reading: ph_record::Reading<'_>| {
            if metric.name == name
                && values == labels
                && let ph_record::Reading::Value(value) = reading
            {
                found = Some(value);
            }
        };
        ph_record::SampleSource::samples(&self.notifier, &mut look);
        found
    }
}

pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// An alert that has been firing for a minute.
pub(crate) fn firing(name: &str, more: &[(&str, &str)]) -> Alert {
    let labels = [("alertname", name)]
        .into_iter()
        .chain(more.iter().copied());
    Alert {
        labels: Labels::from_pairs(labels),
        annotations: Labels::from_pairs([("summary", "it <burns> & smokes")]),
        starts_at_ms: now_ms() - 60_000,
        ends_at_ms: now_ms() + 240_000,
        resolved: false,
        generator_url: "http://h/graph?g0.expr=up".to_owned(),
    }
}

pub(crate) fn resolved(mut alert: Alert) -> Alert {
    alert.ends_at_ms = now_ms();
    alert.resolved = true;
    alert
}
