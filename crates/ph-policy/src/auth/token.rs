//! A token as it is written: JWS in its compact form, of RFC 7515.

use super::json::Json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ph_plan::JwtAlgorithm;
use ph_record::AuthFailure;

/// A token that was read and not verified: nothing in it may be believed.
pub struct Token<'a> {
    /// What the signature is over.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
    pub(super) algorithm: JwtAlgorithm,
    pub(super) kid: Option<String>,
    pub(super) claims: Json,
}

impl<'a> Token<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// [`AuthFailure::Algorithm`] for one that is not signed, or not in a way that we know;
    /// [`AuthFailure::Malformed`] for what is no token, has a name twice, or says that something of it
    /// has to be understood which nobody here does (`crit`).
    pub fn read(text: &'a str) -> Result<Self, AuthFailure> {
        let malformed = || AuthFailure::Malformed;
        let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let object = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
            Json::object(&bytes)
        };
        let header = object(header).ok_or_else(malformed)?;
        let algorithm = header
            .get("alg")
            .and_then(Json::text)
            .ok_or_else(malformed)?;
        let algorithm = JwtAlgorithm::parse(algorithm).ok_or(AuthFailure::Algorithm)?;
        if header.get("crit").is_some() || !is_of_a_kind(header.get("typ")) {
            return Err(malformed());
        }
        let kid = match header.get("kid") {
            None => None,
            Some(kid) => Some(kid.text().ok_or_else(malformed)?.to_owned()),
        };
        Ok(Self {
            signed: signed.as_bytes(),
            signature: URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?,
            algorithm,
            kid,
            claims: object(claims).ok_or_else(malformed)?,
        })
    }

    /// Who it says it is of.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Json::text)
    }
}

/// Tokens of other kinds (of logouts, events, proofs) are none for access, whoever signed them.
fn is_of_a_kind(typ: Option<&Json>) -> bool {
    let Some(typ) = typ else { return true };
    let Some(typ) = typ.text() else { return false };
    let kind = typ.to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    kind == "jwt" || kind == "at+jwt"
}
