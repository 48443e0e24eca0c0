//! Tokens that hold, and every way in which one does not.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ph_plan::{NoSecrets, Plan};
use ph_record::AuthFailure as F;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair,
};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_010;
const RESOURCE: &str = "https://mcp.example.com/files/mcp";
const RSA_N: &str = include_str!("testdata/rsa_n.txt");
const RS256: &str = include_str!("testdata/rs256.txt");
const PS256: &str = include_str!("testdata/ps256.txt");

enum Signer {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    fn p256() -> Self {
        let (alg, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pair = EcdsaKeyPair::generate_pkcs8(alg, &random).unwrap();
        Self::Ecdsa(EcdsaKeyPair::from_pkcs8(alg, pair.as_ref(), &random).unwrap())
    }

    fn p384() -> Self {
        let (alg, random) = (&ECDSA_P384_SHA384_FIXED_SIGNING, SystemRandom::new());
        let pair = EcdsaKeyPair::generate_pkcs8(alg, &random).unwrap();
        Self::Ecdsa(EcdsaKeyPair::from_pkcs8(alg, pair.as_ref(), &random).unwrap())
    }

    fn ed25519() -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap())
    }

    fn public(&self) -> &[u8] {
        match self {
            Self::Ecdsa(pair) => pair.public_key().as_ref(),
            Self::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }

    fn jwk(&self, kid: &str) -> Value {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let public = self.public();
        match public.len() {
            32 => json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(public)}),
            len => {
                let half = (len - 1) / 2;
                let crv = if half == 32 { "P-256" } else { "P-384" };
                let (x, y) = (&public[1..=half], &public[half + 1..]);
                json!({"kty": "EC", "crv": crv, "kid": kid, "x": b64(x), "y": b64(y)})
            }
        }
    }

    fn token(&self, header: &Value, claims: &str) -> String {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!(
            "{}.{}",
            b64(header.to_string().as_bytes()),
            b64(claims.as_bytes())
        );
        let signature = match self {
            Self::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
                b64(signature.as_ref())
            }
            Self::Ed25519(pair) => b64(pair.sign(signed.as_bytes()).as_ref()),
        };
        format!("{signed}.{signature}")
    }
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::read(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

fn rules(more: &str) -> TokenRules {
    let text = format!(
        "auth: {{issuers: {{corp: {{issuer: 'https://login.example.com'{more}}}}}}}\n\
         servers: {{a: {{command: x}}}}\n"
    );
    let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap();
    let issuers = &plan.auth.checks().unwrap().issuers;
    let (name, issuer) = issuers.iter().next().unwrap();
    TokenRules::new(name, issuer).unwrap()
}

/// The same, where `rules` is taken already.
fn with_rules(more: &str) -> TokenRules {
    rules(more)
}

fn claims() -> Value {
    json!({
        "iss": "https://login.example.com", "sub": "alice", "aud": RESOURCE,
        "exp": NOW + 60, "nbf": NOW - 60, "iat": NOW - 60,
    })
}

fn judge(rules: &TokenRules, keys: &KeySet, token: &str, now: u64) -> Result<Verified, F> {
    let token = Token::read(token)?;
    let verified = rules.verify(&token, keys, now)?;
    verified.admits(&[RESOURCE.to_owned()], now)?;
    Ok(verified)
}

#[track_caller]
fn check(rules: &TokenRules, keys: &KeySet, token: &str, want: Result<&str, F>) {
    let got = judge(rules, keys, token, NOW).map(|v| v.principal.name.to_string());
    assert_eq!(got.as_deref().map_err(|f| *f), want, "{token}");
}

#[test]
fn each_algorithm_verifies_with_a_key_of_its_kind() {
    let rules = rules("");
    for (signer, alg) in [
        (Signer::p256(), "ES256"),
        (Signer::p384(), "ES384"),
        (Signer::ed25519(), "EdDSA"),
    ] {
        let keys = set(&[signer.jwk("k1")]);
        let token = signer.token(
            &json!({"alg": alg, "kid": "k1", "typ": "at+jwt"}),
            &claims().to_string(),
        );
        check(&rules, &keys, &token, Ok("corp:alice"));
        let mut changed = token.into_bytes();
        let at = changed.len() - 20;
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        check(&rules, &keys, &changed, Err(F::Signature));
    }
    let rsa = json!({"kty": "RSA", "kid": "rsa-1", "n": RSA_N.trim(), "e": "AQAB", "use": "sig"});
    let keys = set(std::slice::from_ref(&rsa));
    check(&rules, &keys, RS256.trim(), Ok("corp:alice"));
    check(&rules, &keys, PS256.trim(), Ok("corp:alice"));
    let pinned = set(&[
        json!({"kty": "RSA", "kid": "rsa-1", "n": RSA_N.trim(), "e": "AQAB", "alg": "PS256"}),
    ]);
    check(&rules, &pinned, RS256.trim(), Err(F::Algorithm));
    check(&rules, &pinned, PS256.trim(), Ok("corp:alice"));
}

#[test]
fn a_token_cannot_choose_how_it_is_verified() {
    let (rules, signer) = (rules(""), Signer::p256());
    let keys = set(&[signer.jwk("k1"), Signer::ed25519().jwk("k2")]);
    let with = |header: Value| signer.token(&header, &claims().to_string());
    for alg in ["none", "None", "HS256", "HS512", "ES256K", "", "RSA-OAEP"] {
        check(
            &rules,
            &keys,
            &with(json!({"alg": alg, "kid": "k1"})),
            Err(F::Algorithm),
        );
    }
    // The key is of another kind than the algorithm.
    for alg in ["RS256", "PS512", "EdDSA", "ES384"] {
        check(
            &rules,
            &keys,
            &with(json!({"alg": alg, "kid": "k1"})),
            Err(F::Algorithm),
        );
    }
    // Unsigned, in each way of writing that.
    let good = with(json!({"alg": "ES256", "kid": "k1"}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    check(&rules, &keys, &format!("{signed}."), Err(F::Signature));
    check(&rules, &keys, signed, Err(F::Malformed));
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let (_, payload) = signed.split_once('.').unwrap();
    check(
        &rules,
        &keys,
        &format!("{none}.{payload}."),
        Err(F::Algorithm),
    );
    // A secret that is the public key, as a confused verifier would take it.
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"k1"}"#);
    let message = format!("{header}.{payload}");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, signer.public());
    let forged = ring::hmac::sign(&key, message.as_bytes());
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(forged.as_ref()));
    check(&rules, &keys, &forged, Err(F::Algorithm));
    // What a token brings along is no key.
    let own = Signer::p256();
    let brought = json!({"alg": "ES256", "kid": "k1", "jwk": own.jwk("k1"), "jku": "https://evil.example.com/jwks"});
    check(
        &rules,
        &keys,
        &own.token(&brought, &claims().to_string()),
        Err(F::Signature),
    );
    // The plan takes fewer algorithms.
    let only = with_rules(", algorithms: [RS256]");
    check(&only, &keys, &good, Err(F::Algorithm));
}

#[test]
fn keys_are_those_that_the_token_names() {
    let (rules, signer, other) = (rules(""), Signer::p256(), Signer::p256());
    let token = |kid: Option<&str>| {
        let header = match kid {
            Some(kid) => json!({"alg": "ES256", "kid": kid}),
            None => json!({"alg": "ES256"}),
        };
        signer.token(&header, &claims().to_string())
    };
    let both = set(&[signer.jwk("k1"), other.jwk("k2")]);
    check(&rules, &both, &token(Some("k1")), Ok("corp:alice"));
    check(&rules, &both, &token(Some("k2")), Err(F::Signature));
    check(&rules, &both, &token(Some("k3")), Err(F::UnknownKid));
    check(&rules, &both, &token(None), Err(F::UnknownKid));
    let one = set(&[signer.jwk("k1"), Signer::p384().jwk("k2")]);
    check(&rules, &one, &token(None), Ok("corp:alice"));
    let twice = set(&[other.jwk("k1"), signer.jwk("k1")]);
    check(&rules, &twice, &token(Some("k1")), Ok("corp:alice"));
    let mut number = json!({"alg": "ES256"});
    number["kid"] = 1.into();
    check(
        &rules,
        &both,
        &signer.token(&number, &claims().to_string()),
        Err(F::Malformed),
    );
}

#[test]
fn sets_of_keys_are_bounded_and_hold_public_keys_alone() {
    let read = |keys: Value| KeySet::read(json!({"keys": keys}).to_string().as_bytes()).err();
    let p256 = Signer::p256().jwk("k");
    assert_eq!(read(json!([p256])), None);
    let unusable = Some(KeySetError::NoneUsable);
    let with = |name: &str, value: Value| {
        let mut key = p256.clone();
        key[name] = value;
        json!([key])
    };
    assert_eq!(read(with("use", json!("enc"))), unusable);
    assert_eq!(read(with("key_ops", json!(["sign"]))), unusable);
    assert_eq!(read(with("key_ops", json!(["verify"]))), None);
    assert_eq!(read(with("alg", json!("HS256"))), unusable);
    assert_eq!(read(with("alg", json!("ES384"))), unusable);
    assert_eq!(read(with("x", json!("AAAA"))), unusable);
    assert_eq!(
        read(json!([{"kty": "oct", "k": "c2VjcmV0", "kid": "k"}])),
        unusable
    );
    assert_eq!(
        read(json!([{"kty": "RSA", "n": "AQAB", "e": "AQAB"}])),
        unusable,
        "too short"
    );
    assert_eq!(read(json!([])), unusable);
    assert_eq!(
        read(json!(vec![p256.clone(); 65])),
        Some(KeySetError::TooMany)
    );
    let not = Some(KeySetError::NotASet);
    assert_eq!(read(json!("x")), not);
    for bad in ["", "[]", "{}", r#"{"keys":[],"keys":[]}"#] {
        assert_eq!(KeySet::read(bad.as_bytes()).err(), not, "{bad}");
    }
}

#[test]
fn every_claim_has_to_hold() {
    let (rules, signer) = (rules(""), Signer::p256());
    let keys = set(&[signer.jwk("k")]);
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        signer.token(&json!({"alg": "ES256", "kid": "k"}), &claims.to_string())
    };
    let all = |cases: &[(&str, Value, Result<&str, F>)]| {
        for (name, value, want) in cases {
            check(&rules, &keys, &with(name, value.clone()), *want);
        }
    };
    let gone = Value::Null;
    all(&[
        ("iss", json!("https://login.example.com/"), Err(F::Issuer)),
        ("iss", json!("https://evil.example.com"), Err(F::Issuer)),
        ("iss", json!(["https://login.example.com"]), Err(F::Issuer)),
        ("iss", gone.clone(), Err(F::Issuer)),
        ("aud", json!([RESOURCE, "other"]), Ok("corp:alice")),
        (
            "aud",
            json!("https://mcp.example.com/other/mcp"),
            Err(F::Audience),
        ),
        (
            "aud",
            json!("https://mcp.example.com/files/mcp/"),
            Err(F::Audience),
        ),
        ("aud", json!([]), Err(F::Audience)),
        ("aud", json!([1]), Err(F::Claims)),
        ("aud", gone.clone(), Err(F::Claims)),
        ("exp", json!(NOW - 29), Ok("corp:alice")),
        ("exp", json!(NOW - 30), Err(F::Expired)),
        ("exp", json!(NOW - 29 + 1), Ok("corp:alice")),
        ("exp", json!(1.5e300), Err(F::Claims)),
        ("exp", json!(-1), Err(F::Claims)),
        ("exp", json!((NOW + 60).to_string()), Err(F::Claims)),
        ("exp", gone.clone(), Err(F::Claims)),
        ("nbf", json!(NOW + 30), Ok("corp:alice")),
        ("nbf", json!(NOW + 31), Err(F::NotYetValid)),
        ("nbf", json!("soon"), Err(F::Claims)),
        ("nbf", gone.clone(), Ok("corp:alice")),
        ("iat", json!(NOW + 31), Err(F::NotYetValid)),
        ("iat", gone.clone(), Ok("corp:alice")),
        ("sub", gone, Err(F::Claims)),
        ("sub", json!(""), Err(F::Claims)),
        ("sub", json!(7), Err(F::Claims)),
        ("sub", json!("auth0|123"), Ok("corp:auth0|123")),
    ]);
    let double = claims().to_string().replacen("{", "{\"sub\":\"root\",", 1);
    let double = signer.token(&json!({"alg": "ES256", "kid": "k"}), &double);
    check(&rules, &keys, &double, Err(F::Malformed));
    for header in [
        json!({"alg": "ES256", "kid": "k", "crit": ["exp"]}),
        json!({"alg": "ES256", "kid": "k", "crit": []}),
        json!({"alg": "ES256", "kid": "k", "typ": "logout+jwt"}),
        json!({"alg": "ES256", "kid": "k", "typ": 1}),
        json!({"kid": "k"}),
    ] {
        check(
            &rules,
            &keys,
            &signer.token(&header, &claims().to_string()),
            Err(F::Malformed),
        );
    }
}

#[test]
fn names_of_principals_are_fit_to_show_and_no_two_are_alike() {
    let (rules, signer) = (rules(""), Signer::ed25519());
    let keys = set(&[signer.jwk("k")]);
    let name = |subject: &str| {
        let mut claims = claims();
        claims["sub"] = subject.into();
        let token = signer.token(&json!({"alg": "EdDSA"}), &claims.to_string());
        judge(&rules, &keys, &token, NOW)
            .unwrap()
            .principal
            .name
            .to_string()
    };
    assert_eq!(name("alice"), "corp:alice");
    let strange = ["two words", "ünï", "a\nb", &"x".repeat(200), "sha256-x"];
    let mut seen: Vec<String> = strange.iter().map(|s| name(s)).collect();
    seen.push(name(seen[0].strip_prefix("corp:").unwrap()));
    for (at, one) in seen.iter().enumerate() {
        assert!(one.starts_with("corp:sha256-") && one.len() == 55, "{one}");
        assert!(!seen[..at].contains(one), "{one}");
    }
}

#[test]
fn scopes_and_groups_are_all_there_or_the_token_is_refused() {
    let signer = Signer::p256();
    let keys = set(&[signer.jwk("k")]);
    let judged = |more: &str, name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        let token = signer.token(&json!({"alg": "ES256"}), &claims.to_string());
        let judged = judge(&rules(more), &keys, &token, NOW);
        judged.map(|v| {
            let text = |all: &[std::sync::Arc<str>]| all.join(",");
            (text(&v.principal.scopes), text(&v.principal.groups))
        })
    };
    let of = |scopes: &str, groups: &str| Ok((scopes.to_owned(), groups.to_owned()));
    assert_eq!(judged("", "scope", json!("a b")), of("a,b", ""));
    assert_eq!(judged("", "scp", json!(["a", "b"])), of("a,b", ""));
    let needs = ", required_scopes: [a, c]";
    assert_eq!(judged(needs, "scope", json!("c a")), of("c,a", ""));
    assert_eq!(judged(needs, "scope", json!("a")), Err(F::Scope));
    assert_eq!(judged("", "groups", json!(["x", "y"])), of("", "x,y"));
    let path = ", groups_claim: realm.roles";
    assert_eq!(judged(path, "realm", json!({"roles": ["x"]})), of("", "x"));
    assert_eq!(judged(path, "realm.roles", json!("z")), of("", "z"));
    assert_eq!(judged("", "groups", json!([1])), Err(F::Claims));
    assert_eq!(judged("", "groups", json!({"a": 1})), Err(F::Claims));
    let many: Vec<_> = (0..=crate::Principal::GROUPS_MAX)
        .map(|n| n.to_string())
        .collect();
    assert_eq!(
        judged("", "groups", json!(many)),
        Err(F::Claims),
        "none is left out silently"
    );
}

#[test]
fn what_was_verified_once_still_ends_and_is_for_its_audience_alone() {
    let (rules, signer) = (rules(", leeway: 0s"), Signer::p256());
    let keys = set(&[signer.jwk("k")]);
    let token = signer.token(&json!({"alg": "ES256"}), &claims().to_string());
    let verified = judge(&rules, &keys, &token, NOW).unwrap();
    let own = [RESOURCE.to_owned()];
    assert_eq!(verified.admits(&own, NOW + 59), Ok(()));
    assert_eq!(verified.admits(&own, NOW + 60), Err(F::Expired));
    assert_eq!(verified.admits(&["x".to_owned()], NOW), Err(F::Audience));
    assert_eq!(verified.admits(&[], NOW), Err(F::Audience));
    assert!(!verified.is_over(NOW + 59) && verified.is_over(NOW + 60));
}

proptest! {
    /// No text is a token that holds, and none makes the reader panic.
    #[test]
    fn any_text_is_refused_or_read(text in "[A-Za-z0-9_.=-]{0,200}") {
        let _ = Token::read(&text);
        let _ = presented([Some(text.as_str())], []);
        let _ = KeyText::parse(&text);
        let _ = KeySet::read(text.as_bytes());
    }

    /// A change of any character of a token that holds makes it one that does not.
    #[test]
    fn a_changed_token_never_holds(at in 0usize..600, by in 1u8..60) {
        let rsa = json!({"kty": "RSA", "kid": "rsa-1", "n": RSA_N.trim(), "e": "AQAB"});
        let keys = set(&[rsa]);
        let mut bytes = RS256.trim().as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = b'-' + ((bytes[at] - b'-') + by) % 77;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assume!(changed != RS256.trim());
        prop_assert!(judge(&rules(""), &keys, &changed, NOW).is_err());
    }
}
