//! The public keys of an authorization server: a JWK set, of RFC 7517.

use super::json::Json;
use super::token::Token;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ph_plan::JwtAlgorithm;
use ph_record::AuthFailure;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

/// Most keys of a set.
const KEYS_MAX: usize = 64;
/// Most keys that are tried for one token: those with its `kid`, of which there should be one.
const TRIED_MAX: usize = 4;

/// Public keys, and of each what it may be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PublicKey {
    kid: Option<String>,
    kind: Kind,
    /// The one algorithm it is for, where the set says so.
    algorithm: Option<JwtAlgorithm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A text is no set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// No JSON, or a name twice in it, or no `keys`.
    #[error("this is no JWK set")]
    NotASet,
    /// More than 64 keys.
    #[error("a JWK set of more than {KEYS_MAX} keys")]
    TooMany,
    /// None of its keys is public, for signatures, and of a kind that is known.
    #[error(
        "no key of the JWK set can be used: RSA of 2048 bits and more, P-256, P-384 and Ed25519 can"
    )]
    NoneUsable,
}

impl KeySet {
    /// Reads a set. Keys that are no public ones for signatures of a known kind are left out.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn read(text: &[u8]) -> Result<Self, KeySetError> {
        let set = Json::object(text).ok_or(KeySetError::NotASet)?;
        let keys = set.get("keys").and_then(Json::list);
        let keys = keys.ok_or(KeySetError::NotASet)?;
        if keys.len() > KEYS_MAX {
            return Err(KeySetError::TooMany);
        }
        let keys: Vec<_> = keys.iter().filter_map(PublicKey::read).collect();
        if keys.is_empty() {
            return Err(KeySetError::NoneUsable);
        }
        Ok(Self { keys })
    }

    /// Whether one of the keys has signed `token`. A key is only ever used with the algorithms of its kind,
    /// whatever a token says.
    ///
    /// # Errors
    /// [`AuthFailure::UnknownKid`], [`AuthFailure::Algorithm`] or [`AuthFailure::Signature`].
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<(), AuthFailure> {
        let named: Vec<_> = match &token.kid {
            Some(kid) => {
                let has_it = |key: &&PublicKey| key.kid.as_ref() == Some(kid);
                self.keys.iter().filter(has_it).take(TRIED_MAX).collect()
            }
            // Without a name it has to be clear which one is meant.
            None => {
                let fitting = |key: &&PublicKey| key.takes(token.algorithm);
                let fitting: Vec<_> = self.keys.iter().filter(fitting).take(2).collect();
                if fitting.len() == 1 {
                    fitting
                } else {
                    Vec::new()
                }
            }
        };
        if named.is_empty() {
            return Err(AuthFailure::UnknownKid);
        }
        let mut fitting = named
            .iter()
            .filter(|key| key.takes(token.algorithm))
            .peekable();
        if fitting.peek().is_none() {
            return Err(AuthFailure::Algorithm);
        }
        let is_signed = fitting.any(|key| key.has_signed(token));
        is_signed.then_some(()).ok_or(AuthFailure::Signature)
    }
}

impl PublicKey {
    fn read(jwk: &Json) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Json::text);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let is_for_signatures = jwk.get("use").is_none_or(|u| u.text() == Some("sig"));
        let verifies = |ops: &Json| {
            let mut ops = ops.list().into_iter().flatten();
            ops.any(|op| op.text() == Some("verify"))
        };
        if !is_for_signatures || !jwk.get("key_ops").is_none_or(verifies) {
            return None;
        }
        // Both coordinates of a point have the length of its curve.
        let point = |len: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            (x.len() == len && y.len() == len).then(|| [vec![4], x, y].concat())
        };
        let kind = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let n = without_zeros(&bytes("n")?);
                // 2048 to 8192 bits.
                (256..=1024).contains(&n.len()).then_some(Kind::Rsa {
                    n,
                    e: without_zeros(&bytes("e")?),
                })?
            }
            ("EC", Some("P-256")) => Kind::P256(point(32)?),
            ("EC", Some("P-384")) => Kind::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Kind::Ed25519(bytes("x").filter(|x| x.len() == 32)?),
            // `oct`, above all: no shared secret has a place in a set that anybody can read.
            _ => return None,
        };
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(word) => Some(algorithm(word.text()?).filter(|a| kind.takes(*a))?),
        };
        let kid = match jwk.get("kid") {
            None => None,
            Some(kid) => Some(kid.text()?.to_owned()),
        };
        Some(Self {
            kid,
            kind,
            algorithm,
        })
    }

    fn takes(&self, algorithm: JwtAlgorithm) -> bool {
        self.kind.takes(algorithm) && self.algorithm.is_none_or(|own| own == algorithm)
    }

    fn has_signed(&self, token: &Token<'_>) -> bool {
        use JwtAlgorithm as A;
        let (message, signature) = (token.signed, &token.signature);
        let plain = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature)
        };
        let verified = match &self.kind {
            Kind::Rsa { n, e } => {
                let parameters = match token.algorithm {
                    A::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    A::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    A::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    A::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    A::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                    A::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
                    A::Es256 | A::Es384 | A::EdDsa => return false,
                };
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            Kind::P256(point) => plain(&signature::ECDSA_P256_SHA256_FIXED, point),
            Kind::P384(point) => plain(&signature::ECDSA_P384_SHA384_FIXED, point),
            Kind::Ed25519(point) => plain(&signature::ED25519, point),
        };
        verified.is_ok()
    }
}

impl Kind {
    fn takes(&self, algorithm: JwtAlgorithm) -> bool {
        use JwtAlgorithm as A;
        match self {
            Self::Rsa { .. } => !matches!(algorithm, A::Es256 | A::Es384 | A::EdDsa),
            Self::P256(_) => algorithm == A::Es256,
            Self::P384(_) => algorithm == A::Es384,
            Self::Ed25519(_) => algorithm == A::EdDsa,
        }
    }
}

/// RFC 9864 calls `EdDSA` with this curve by the curve's name.
fn algorithm(word: &str) -> Option<JwtAlgorithm> {
    match word {
        "Ed25519" => Some(JwtAlgorithm::EdDsa),
        word => JwtAlgorithm::parse(word),
    }
}

fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    bytes.get(zeros..).unwrap_or_default().to_vec()
}
