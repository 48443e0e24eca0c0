//! `silences` and `silence/{id}`.

use super::alerts::{filters, value};
use super::error::{Wrong, body, call};
use super::model::{PostedSilence, Silence, SilenceId, read_time};
use crate::params::Params;
use crate::sources::Shared;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use ph_promql::Matcher;
use ph_rules::dispatch::{MatcherRow, SilenceDraft, SilenceError, SilenceView};

/// `GET /api/v2/silences`
pub(super) async fn list(State(shared): State<Shared>, params: Params) -> Result<Response, Wrong> {
    let matchers = filters(&params)?;
    let silences = call(&shared, |alertmanager| alertmanager.silences()).await?;
    let shown = silences
        .into_iter()
        .filter(|silence| has_all(silence, &matchers));
    Ok(value(&shown.map(Silence::from).collect::<Vec<_>>()))
}

/// Whether each of `matchers` is one of the silence's own.
fn has_all(silence: &SilenceView, matchers: &[Matcher]) -> bool {
    let mut wanted = matchers.iter().map(MatcherRow::from);
    wanted.all(|matcher| silence.matchers.contains(&matcher))
}

/// `GET /api/v2/silence/{id}`
pub(super) async fn one(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Wrong> {
    let silences = call(&shared, |alertmanager| alertmanager.silences()).await?;
    let found = silences.into_iter().find(|silence| silence.id == id);
    let found = found.ok_or(SilenceError::NotFound)?;
    Ok(value(&Silence::from(found)))
}

/// `POST /api/v2/silences`
pub(super) async fn set(State(shared): State<Shared>, request: Request) -> Result<Response, Wrong> {
    let posted: PostedSilence = body(request).await?;
    let time = |name: &str, text: &str| {
        let time = read_time(text).map_err(Wrong::bad_request)?;
        time.ok_or_else(|| Wrong::bad_request(format!("silence invalid: `{name}` is missing")))
    };
    let draft = SilenceDraft {
        starts_at_ms: time("startsAt", &posted.starts_at)?,
        ends_at_ms: time("endsAt", &posted.ends_at)?,
        id: posted.id.filter(|id| !id.is_empty()),
        matchers: posted.matchers.into_iter().map(MatcherRow::from).collect(),
        created_by: posted.created_by,
        comment: posted.comment,
    };
    let silence_id = call(&shared, move |alertmanager| alertmanager.set_silence(draft)).await?;
    Ok(value(&SilenceId { silence_id }))
}

/// `DELETE /api/v2/silence/{id}`: that it is over already is no failure.
pub(super) async fn expire(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Wrong> {
    call(&shared, move |alertmanager| {
        match alertmanager.expire_silence(&id) {
            Err(SilenceError::Expired(_)) => Ok(()),
            ended => ended,
        }
    })
    .await?;
    Ok(StatusCode::OK.into_response())
}
