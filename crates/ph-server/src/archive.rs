//! A data directory without its daemon: the same API, over files that nobody writes.

use crate::objectives::Held;
use crate::rules::Running;
use axum::Router;
use axum::body::Body;
use http::header::HOST;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use ph_api::{Admission, Attempt, Caller, NotAdmitted, Sources, SpanMetrics};
use ph_jobs::TargetError;
use ph_plan::Plan;
use ph_policy::{HeadRules, Role};
use ph_store::RealDisk;
use ph_store::logs::{LogReader, StoreError};
use ph_store::series::{SeriesError, SeriesReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The records of a data directory, to be read only. Nothing in it is changed, and a daemon may start meanwhile.
pub struct Archive {
    router: Router,
}

/// Why nothing can be read there.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Nothing was ever kept there.
    #[error("`{}` holds no records", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// The records cannot be read.
    #[error(transparent)]
    Records(#[from] StoreError),
    /// The Prometheus of `metrics.query` cannot be asked.
    #[error(transparent)]
    Remote(#[from] TargetError),
    /// The samples of metrics cannot be read.
    #[error(transparent)]
    Samples(#[from] SeriesError),
}

/// An answer is no longer than what the API gives.
const ANSWER_BYTES_MAX: usize = 80 << 20;

impl Archive {
    /// Opens the records in a data directory; within a tokio runtime.
    ///
    /// - `version`: of the binary.
    /// - `plan`: says which service level objectives there are, and who is asked about them instead.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(data_dir: &Path, version: &str, plan: &Plan) -> Result<Self, ArchiveError> {
        let store = data_dir.join("store");
        if !store.is_dir() {
            return Err(ArchiveError::Missing {
                path: data_dir.to_owned(),
            });
        }
        // One of the two may never have been written.
        let (logs, series) = (store.join("logs"), store.join("series"));
        let logs = logs
            .is_dir()
            .then(|| LogReader::open_read_only(Arc::new(RealDisk), &logs))
            .transpose()?;
        let series = series
            .is_dir()
            .then(|| SeriesReader::open_read_only(&RealDisk, &series))
            .transpose()?;
        let remote = Running::remote_of(plan)?;
        let sources = Sources {
            numbers: series.map(|(series, _)| Arc::new(series) as Arc<_>),
            logs: logs.map(|(logs, _)| logs),
            alertmanager: None,
            sinks: None,
            intake: None,
            spans: Arc::new(SpanMetrics::default()),
            objectives: Arc::new(Held::new(plan, remote)),
            tools: None,
            keys: None,
            blocks: None,
            servers: None,
            cases: None,
            configurations: None,
            evaluation: None,
            redactor: ph_record::Redactor::default(),
            admission: Arc::new(WhoeverReadsTheFiles),
            version: version.to_owned(),
            end: CancellationToken::new(),
        };
        Ok(Self {
            router: ph_api::router(sources, Router::new()),
        })
    }

    /// Answers a GET as the admin listener would: status and body.
    ///
    /// - `target`: path and query.
    pub async fn get(&self, target: &str) -> (u16, Vec<u8>) {
        let answered = match Request::get(target).body(Body::empty()) {
            Ok(request) => self.answer(request).await,
            Err(error) => Err(error.to_string()),
        };
        answered.unwrap_or_else(|error| {
            let status = StatusCode::BAD_REQUEST.as_u16();
            (status, format!("{{\"error\":{error:?}}}").into_bytes())
        })
    }

    async fn answer(&self, mut request: Request<Body>) -> Result<(u16, Vec<u8>), String> {
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("localhost"));
        let service = TowerToHyperService::new(self.router.clone());
        let response: Response<Body> = service
            .call(request)
            .await
            .unwrap_or_else(|never| match never {});
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(|e| e.to_string())?;
        Ok((status, body.to_bytes().to_vec()))
    }
}
/// Whoever can read the files may; there is nothing to change.
struct WhoeverReadsTheFiles;

impl Admission for WhoeverReadsTheFiles {
    fn head_rules(&self) -> Arc<HeadRules> {
        Arc::new(HeadRules::loopback())
    }

    fn caller(&self, _headers: &http::HeaderMap) -> Result<Caller, &'static str> {
        Ok(Caller {
            name: "files".into(),
            role: Some(Role::Viewer),
        })
    }

    fn refused(&self, _why: NotAdmitted) {}

    fn write(&self, _attempt: &Attempt) -> std::io::Result<()> {
        Err(std::io::Error::other("no daemon runs here"))
    }
}
