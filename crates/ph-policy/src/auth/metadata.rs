//! The metadata of an authorization server: where they are, and where they say its keys are.

use super::json::Json;

/// Metadata that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// No JSON object, or a name twice in it.
    #[error("these are no metadata of an authorization server")]
    NotMetadata,
    /// Another `issuer`, or none: somebody else's.
    #[error("these metadata are of another issuer: `issuer` has to be the same to the letter")]
    OtherIssuer,
    /// No `jwks_uri`.
    #[error("these metadata do not say where the keys are (`jwks_uri`)")]
    NoKeys,
}

/// Where the metadata of `issuer` may be: RFC 8414, then OpenID Connect in both of its ways.
pub fn metadata_urls(issuer: &str) -> Vec<String> {
    let base = issuer.trim_end_matches('/');
    let path_at = base
        .find("://")
        .and_then(|at| base[at + 3..].find('/').map(|slash| at + 3 + slash))
        .unwrap_or(base.len());
    let (origin, path) = base.split_at(path_at);
    let mut urls = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        urls.push(format!("{base}/.well-known/openid-configuration"));
    }
    urls
}

/// Where the metadata of `issuer` say its keys are.
///
/// # Errors
/// [`MetadataError`].
pub fn jwks_url(metadata: &[u8], issuer: &str) -> Result<String, MetadataError> {
    let metadata = Json::object(metadata).ok_or(MetadataError::NotMetadata)?;
    let text = |name: &str| metadata.get(name).and_then(Json::text);
    if text("issuer") != Some(issuer) {
        return Err(MetadataError::OtherIssuer);
    }
    text("jwks_uri")
        .map(str::to_owned)
        .ok_or(MetadataError::NoKeys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_asked_for_where_both_standards_put_them() {
        assert_eq!(
            metadata_urls("https://a.example/"),
            [
                "https://a.example/.well-known/oauth-authorization-server",
                "https://a.example/.well-known/openid-configuration"
            ]
        );
        assert_eq!(
            metadata_urls("https://a.example/realms/x"),
            [
                "https://a.example/.well-known/oauth-authorization-server/realms/x",
                "https://a.example/.well-known/openid-configuration/realms/x",
                "https://a.example/realms/x/.well-known/openid-configuration"
            ]
        );
    }

    #[test]
    fn metadata_of_another_issuer_are_not_believed() {
        let of = |text: &str| jwks_url(text.as_bytes(), "https://a.example");
        let good = r#"{"issuer":"https://a.example","jwks_uri":"https://a.example/keys"}"#;
        assert_eq!(of(good), Ok("https://a.example/keys".to_owned()));
        assert_eq!(
            of(&good.replace("a.example\"", "a.example/\"")),
            Err(MetadataError::OtherIssuer)
        );
        assert_eq!(of("{}"), Err(MetadataError::OtherIssuer));
        assert_eq!(
            of(r#"{"issuer":"https://a.example"}"#),
            Err(MetadataError::NoKeys)
        );
        let twice = r#"{"issuer":"https://b","issuer":"https://a.example","jwks_uri":"x"}"#;
        assert_eq!(of(twice), Err(MetadataError::NotMetadata));
    }
}
