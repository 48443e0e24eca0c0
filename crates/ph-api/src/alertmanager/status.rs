//! `status` and `receivers`.

use super::alerts::value;
use super::error::{Wrong, call};
use super::model::{Cluster, Config, Receiver, StatusBody, VersionInfo, time};
use crate::sources::Shared;
use axum::extract::State;
use axum::response::Response;

/// The version of Alertmanager that this API is like: `amtool` warns of others.
const LIKE: &str = "0.25.0";

/// `GET /api/v2/status`
pub(super) async fn status(State(shared): State<Shared>) -> Result<Response, Wrong> {
    let status = call(&shared, |alertmanager| alertmanager.status()).await?;
    Ok(value(&StatusBody {
        cluster: Cluster {
            status: "disabled",
            peers: Vec::new(),
        },
        config: Config {
            original: status.config,
        },
        uptime: time(status.started_at_ms),
        version_info: VersionInfo {
            branch: String::new(),
            build_date: String::new(),
            build_user: String::new(),
            go_version: String::new(),
            revision: format!("pilothouse {}", status.version),
            version: LIKE.to_owned(),
        },
    }))
}

/// `GET /api/v2/receivers`
pub(super) async fn receivers(State(shared): State<Shared>) -> Result<Response, Wrong> {
    let status = call(&shared, |alertmanager| alertmanager.status()).await?;
    let receivers = status.receivers.into_iter();
    Ok(value(
        &receivers.map(|name| Receiver { name }).collect::<Vec<_>>(),
    ))
}
