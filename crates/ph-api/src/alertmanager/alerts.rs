//! `alerts` and `alerts/groups`.

use super::error::{Wrong, body, call};
use super::model::{Alert, Group, PostedAlert, read_time};
use crate::params::Params;
use crate::reply;
use crate::sources::Shared;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use ph_promql::{Labels, MatchOp, Matcher};
use ph_rules::dispatch::{AlertView, Posted, parse_matcher};

/// Most alerts of one request.
const ALERTS_MAX: usize = 10_000;

/// Which alerts are shown.
struct Wanted {
    active: bool,
    silenced: bool,
    inhibited: bool,
    matchers: Vec<Matcher>,
    receiver: Option<Matcher>,
}

impl Wanted {
    fn read(params: &Params) -> Result<Self, Wrong> {
        let yes = |name| match params.get(name) {
            None | Some("true" | "1" | "t") => Ok(true),
            Some("false" | "0" | "f") => Ok(false),
            Some(_) => Err(Wrong::bad_request(format!("`{name}` is `true` or `false`"))),
        };
        let receiver = params.get("receiver").map(|pattern| {
            Matcher::new("receiver", MatchOp::Re, pattern).map_err(|error| {
                Wrong::bad_request(format!("failed to parse receiver param: {error}"))
            })
        });
        Ok(Self {
            active: yes("active")?,
            silenced: yes("silenced")?,
            inhibited: yes("inhibited")?,
            matchers: filters(params)?,
            receiver: receiver.transpose()?,
        })
    }

    fn has_receiver(&self, name: &str) -> bool {
        self.receiver
            .as_ref()
            .is_none_or(|pattern| pattern.matches(name))
    }

    fn shows(&self, alert: &AlertView) -> bool {
        (self.active || alert.is_suppressed())
            && (self.silenced || alert.silenced_by.is_empty())
            && (self.inhibited || alert.inhibited_by.is_empty())
            && self
                .matchers
                .iter()
                .all(|matcher| holds(matcher, &alert.labels))
    }
}

/// The matchers of `filter`.
pub(super) fn filters(params: &Params) -> Result<Vec<Matcher>, Wrong> {
    params
        .all("filter")
        .map(|text| parse_matcher(text).map_err(|error| Wrong::bad_request(error.to_string())))
        .collect()
}

/// With an empty value a matcher asks whether the label is there at all.
fn holds(matcher: &Matcher, labels: &Labels) -> bool {
    let value = labels.get(matcher.name());
    let is_negative = matches!(matcher.op(), MatchOp::Ne | MatchOp::Nre);
    if matcher.value().is_empty() && value.is_some() == is_negative {
        return true;
    }
    matcher.matches(value.unwrap_or_default())
}

/// `GET /api/v2/alerts`
pub(super) async fn list(State(shared): State<Shared>, params: Params) -> Result<Response, Wrong> {
    let wanted = Wanted::read(&params)?;
    let alerts = call(&shared, |alertmanager| alertmanager.alerts()).await?;
    let shown = alerts.into_iter().filter(|alert| {
        alert.receivers.iter().any(|name| wanted.has_receiver(name)) && wanted.shows(alert)
    });
    Ok(value(&shown.map(Alert::from).collect::<Vec<_>>()))
}

/// `GET /api/v2/alerts/groups`
pub(super) async fn groups(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, Wrong> {
    let wanted = Wanted::read(&params)?;
    let groups = call(&shared, |alertmanager| alertmanager.groups()).await?;
    let shown = groups.into_iter().filter_map(|mut group| {
        group.alerts.retain(|alert| wanted.shows(alert));
        (wanted.has_receiver(&group.receiver) && !group.alerts.is_empty()).then_some(group)
    });
    Ok(value(&shown.map(Group::from).collect::<Vec<_>>()))
}

/// `POST /api/v2/alerts`: takes those that are alerts, and says what is wrong with the others.
pub(super) async fn post(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Wrong> {
    let posted: Vec<PostedAlert> = body(request).await?;
    if posted.len() > ALERTS_MAX {
        return Err(Wrong::bad_request(format!(
            "a request has at most {ALERTS_MAX} alerts"
        )));
    }
    let posted = posted
        .into_iter()
        .map(read)
        .collect::<Result<Vec<_>, _>>()?;
    let wrong = call(&shared, move |alertmanager| alertmanager.post(posted)).await?;
    if wrong.is_empty() {
        return Ok(StatusCode::OK.into_response());
    }
    Err(Wrong::bad_request(wrong.join("; ")))
}

fn read(posted: PostedAlert) -> Result<Posted, Wrong> {
    let time = |text: Option<String>| match text {
        None => Ok(None),
        Some(text) => read_time(&text).map_err(Wrong::bad_request),
    };
    Ok(Posted {
        labels: posted.labels.into_iter().collect(),
        annotations: posted.annotations.into_iter().collect(),
        starts_at_ms: time(posted.starts_at)?,
        ends_at_ms: time(posted.ends_at)?,
        generator_url: posted.generator_url,
    })
}

/// Bodies of texts and times are always JSON.
pub(super) fn value(body: &impl serde::Serialize) -> Response {
    reply::json(StatusCode::OK, serde_json::to_vec(body).unwrap_or_default())
}
