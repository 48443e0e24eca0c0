//! `live`: what changes, as it changes, for whoever shows it. One stream for a whole console.
//!
//! Servers come whole, because they are small; of alerts and numbers it is said that there are others, and who
//! wants them asks; events of the log come as they are. A stream begins with all that there is, so whoever comes
//! again has missed nothing but events.

use super::follow::{Events, QUIET_MAX, place};
use super::request;
use super::servers::ServerList;
use crate::clock;
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use ph_rules::dispatch::SilenceState;
use ph_rules::group::AlertState;
use ph_store::Filter;
use ph_store::logs::{LogReader, Seq};
use serde::Serialize;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is said that there may be new numbers, in looks.
const NUMBERS_EVERY: u32 = 10;
/// How often servers are told although only their ages are others, in looks.
const AGES_EVERY: u32 = 20;
/// Looks that wait for a slow client; then looking waits, and what was in between is left out.
const LOOKS_MAX: usize = 2;
/// Events and bytes of them that are told at once; the rest comes with the next look.
const EVENTS_MAX: usize = 100;
const EVENT_BYTES_MAX: usize = 256 * 1024;

/// Events that are told. A server that does not answer fails its checks every few seconds; `servers` says so once.
const WANTED: &str = "kind=event event!=health";

/// How many alerts there are.
#[derive(Serialize)]
struct Alerts {
    firing: usize,
    pending: usize,
}

/// That there are other silences.
#[derive(Serialize)]
struct Silences {
    active: usize,
}

/// That there may be new numbers.
#[derive(Serialize)]
struct Numbers {
    at_ms: i64,
}

/// `GET /api/pilothouse/live`
pub(crate) async fn live(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, &[])?;
    let permit = place(&shared)?;
    let (looks, body) = mpsc::channel(LOOKS_MAX);
    let mut watcher = Watcher::of(&shared).await?;
    tokio::spawn(async move {
        let _permit = permit;
        watcher.run(&looks).await;
    });
    let body = Body::new(Events(body));
    Ok(reply::typed(StatusCode::OK, "text/event-stream", body))
}

struct Watcher {
    shared: Shared,
    /// The servers as they were told.
    servers: Vec<u8>,
    /// What alerts there were.
    alerts: Option<u64>,
    /// What silences there were.
    silences: Option<u64>,
    events: Option<(LogReader, Arc<Filter>, Seq)>,
    looks: u32,
}

impl Watcher {
    async fn of(shared: &Shared) -> Result<Self, ApiError> {
        let mut events = None;
        if let Some(reader) = shared.sources.logs.clone() {
            let filter = Arc::new(request::filter(WANTED)?);
            let last = request::search(shared, |reader, _| reader.stats())
                .await?
                .seqs;
            events = Some((reader, filter, last.map_or(Seq(0), |(_, last)| last.next())));
        }
        Ok(Self {
            shared: Arc::clone(shared),
            servers: Vec::new(),
            alerts: None,
            silences: None,
            events,
            looks: 0,
        })
    }

    /// Until the client leaves, or Pilothouse stops.
    async fn run(&mut self, looks: &mpsc::Sender<Bytes>) {
        let end = self.shared.sources.end.clone();
        let mut quiet = Duration::ZERO;
        loop {
            let mut seen = self.look().await;
            if seen.is_empty() && quiet >= QUIET_MAX {
                seen.extend_from_slice(b":\n\n");
            }
            if seen.is_empty() {
                quiet += LOOK_EVERY;
            } else {
                quiet = Duration::ZERO;
                let sent = tokio::select! {
                    sent = looks.send(seen.into()) => sent.is_ok(),
                    () = end.cancelled() => false,
                };
                if !sent {
                    return;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = looks.closed() => return,
                () = end.cancelled() => return,
            }
        }
    }

    /// What is other than it was told, as events.
    async fn look(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.servers(&mut out);
        self.alerts(&mut out).await;
        self.silences(&mut out).await;
        self.events(&mut out).await;
        if self.looks.is_multiple_of(NUMBERS_EVERY) && self.shared.sources.numbers.is_some() {
            let at_ms = clock::unix_ms();
            write(&mut out, "numbers", &Numbers { at_ms });
        }
        self.looks = self.looks.wrapping_add(1);
        out
    }

    fn servers(&mut self, out: &mut Vec<u8>) {
        let Some(known) = &self.shared.sources.servers else {
            return;
        };
        let servers = known.servers();
        let mut bare = servers.clone();
        // That everybody grows older is no news.
        let replicas = bare.iter_mut().flat_map(|server| &mut server.replicas);
        replicas.for_each(|replica| replica.age_seconds = None);
        let mut now = Vec::new();
        write(&mut now, "servers", &ServerList { servers: bare });
        if now != self.servers || self.looks.is_multiple_of(AGES_EVERY) {
            write(out, "servers", &ServerList { servers });
        }
        self.servers = now;
    }

    async fn alerts(&mut self, out: &mut Vec<u8>) {
        let Some(known) = self.shared.sources.evaluation.clone() else {
            return;
        };
        // A group may be being evaluated just now.
        let Ok(groups) = tokio::task::spawn_blocking(move || known.groups()).await else {
            return;
        };
        let mut alerts = Alerts {
            firing: 0,
            pending: 0,
        };
        let mut hasher = DefaultHasher::new();
        let rules = groups.iter().flat_map(|group| &group.rules);
        for (rule, alerting) in rules.filter_map(|rule| Some((rule, rule.alerting.as_ref()?))) {
            for alert in &alerting.alerts {
                let is_firing = alert.state == AlertState::Firing;
                alerts.firing += usize::from(is_firing);
                alerts.pending += usize::from(!is_firing);
                (&rule.name, is_firing).hash(&mut hasher);
                alert.labels.iter().for_each(|pair| pair.hash(&mut hasher));
            }
        }
        let now = Some(hasher.finish());
        if now != self.alerts {
            self.alerts = now;
            write(out, "alerts", &alerts);
        }
    }

    async fn silences(&mut self, out: &mut Vec<u8>) {
        let Some(known) = self.shared.sources.alertmanager.clone() else {
            return;
        };
        let Ok(Ok(silences)) = tokio::task::spawn_blocking(move || known.silences()).await else {
            return;
        };
        let mut active = 0;
        let mut hasher = DefaultHasher::new();
        for silence in &silences {
            active += usize::from(silence.state == SilenceState::Active);
            (&silence.id, silence.state.as_str(), silence.updated_at_ms).hash(&mut hasher);
        }
        let now = Some(hasher.finish());
        if now != self.silences {
            self.silences = now;
            write(out, "silences", &Silences { active });
        }
    }

    async fn events(&mut self, out: &mut Vec<u8>) {
        let Some((reader, filter, from)) = &mut self.events else {
            return;
        };
        let (read, wanted, first) = (reader.clone(), Arc::clone(filter), *from);
        let batch = tokio::task::spawn_blocking(move || {
            read.follow(first, &wanted, EVENTS_MAX, EVENT_BYTES_MAX)
        });
        // A file system that fails is told by the metrics; here it is nothing new.
        let Ok(Ok(batch)) = batch.await else {
            return;
        };
        *from = batch.next;
        for hit in &batch.entries {
            out.extend_from_slice(b"event: event\ndata: ");
            out.extend_from_slice(&hit.json);
            out.extend_from_slice(b"\n\n");
        }
    }
}

/// One event; JSON has no line ends.
fn write(out: &mut Vec<u8>, name: &str, data: &impl Serialize) {
    out.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
    // Our own types of texts and numbers always are JSON.
    if serde_json::to_writer(&mut *out, data).is_err() {
        out.extend_from_slice(b"null");
    }
    out.extend_from_slice(b"\n\n");
}
