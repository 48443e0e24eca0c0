//! Another Prometheus that the plan names (`metrics.query`).

use bytes::Bytes;
use ph_api::{Asking, Elsewhere};
use ph_jobs::Remote;

/// Asks it for the API.
pub(crate) struct Asked(pub(crate) Remote);

impl Elsewhere for Asked {
    fn url(&self) -> String {
        self.0.url().to_owned()
    }

    fn ask(&self, target: String, form: Bytes) -> Asking {
        let remote = self.0.clone();
        Box::pin(async move {
            let answer = remote.forward(&target, form).await;
            answer.map_err(|error| with_causes(&error))
        })
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
