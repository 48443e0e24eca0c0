//! Who may call: nobody checks, somebody else does, or Pilothouse checks keys and tokens itself.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::time::Duration;

use ph_base::diagnostic::Problem;
use serde_json::{Value as Json, json};

use crate::checked::{FilePath, ScopeName};
use crate::choices::choice;
use crate::mapping::{MapItem, name};
use crate::node::{Data, Entry, Node};
use crate::plan::{Plan, hours, minutes, secs};
use crate::reader::Reader;
use crate::section::{Block, section};
use crate::text::{Endpoint, Text};
use crate::value::{REFERENCE, Value, anchored, read_choice};

/// Who checks the caller's identity.
#[derive(Clone, Debug, PartialEq)]
pub enum Auth {
    /// Nobody: right for a loopback listener.
    None,
    /// A mesh or proxy in front of Pilothouse.
    External,
    /// Pilothouse itself.
    Checked(Box<AuthChecks>),
}

section! {
    /// Who may call, checked by Pilothouse itself: API keys, tokens of authorization servers, or both.
    pub struct AuthChecks {
        /// Whether the keys of `pilothouse keys` are accepted.
        api_keys: bool = false;
        /// Authorization servers whose tokens (JWT) are accepted, by name.
        issuers: BTreeMap<IssuerName, Issuer> = BTreeMap::new();
        /// Whether a request that shows nothing may pass, as nobody's. One that shows something wrong
        /// never may.
        anonymous: Anonymous = Anonymous::Deny;
        /// Address at which clients reach the data listener, as `https://mcp.example.com`: what tokens
        /// have to be for, and where clients learn how to get one. Without it the loopback
        /// address of the listener.
        resource: Option<Endpoint> = None;
    }
}

section! {
    /// One authorization server whose tokens are accepted.
    pub struct Issuer {
        /// Its address, to the letter what tokens have in `iss`; needed.
        issuer: Option<Endpoint> = None;
        /// What tokens have to be for (`aud`), one of these; none given: the server's own address
        /// below `resource`.
        audience: Vec<Text> = Vec::new();
        /// Where its public keys are; without it, where its metadata say.
        jwks_url: Option<Endpoint> = None;
        /// Algorithms that are accepted. A key is only ever used with those of its own kind.
        algorithms: Vec<JwtAlgorithm> = JwtAlgorithm::ALL.to_vec();
        /// How far clocks may differ.
        leeway: Duration = secs(30), in Duration::ZERO..=minutes(5);
        /// Scopes that a token has to have, all of them.
        required_scopes: Vec<ScopeName> = Vec::new();
        /// The claim that has the groups of whoever the token is of; `.` leads into an object.
        groups_claim: Text = Text::from("groups");
        /// How often its keys are fetched anew. A token with a key that is not known has them fetched
        /// sooner, at most every 30 seconds.
        refresh: Duration = minutes(10), in secs(10)..=hours(24);
        /// PEM file of the certificate authorities trusted for it instead of the system's.
        ca_file: Option<FilePath> = None;
    }
}

impl MapItem for Issuer {}

name!(
    /// The name of an authorization server: the first part of the names of those it vouches for.
    IssuerName,
    "a mapping of authorization servers by name",
    "an authorization server's name: 1 to 64 letters, digits, `_` or `-`",
    r"[A-Za-z0-9_-]{1,64}",
    '_' | '-'
);

choice! {
    /// What becomes of a request that shows nothing.
    pub enum Anonymous {
        /// It is refused.
        Deny = "deny",
        /// It passes, as nobody's.
        Allow = "allow",
    }
}

choice! {
    /// How a token may be signed: public keys only.
    pub enum JwtAlgorithm {
        /// RSA, PKCS #1 v1.5, SHA-256.
        Rs256 = "RS256",
        /// RSA, PKCS #1 v1.5, SHA-384.
        Rs384 = "RS384",
        /// RSA, PKCS #1 v1.5, SHA-512.
        Rs512 = "RS512",
        /// RSA, PSS, SHA-256.
        Ps256 = "PS256",
        /// RSA, PSS, SHA-384.
        Ps384 = "PS384",
        /// RSA, PSS, SHA-512.
        Ps512 = "PS512",
        /// ECDSA, P-256, SHA-256.
        Es256 = "ES256",
        /// ECDSA, P-384, SHA-384.
        Es384 = "ES384",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
}

const WORDS: [&str; 2] = ["none", "external"];

impl Auth {
    /// What is checked, where Pilothouse itself does that.
    #[must_use]
    pub fn checks(&self) -> Option<&AuthChecks> {
        match self {
            Self::Checked(checks) => Some(checks),
            Self::None | Self::External => None,
        }
    }

    /// Whether somebody who shows nothing gets through as far as we know.
    pub(crate) fn lets_anybody_in(&self) -> bool {
        match self {
            Self::None => true,
            Self::External => false,
            Self::Checked(checks) => checks.anonymous == Anonymous::Allow,
        }
    }
}

impl Value for Auth {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        if matches!(node.data, Data::Map(_)) {
            let checks = AuthChecks::read(node, &(), reader)?;
            return Some(Self::Checked(Box::new(checks)));
        }
        read_choice(node, &WORDS, &[false, true], reader).map(|external| {
            if external { Self::External } else { Self::None }
        })
    }

    fn schema(_limits: &()) -> Json {
        let mut checks = AuthChecks::schema(&());
        checks["type"] = "object".into();
        json!({"anyOf": [
            {"enum": WORDS},
            {"type": "string", "pattern": anchored(REFERENCE)},
            checks,
        ]})
    }

    fn block() -> Option<Block> {
        AuthChecks::block()
    }

    fn show(&self) -> Json {
        match self {
            Self::None => WORDS[0].into(),
            Self::External => WORDS[1].into(),
            Self::Checked(checks) => checks.show(),
        }
    }
}

/// Most authorization servers of a plan.
const ISSUERS_MAX: usize = 16;

const UNENCRYPTED: &str = "whoever is on the way could change or read what is sent";

/// Checks that check nothing, and addresses that cannot be trusted.
pub(crate) fn check_auth(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    let Some(block) = root.entry("auth").filter(|_| !reader.has_error()) else {
        return;
    };
    let Some(checks) = plan.auth.checks() else {
        return;
    };
    reader.within(block, |reader| {
        if !checks.api_keys && checks.issuers.is_empty() {
            let hint = Some("`api_keys: true`, or an authorization server".to_owned());
            let fields = &["api_keys", "issuers"];
            reader.report_with(&block.key_at, Problem::MissingField { fields }, hint);
        }
        check_address(block, "resource", checks.resource.as_ref(), reader);
        let Some(issuers) = block.value.entry("issuers") else {
            return;
        };
        if checks.issuers.len() > ISSUERS_MAX {
            let (what, max) = ("authorization servers", ISSUERS_MAX);
            reader.report(&issuers.key_at, Problem::TooLarge { what, max });
        }
        if !plan.listen.ip().is_loopback() && checks.resource.is_none() {
            let fields = &["resource"];
            let hint = "tokens have to be for an address: say at which one clients reach this";
            let problem = Problem::MissingField { fields };
            reader.report_with(&block.key_at, problem, Some(hint.to_owned()));
        }
        reader.within(issuers, |reader| {
            for (name, issuer) in &checks.issuers {
                if let Some(entry) = issuers.value.entry(name.as_str()) {
                    reader.within(entry, |reader| check_issuer(entry, issuer, reader));
                }
            }
        });
    });
}

fn check_issuer(entry: &Entry, issuer: &Issuer, reader: &mut Reader<'_>) {
    let fields: &'static [&'static str] = if issuer.issuer.is_none() {
        &["issuer"]
    } else if issuer.algorithms.is_empty() {
        &["algorithms"]
    } else {
        &[]
    };
    if !fields.is_empty() {
        reader.report(&entry.key_at, Problem::MissingField { fields });
    }
    check_address(entry, "issuer", issuer.issuer.as_ref(), reader);
    check_address(entry, "jwks_url", issuer.jwks_url.as_ref(), reader);
}

/// An address has to be `https`, unless it is of this machine.
fn check_address(block: &Entry, key: &str, address: Option<&Endpoint>, reader: &mut Reader<'_>) {
    let (Some(address), Some(entry)) = (address, block.value.entry(key)) else {
        return;
    };
    reader.within(entry, |reader| {
        if !address.is_tls() && !is_loopback(address.host()) {
            let hint = Some("`https://…`".to_owned());
            let problem = Problem::Unsafe { what: UNENCRYPTED };
            reader.report_with(&entry.value.at, problem, hint);
        } else if key != "jwks_url" && address.uri().query().is_some() {
            let (got, expected) = (
                address.to_string(),
                "an address without `?query`".to_owned(),
            );
            reader.report(&entry.value.at, Problem::BadValue { got, expected });
        }
    });
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
