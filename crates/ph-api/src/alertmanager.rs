//! Alerts and silences as Alertmanager's API v2 has them, so that `amtool` and whatever else speaks to one
//! speaks to us.
//!
//! Errors are a JSON text, as theirs are.

mod alerts;
mod error;
mod model;
mod silences;
mod status;

use crate::endpoint::{Answer, Endpoint, Kind, Methods, Param};
use axum::routing::get;
use ph_rules::dispatch::{
    AlertView, GroupView, Posted, SilenceDraft, SilenceError, SilenceView, Status,
};

/// Whoever holds alerts and silences. Its calls may block: they are made on threads for that.
pub trait Alertmanager: Send + Sync {
    /// Who answers, with what settings.
    ///
    /// # Errors
    /// [`Unavailable`], as of all of these.
    fn status(&self) -> Result<Status, Unavailable>;

    /// Every alert that is not over.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn alerts(&self) -> Result<Vec<AlertView>, Unavailable>;

    /// Every group that has such an alert.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn groups(&self) -> Result<Vec<GroupView>, Unavailable>;

    /// Takes alerts of others: those that are valid. When it returns they are kept; what it gives is what
    /// was wrong with the rest.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn post(&self, alerts: Vec<Posted>) -> Result<Vec<String>, Unavailable>;

    /// Every silence, in the order in which they are shown.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn silences(&self) -> Result<Vec<SilenceView>, Unavailable>;

    /// Sets a silence and gives its id. When it returns it is kept.
    ///
    /// # Errors
    /// [`SilenceError`].
    fn set_silence(&self, draft: SilenceDraft) -> Result<String, SilenceError>;

    /// Ends a silence.
    ///
    /// # Errors
    /// [`SilenceError`].
    fn expire_silence(&self, id: &str) -> Result<(), SilenceError>;
}

/// Nobody answers; why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

const FILTER: Param = Param::of(
    "filter",
    Kind::Texts,
    "A matcher, such as `severity=\"critical\"` or `job=~\"a|b\"`; all have to hold.",
);
const RECEIVER: Param = Param::text(
    "receiver",
    "A regular expression over the receivers' names.",
);
const YES_NO: Kind = Kind::OneOf(&["true", "false"]);
const ALERTS: &[Param] = &[
    Param::of("active", YES_NO, "Show alerts that nothing keeps quiet."),
    Param::of(
        "silenced",
        YES_NO,
        "Show alerts that a silence keeps quiet.",
    ),
    Param::of(
        "inhibited",
        YES_NO,
        "Show alerts that another alert keeps quiet.",
    ),
    Param::of(
        "unprocessed",
        YES_NO,
        "Taken for compatibility: there are no such alerts here.",
    ),
    FILTER,
    RECEIVER,
];

const ID: &[Param] = &[Param::of("id", Kind::InPath, "Its UUID.")];

/// The endpoints of this module.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/api/v2/status",
            methods: Methods::Get,
            summary: "Alertmanager's API: versions, and routes and receivers without secrets.",
            params: &[],
            answer: Answer::json::<model::StatusBody>(),
            route: get(status::status),
        },
        Endpoint {
            path: "/api/v2/receivers",
            methods: Methods::Get,
            summary: "Alertmanager's API: the receivers' names.",
            params: &[],
            answer: Answer::json::<Vec<model::Receiver>>(),
            route: get(status::receivers),
        },
        Endpoint {
            path: "/api/v2/alerts",
            methods: Methods::GetOrPost,
            summary: "Alertmanager's API: the alerts that are not over; POST takes alerts of others.",
            params: ALERTS,
            answer: Answer::exchange::<Vec<model::Alert>, Vec<model::PostedAlert>, ()>(),
            route: get(alerts::list).post(alerts::post),
        },
        Endpoint {
            path: "/api/v2/alerts/groups",
            methods: Methods::Get,
            summary: "Alertmanager's API: alerts by the group in which they are told of.",
            params: ALERTS,
            answer: Answer::json::<Vec<model::Group>>(),
            route: get(alerts::groups),
        },
        Endpoint {
            path: "/api/v2/silences",
            methods: Methods::GetOrPost,
            summary: "Alertmanager's API: silences, expired ones for five days; POST sets or changes one.",
            params: &[FILTER],
            answer: Answer::exchange::<Vec<model::Silence>, model::PostedSilence, model::SilenceId>(
            ),
            route: get(silences::list).post(silences::set),
        },
        Endpoint {
            path: "/api/v2/silence/{id}",
            methods: Methods::GetOrDelete,
            summary: "Alertmanager's API: one silence; DELETE ends it.",
            params: ID,
            answer: Answer::json::<model::Silence>(),
            route: get(silences::one).delete(silences::expire),
        },
    ]
}
