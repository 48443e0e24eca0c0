//! Whether a token holds, and whom it shows.

use super::json::Json;
use super::keyset::KeySet;
use super::token::Token;
use crate::{Principal, Proof};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ph_plan::{Issuer, IssuerName, JwtAlgorithm};
use ph_record::AuthFailure;
use ring::digest;
use std::sync::Arc;

/// What tokens of one authorization server have to be like.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// The first part of the names of its principals.
    name: String,
    issuer: String,
    algorithms: Vec<JwtAlgorithm>,
    leeway_s: f64,
    required_scopes: Vec<String>,
    groups_claim: String,
}

/// A token that holds, but for its audience and its end, which are asked for again with every call.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Whom it shows.
    pub principal: Arc<Principal>,
    audiences: Vec<String>,
    /// The last moment at which it is good, leeway included, in Unix seconds.
    until_unix_s: f64,
    has_scopes: bool,
}

impl TokenRules {
    /// Those of an authorization server of a plan; `None` without an `issuer`, which no plan that was
    /// checked has.
    pub fn new(name: &IssuerName, plan: &Issuer) -> Option<Self> {
        let scopes = plan.required_scopes.iter();
        Some(Self {
            name: name.as_str().to_owned(),
            issuer: plan.issuer.as_ref()?.as_str().to_owned(),
            algorithms: plan.algorithms.clone(),
            leeway_s: plan.leeway.as_secs_f64(),
            required_scopes: scopes.map(|s| s.as_str().to_owned()).collect(),
            groups_claim: plan.groups_claim.as_str().to_owned(),
        })
    }

    /// The `issuer` that its tokens have, to the letter.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The scopes that its tokens have to have.
    pub fn required_scopes(&self) -> &[String] {
        &self.required_scopes
    }

    /// Whether `token` holds at `now_unix_s`. The signature comes before everything that is believed.
    ///
    /// # Errors
    /// Why it does not.
    pub fn verify(
        &self,
        token: &Token<'_>,
        keys: &KeySet,
        now_unix_s: u64,
    ) -> Result<Verified, AuthFailure> {
        if token.issuer() != Some(&self.issuer) {
            return Err(AuthFailure::Issuer);
        }
        if !self.algorithms.contains(&token.algorithm) {
            return Err(AuthFailure::Algorithm);
        }
        keys.verify(token)?;
        let claims = &token.claims;
        let now = now_unix_s as f64;
        let until = time(claims, "exp")?.ok_or(AuthFailure::Claims)? + self.leeway_s;
        if now >= until {
            return Err(AuthFailure::Expired);
        }
        for claim in ["nbf", "iat"] {
            if time(claims, claim)?.is_some_and(|from| now + self.leeway_s < from) {
                return Err(AuthFailure::NotYetValid);
            }
        }
        let scopes = scopes(claims)?;
        let has = |wanted: &String| scopes.iter().any(|scope| **scope == **wanted);
        Ok(Verified {
            has_scopes: self.required_scopes.iter().all(has),
            audiences: texts(claims.get("aud").ok_or(AuthFailure::Claims)?)?,
            until_unix_s: until,
            principal: Arc::new(Principal {
                name: self.principal_name(claims)?.into(),
                proof: Proof::Token,
                groups: groups(claims, &self.groups_claim)?,
                scopes,
                role: None,
            }),
        })
    }

    /// `corp:alice`. What no log line could show, or is too long, is a digest; and so is what looks like one.
    fn principal_name(&self, claims: &Json) -> Result<String, AuthFailure> {
        let subject = claims.get("sub").and_then(Json::text);
        let subject = subject
            .filter(|s| !s.is_empty())
            .ok_or(AuthFailure::Claims)?;
        let fits = self.name.len() + 1 + subject.len() <= Principal::NAME_BYTES_MAX
            && subject.bytes().all(|b| b.is_ascii_graphic())
            && !subject.starts_with(DIGEST);
        if fits {
            return Ok(format!("{}:{subject}", self.name));
        }
        let digest = digest::digest(&digest::SHA256, subject.as_bytes());
        let digest = URL_SAFE_NO_PAD.encode(digest);
        Ok(format!("{}:{DIGEST}{digest}", self.name))
    }
}

const DIGEST: &str = "sha256-";

impl Verified {
    /// Whether it is good at `now_unix_s` for one of `audiences`.
    ///
    /// # Errors
    /// [`AuthFailure::Expired`], [`AuthFailure::Audience`] or [`AuthFailure::Scope`].
    pub fn admits(&self, audiences: &[String], now_unix_s: u64) -> Result<(), AuthFailure> {
        if now_unix_s as f64 >= self.until_unix_s {
            return Err(AuthFailure::Expired);
        }
        if !self.audiences.iter().any(|own| audiences.contains(own)) {
            return Err(AuthFailure::Audience);
        }
        if !self.has_scopes {
            return Err(AuthFailure::Scope);
        }
        Ok(())
    }

    /// Whether it has ended.
    pub fn is_over(&self, now_unix_s: u64) -> bool {
        now_unix_s as f64 >= self.until_unix_s
    }
}

/// A time in Unix seconds, perhaps with a fraction.
fn time(claims: &Json, name: &str) -> Result<Option<f64>, AuthFailure> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let time = value.number().filter(|t| (0.0..1e15).contains(t));
    time.map(Some).ok_or(AuthFailure::Claims)
}

/// One text, or a list of them.
fn texts(value: &Json) -> Result<Vec<String>, AuthFailure> {
    let one = |value: &Json| value.text().map(str::to_owned).ok_or(AuthFailure::Claims);
    match value {
        Json::List(items) => items.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

/// `scope`, else `scp`, which some servers write; a text of words or a list.
fn scopes(claims: &Json) -> Result<Vec<Arc<str>>, AuthFailure> {
    let Some(value) = claims.get("scope").or(claims.get("scp")) else {
        return Ok(Vec::new());
    };
    let all = texts(value)?;
    bounded(all.iter().flat_map(|text| text.split_ascii_whitespace()))
}

/// The groups of a claim, by its name or by a path to it.
fn groups(claims: &Json, claim: &str) -> Result<Vec<Arc<str>>, AuthFailure> {
    let by_path = || claim.split('.').try_fold(claims, |at, name| at.get(name));
    match claims.get(claim).or_else(by_path) {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(value) => bounded(texts(value)?.iter().map(String::as_str)),
    }
}

/// All of them or none: a rule that denies something to a group must not be cut off.
fn bounded<'a>(all: impl Iterator<Item = &'a str>) -> Result<Vec<Arc<str>>, AuthFailure> {
    let mut found: Vec<Arc<str>> = Vec::new();
    for one in all {
        let fits = one.len() <= Principal::NAME_BYTES_MAX && !one.chars().any(char::is_control);
        if !fits || found.len() >= Principal::GROUPS_MAX {
            return Err(AuthFailure::Claims);
        }
        found.push(one.into());
    }
    Ok(found)
}
