//! Why a request did not show who it is from.

/// Why a request did not show who it is from. Closed: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum AuthFailure {
    /// It shows nothing, and has to.
    Missing,
    /// What it shows cannot be read, or is there twice.
    Malformed,
    /// No such API key.
    UnknownKey,
    /// The API key was good until some time ago.
    ExpiredKey,
    /// The API key was taken back.
    RevokedKey,
    /// The token's algorithm is not accepted, or not of its key.
    Algorithm,
    /// The token is signed with a key that its issuer does not publish.
    UnknownKid,
    /// The token's signature is wrong.
    Signature,
    /// The token is of somebody else.
    Issuer,
    /// The token is for somebody else.
    Audience,
    /// The token was good until some time ago.
    Expired,
    /// The token will be good in some time.
    NotYetValid,
    /// The token lacks a claim, or has one that cannot be used.
    Claims,
    /// The token lacks a scope.
    Scope,
    /// The issuer's keys cannot be had, so nothing is known of the token.
    KeysUnavailable,
}

impl AuthFailure {
    /// Every value, in index order.
    pub const ALL: [Self; 15] = [
        Self::Missing,
        Self::Malformed,
        Self::UnknownKey,
        Self::ExpiredKey,
        Self::RevokedKey,
        Self::Algorithm,
        Self::UnknownKid,
        Self::Signature,
        Self::Issuer,
        Self::Audience,
        Self::Expired,
        Self::NotYetValid,
        Self::Claims,
        Self::Scope,
        Self::KeysUnavailable,
    ];

    /// The value of the `reason` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::ExpiredKey => "expired_key",
            Self::RevokedKey => "revoked_key",
            Self::Algorithm => "algorithm",
            Self::UnknownKid => "unknown_kid",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Claims => "claims",
            Self::Scope => "scope",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }

    /// What the caller is told: nothing of what it has sent.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Missing => "an API key or a token is needed: send `Authorization: Bearer TOKEN`",
            Self::Malformed => {
                "the credentials cannot be read: send one `Authorization: Bearer TOKEN` and nothing else"
            }
            Self::UnknownKey => "this API key is not known",
            Self::ExpiredKey => "this API key has expired",
            Self::RevokedKey => "this API key was revoked",
            Self::Algorithm => "the token is not signed in a way that is accepted",
            Self::UnknownKid => "the token is signed with a key that its issuer does not publish",
            Self::Signature => "the token's signature is wrong",
            Self::Issuer => "the token is of an issuer that is not accepted",
            Self::Audience => "the token is for another audience",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::Claims => "the token lacks a claim, or has one that cannot be used",
            Self::Scope => "the token lacks a scope that is needed",
            Self::KeysUnavailable => {
                "the token cannot be checked now: the keys of its issuer cannot be fetched"
            }
        }
    }

    /// HTTP status of the answer.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Scope => 403,
            Self::KeysUnavailable => 503,
            _ => 401,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_at_its_index() {
        for (at, failure) in AuthFailure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, at, "{failure:?}");
        }
    }
}
