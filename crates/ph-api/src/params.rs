//! Parameters of a request: of its query and, for a form, of its body.

use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};

/// Longest form, in bytes.
pub(crate) const FORM_BYTES_MAX: usize = 1024 * 1024;
/// Most parameters that are looked at.
const PARAMS_MAX: usize = 1000;

/// Names and values in their order; those of the body first, as in Go's forms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads pairs of a query or a form.
    pub(crate) fn parse(body: &[u8], query: &str) -> Self {
        let pairs = form_urlencoded::parse(body)
            .chain(form_urlencoded::parse(query.as_bytes()))
            .take(PARAMS_MAX)
            .map(|(name, value)| (name.into_owned(), value.into_owned()));
        Self(pairs.collect())
    }

    /// The first value of `name`, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// Every value of `name`.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The names that were given.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// A form that cannot be read.
pub(crate) type FormError = (StatusCode, &'static str);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = FormError;

    async fn from_request(request: Request, _: &S) -> Result<Self, FormError> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        if request.method() != Method::POST {
            return Ok(Self::parse(&[], &query));
        }
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or("");
        let is_form = kind
            .trim()
            .get(..33)
            .is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
        if !is_form && !kind.is_empty() {
            return Err((
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a POST takes application/x-www-form-urlencoded",
            ));
        }
        let body = Limited::new(request.into_body(), FORM_BYTES_MAX);
        let body = body.collect().await.map_err(|_| {
            (
                StatusCode::PAYLOAD_TOO_LARGE,
                "the form is longer than 1 MiB, or was cut",
            )
        })?;
        Ok(Self::parse(&body.to_bytes(), &query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_before_query_and_names_may_repeat() {
        let params = Params::parse(b"a=1&match%5B%5D=x", "a=2&match[]=y+z&empty=");
        assert_eq!(params.get("a"), Some("1"));
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["x", "y z"]);
        assert_eq!(params.get("empty"), None);
        assert_eq!(params.get("b"), None);
        assert_eq!(params.names().count(), 5);
    }
}
