//! Another Prometheus that the plan names (`metrics.query`).

use bytes::Bytes;
use ph_api::{Asking, Elsewhere};
use ph_jobs::{Remote, RemoteSeries};
use ph_promql::SeriesSource;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Asks it for the API.
pub(crate) struct Asked {
    remote: Remote,
    runtime: Handle,
}

impl Asked {
    /// Within a tokio runtime, which carries the connections.
    pub(crate) fn new(remote: Remote) -> Self {
        Self {
            remote,
            runtime: Handle::current(),
        }
    }
}

impl Elsewhere for Asked {
    fn url(&self) -> String {
        self.remote.url().to_owned()
    }

    fn ask(&self, target: String, form: Bytes) -> Asking {
        let remote = self.remote.clone();
        Box::pin(async move {
            let answer = remote.forward(&target, form).await;
            answer.map_err(|error| with_causes(&error))
        })
    }

    fn series(&self) -> Arc<dyn SeriesSource + Send + Sync> {
        Arc::new(RemoteSeries::new(self.remote.clone(), self.runtime.clone()))
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
