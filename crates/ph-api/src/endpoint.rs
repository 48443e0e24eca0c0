//! What an endpoint is: one value, of which both the route and its description are made.

use crate::sources::Shared;
use axum::routing::MethodRouter;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// One path and what it takes and gives.
pub(crate) struct Endpoint {
    /// As axum and OpenAPI both write it: `/a/{name}`.
    pub(crate) path: &'static str,
    pub(crate) methods: Methods,
    /// One sentence.
    pub(crate) summary: &'static str,
    pub(crate) params: &'static [Param],
    pub(crate) answer: Answer,
    pub(crate) route: MethodRouter<Shared>,
}

/// Which methods an endpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Methods {
    Get,
    /// Reading, with the parameters in the address or in a form.
    GetOrForm,
    /// Records that come in.
    Post,
    /// Reading, and JSON that comes in: [`Answer::Exchange`].
    GetOrPost,
    /// Reading, and taking away.
    GetOrDelete,
}

/// A parameter in the address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) about: &'static str,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    RequiredText,
    /// May be given more than once.
    Texts,
    /// Part of the path.
    InPath,
    Number {
        default: u64,
        max: u64,
    },
    OneOf(&'static [&'static str]),
}

/// What an endpoint gives when all is well.
pub(crate) enum Answer {
    /// JSON of this form.
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// JSON of three forms: what is read, what is posted, and what is answered to that.
    Exchange([fn(&mut SchemaGenerator) -> Schema; 3]),
    /// Prometheus's envelope; its data is described in Prometheus's own documentation.
    Prometheus,
    /// Another media type.
    Other(&'static str),
}

impl Answer {
    pub(crate) fn json<T: JsonSchema>() -> Self {
        Self::Json(|generator| generator.subschema_for::<T>())
    }

    pub(crate) fn exchange<Read: JsonSchema, Posted: JsonSchema, Made: JsonSchema>() -> Self {
        Self::Exchange([
            |generator| generator.subschema_for::<Read>(),
            |generator| generator.subschema_for::<Posted>(),
            |generator| generator.subschema_for::<Made>(),
        ])
    }
}

impl Param {
    pub(crate) const fn text(name: &'static str, about: &'static str) -> Self {
        Self::of(name, Kind::Text, about)
    }

    pub(crate) const fn of(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, about }
    }
}
