//! What requests show, and what authorization servers say: any text is refused or read, and no token holds but
//! the two that were signed with the key.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ph_plan::{NoSecrets, Plan};
use ph_policy::{KeySet, KeyText, Presented, Token, TokenRules, jwks_url, presented};

const NOW: u64 = 1_800_000_010;
const RS256: &str = include_str!("../../crates/ph-policy/src/auth/testdata/rs256.txt");
const PS256: &str = include_str!("../../crates/ph-policy/src/auth/testdata/ps256.txt");
const RSA_N: &str = include_str!("../../crates/ph-policy/src/auth/testdata/rsa_n.txt");

static RULES: LazyLock<TokenRules> = LazyLock::new(|| {
    let text = "auth: {issuers: {corp: {issuer: 'https://login.example.com'}}}\nservers: {a: {command: x}}\n";
    let (plan, _) = Plan::from_yaml(text, &NoSecrets).expect("a plan");
    let issuers = &plan.auth.checks().expect("checks").issuers;
    let (name, issuer) = issuers.iter().next().expect("an issuer");
    TokenRules::new(name, issuer).expect("rules")
});

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let n = RSA_N.trim();
    let text = format!(r#"{{"keys":[{{"kty":"RSA","kid":"rsa-1","n":"{n}","e":"AQAB"}}]}}"#);
    KeySet::read(text.as_bytes()).expect("a set")
});

fuzz_target!(|text: &str| {
    if let Some(key) = KeyText::parse(text) {
        assert!(text.contains(key.id()) && !format!("{key:?}").contains(text));
    }
    let _ = KeySet::read(text.as_bytes());
    let _ = jwks_url(text.as_bytes(), "https://login.example.com");
    for line in [text, &format!("Bearer {text}")] {
        let Ok(Presented::Token(token)) = presented([Some(line)], []) else {
            continue;
        };
        let holds = Token::read(token).and_then(|token| RULES.verify(&token, &KEYS, NOW));
        let is_known = [RS256.trim(), PS256.trim()].contains(&token);
        assert_eq!(holds.is_ok(), is_known, "{token}");
    }
});
