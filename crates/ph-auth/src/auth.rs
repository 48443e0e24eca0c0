//! What runs now: the keys, and the rules of the plan.

use crate::issuer_keys::{IssuerKeys, KeysHandle, Source};
use crate::keyring::Keyring;
use crate::resources::Resources;
use crate::verified::{Place, VerifiedTokens};
use arc_swap::ArcSwapOption;
use core::net::SocketAddr;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use ph_plan::{Anonymous, AuthChecks, Plan};
use ph_policy::{
    Challenge, Presented, Principal, Resource, Token, TokenRules, Verified, presented,
};
use ph_record::catalogue::{self, Metric};
use ph_record::{AuthFailure, Reading, SampleSource};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The other header that an API key may stand in.
const API_KEY: &str = "x-api-key";

/// Who requests are from.
pub struct Auth {
    keyring: Arc<Keyring>,
    /// `None`: nothing is checked here.
    rules: ArcSwapOption<Rules>,
    complain: Arc<dyn Fn(&str) + Send + Sync>,
}

/// What one plan asks for.
struct Rules {
    api_keys: bool,
    anonymous: bool,
    issuers: Vec<TokenIssuer>,
    resources: Resources,
}

/// An authorization server: what its tokens have to be like, and its keys.
struct TokenIssuer {
    name: String,
    rules: TokenRules,
    /// Instead of the address of the server that is asked for.
    audiences: Vec<String>,
    handle: Arc<KeysHandle>,
    verified: VerifiedTokens,
}

/// Whom a request asks.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The name of the server.
    pub server: &'a str,
    /// The path: `/mcp` or `/NAME/mcp`.
    pub path: &'a str,
    /// `Host`, which was checked to be one of ours.
    pub host: Option<&'a str>,
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
    ///
    /// - `complain`: told when keys of authorization servers cannot be fetched.
    pub fn new(keyring: Arc<Keyring>, complain: Arc<dyn Fn(&str) + Send + Sync>) -> Self {
        Self {
            keyring,
            rules: ArcSwapOption::empty(),
            complain,
        }
    }

    /// Does as `plan` says from now on. Must be called within a tokio runtime, on which keys are fetched.
    ///
    /// - `address`: of the data listener.
    pub fn apply(&self, plan: &Plan, address: SocketAddr) {
        let old = self.rules.load_full();
        let checks = plan.auth.checks();
        let rules =
            checks.map(|checks| Arc::new(self.rules_of(checks, plan, address, old.as_ref())));
        self.rules.store(rules);
    }

    fn rules_of(
        &self,
        checks: &AuthChecks,
        plan: &Plan,
        address: SocketAddr,
        old: Option<&Arc<Rules>>,
    ) -> Rules {
        let issuers = checks.issuers.iter().filter_map(|(name, issuer)| {
            let rules = TokenRules::new(name, issuer)?;
            let source = Source::new(rules.issuer(), issuer);
            // Keys that are there stay.
            let kept = old.into_iter().flat_map(|old| &old.issuers);
            let kept = kept
                .map(|old| &old.handle)
                .find(|h| h.keys.source == source);
            let handle = match kept {
                Some(handle) => Arc::clone(handle),
                None => IssuerKeys::start(source, Arc::clone(&self.complain)),
            };
            let audiences = issuer.audience.iter().map(|a| a.as_str().to_owned());
            Some(TokenIssuer {
                name: name.as_str().to_owned(),
                rules,
                audiences: audiences.collect(),
                handle,
                verified: VerifiedTokens::default(),
            })
        });
        let issuers: Vec<_> = issuers.collect();
        let resources = Resources::new(checks, plan, address, issuers.iter().map(|i| &i.rules));
        Rules {
            api_keys: checks.api_keys,
            anonymous: checks.anonymous == Anonymous::Allow,
            issuers,
            resources,
        }
    }

    /// The API keys.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Whether anything is checked.
    pub fn is_on(&self) -> bool {
        self.rules.load().is_some()
    }

    /// Who a request is from; `None`: nobody's, and let through.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        asked: Asked<'_>,
        now_unix_s: u64,
    ) -> Result<Option<Arc<Principal>>, Denied> {
        let Some(rules) = self.rules.load_full() else {
            return Ok(None);
        };
        let shown = match shown(headers) {
            Ok(Presented::Nothing) if rules.anonymous => Ok(None),
            Ok(Presented::Nothing) => Err(AuthFailure::Missing),
            Ok(Presented::Key(text)) if rules.api_keys => {
                self.keyring.check(text, now_unix_s).map(Some)
            }
            Ok(Presented::Key(_)) => Err(AuthFailure::UnknownKey),
            Ok(Presented::Token(text)) => rules.of_token(text, asked, now_unix_s).await.map(Some),
            Err(failure) => Err(failure),
        };
        shown.map_err(|failure| rules.denied(failure, asked))
    }

    /// The metadata of a server as a protected resource, of RFC 9728; `None` where no token is accepted.
    pub fn metadata(&self, asked: Asked<'_>) -> Option<String> {
        let rules = self.rules.load_full()?;
        let resource = rules.resource(asked)?;
        Some(resource.metadata(asked.server))
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
    /// The principal of a token.
    async fn of_token(
        &self,
        text: &str,
        asked: Asked<'_>,
        now_unix_s: u64,
    ) -> Result<Arc<Principal>, AuthFailure> {
        let place = Place::of(text);
        let (issuer, verified) = match self.known(&place) {
            Some(known) => known,
            None => self.verify(text, &place, now_unix_s).await?,
        };
        let audiences = match &issuer.audiences[..] {
            [] => self.resources.audiences(asked.server),
            given => given,
        };
        verified.admits(audiences, now_unix_s)?;
        Ok(Arc::clone(&verified.principal))
    }

    /// A token that was verified before, to the letter. It is not taken apart again: that costs more than
    /// all else that is done for it.
    fn known(&self, place: &Place) -> Option<(&TokenIssuer, Arc<Verified>)> {
        let mut issuers = self.issuers.iter();
        issuers.find_map(|issuer| Some((issuer, issuer.known(place)?)))
    }

    async fn verify(
        &self,
        text: &str,
        place: &Place,
        now_unix_s: u64,
    ) -> Result<(&TokenIssuer, Arc<Verified>), AuthFailure> {
        let token = Token::read(text)?;
        let mut issuers = self.issuers.iter();
        let issuer = issuers.find(|issuer| Some(issuer.rules.issuer()) == token.issuer());
        let issuer = issuer.ok_or(AuthFailure::Issuer)?;
        let mut verified = issuer.verify(&token, place, now_unix_s);
        let may_be_newer = [AuthFailure::UnknownKid, AuthFailure::KeysUnavailable];
        if verified.as_ref().is_err_and(|f| may_be_newer.contains(f)) {
            issuer.handle.keys.look_again().await;
            verified = issuer.verify(&token, place, now_unix_s);
        }
        Ok((issuer, verified?))
    }

    /// What an authorization server could give tokens for.
    fn resource(&self, asked: Asked<'_>) -> Option<Resource> {
        (!self.issuers.is_empty()).then(|| self.resources.of(asked))
    }

    fn denied(&self, failure: AuthFailure, asked: Asked<'_>) -> Denied {
        let resource = self.resource(asked);
        let challenge = Challenge {
            failure,
            resource: resource.as_ref(),
        };
        Denied {
            failure,
            challenge: challenge.header(),
        }
    }
}

impl TokenIssuer {
    /// A token that was verified with the keys of now.
    fn known(&self, place: &Place) -> Option<Arc<Verified>> {
        let kept = self.handle.keys.now()?;
        self.verified.find(place, kept.generation)
    }

    fn verify(
        &self,
        token: &Token<'_>,
        place: &Place,
        now_unix_s: u64,
    ) -> Result<Arc<Verified>, AuthFailure> {
        let kept = self.handle.keys.now().ok_or(AuthFailure::KeysUnavailable)?;
        let verified = Arc::new(self.rules.verify(token, &kept.set, now_unix_s)?);
        self.verified
            .put(place, kept.generation, &verified, now_unix_s);
        Ok(verified)
    }
}

fn shown(headers: &HeaderMap) -> Result<Presented<'_>, AuthFailure> {
    let texts = |name: &str| {
        headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().ok())
    };
    presented(texts(AUTHORIZATION.as_str()), texts(API_KEY))
}

impl SampleSource for Auth {
    fn samples(&self, out: &mut dyn FnMut(&'static Metric, &[&str], Reading<'_>)) {
        let Some(rules) = self.rules.load_full() else {
            return;
        };
        for issuer in &rules.issuers {
            let keys = &issuer.handle.keys;
            let counts = [("ok", &keys.fetched), ("failed", &keys.failed)];
            for (result, count) in counts {
                let count = Reading::Value(count.load(Relaxed) as f64);
                out(&catalogue::JWKS_FETCHES, &[&issuer.name, result], count);
            }
        }
    }
}
