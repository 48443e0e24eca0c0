//! What runs now: the keys, and the rules of the plan.

use crate::keyring::Keyring;
use arc_swap::ArcSwapOption;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use ph_plan::{Anonymous, AuthChecks, Plan};
use ph_policy::{Challenge, Presented, Principal, presented};
use ph_record::AuthFailure;
use std::sync::Arc;

/// The other header that an API key may stand in.
const API_KEY: &str = "x-api-key";

/// Who requests are from.
pub struct Auth {
    keyring: Arc<Keyring>,
    /// `None`: nothing is checked here.
    rules: ArcSwapOption<Rules>,
}

/// What one plan asks for.
struct Rules {
    api_keys: bool,
    anonymous: bool,
}

/// A request did not show who it is from.
#[derive(Clone, Debug)]
pub struct Denied {
    /// Why.
    pub failure: AuthFailure,
    /// The value of `WWW-Authenticate`.
    pub challenge: Option<String>,
}

impl Auth {
    /// Checks nothing until a plan is applied.
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self {
            keyring,
            rules: ArcSwapOption::empty(),
        }
    }

    /// Does as `plan` says from now on.
    pub fn apply(&self, plan: &Plan) {
        let rules = plan.auth.checks().map(Rules::new);
        self.rules.store(rules.map(Arc::new));
    }

    /// The API keys.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Whether anything is checked.
    pub fn is_on(&self) -> bool {
        self.rules.load().is_some()
    }

    /// Who a request to the MCP endpoint of `server` is from; `None`: nobody's, and let through.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        _server: &str,
        now_unix_s: u64,
    ) -> Result<Option<Arc<Principal>>, Denied> {
        let rules = self.rules.load_full();
        let Some(rules) = rules else {
            return Ok(None);
        };
        let shown = shown(headers).and_then(|shown| match shown {
            Presented::Nothing if rules.anonymous => Ok(None),
            Presented::Nothing => Err(AuthFailure::Missing),
            Presented::Key(text) if rules.api_keys => {
                self.keyring.check(text, now_unix_s).map(Some)
            }
            Presented::Key(_) => Err(AuthFailure::UnknownKey),
            Presented::Token(_) => Err(AuthFailure::Issuer),
        });
        shown.map_err(|failure| Denied {
            failure,
            challenge: Challenge {
                failure,
                resource: None,
            }
            .header(),
        })
    }

    /// Who a request to the admin listener is from, by an API key; `None`: it shows nothing.
    ///
    /// # Errors
    /// Why it shows nobody.
    pub fn of_admin(
        &self,
        headers: &HeaderMap,
        now_unix_s: u64,
    ) -> Result<Option<Arc<Principal>>, AuthFailure> {
        match shown(headers)? {
            Presented::Nothing => Ok(None),
            Presented::Key(text) => self.keyring.check(text, now_unix_s).map(Some),
            Presented::Token(_) => Err(AuthFailure::Issuer),
        }
    }

    /// Takes what shows who a request is from out of its head: it is for us, and goes no further.
    pub fn strip(headers: &mut HeaderMap) {
        headers.remove(AUTHORIZATION);
        headers.remove(API_KEY);
    }
}

impl Rules {
    fn new(checks: &AuthChecks) -> Self {
        Self {
            api_keys: checks.api_keys,
            anonymous: checks.anonymous == Anonymous::Allow,
        }
    }
}

fn shown(headers: &HeaderMap) -> Result<Presented<'_>, AuthFailure> {
    let texts = |name: &str| {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().ok()).collect::<Vec<_>>()
    };
    presented(texts(AUTHORIZATION.as_str()), texts(API_KEY))
}
