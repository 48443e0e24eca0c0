//! What a refused request is told: `WWW-Authenticate`, and the metadata of RFC 9728 that it leads to.

use crate::route::WELL_KNOWN;
use ph_mcp::error::quote;
use ph_record::AuthFailure;
use std::fmt::Write as _;

/// A server as a protected resource: its address, and who gives out tokens for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its address, as clients reach it.
    pub url: String,
    /// Where its metadata are.
    pub metadata_url: String,
    /// The authorization servers, by their `issuer`.
    pub issuers: Vec<String>,
    /// Scopes that a token has to have.
    pub scopes: Vec<String>,
}

impl Resource {
    /// The server at `path` (`/files/mcp`) below `base` (`https://mcp.example.com`, perhaps with a path).
    pub fn new(base: &str, path: &str, issuers: Vec<String>, scopes: Vec<String>) -> Self {
        let base = base.trim_end_matches('/');
        let authority_ends = base
            .find("://")
            .and_then(|at| base[at + 3..].find('/').map(|slash| at + 3 + slash))
            .unwrap_or(base.len());
        let (origin, below) = base.split_at(authority_ends);
        Self {
            url: format!("{base}{path}"),
            metadata_url: format!("{origin}{WELL_KNOWN}{below}{path}"),
            issuers,
            scopes,
        }
    }

    /// The metadata of RFC 9728, as JSON.
    pub fn metadata(&self, name: &str) -> String {
        let mut out = String::from("{\"resource\":");
        quote(&self.url, &mut out);
        let list = |name: &str, all: &[String], out: &mut String| {
            out.push_str(",\"");
            out.push_str(name);
            out.push_str("\":[");
            for (at, one) in all.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(one, out);
            }
            out.push(']');
        };
        list("authorization_servers", &self.issuers, &mut out);
        if !self.scopes.is_empty() {
            list("scopes_supported", &self.scopes, &mut out);
        }
        out.push_str(",\"bearer_methods_supported\":[\"header\"],\"resource_name\":");
        quote(name, &mut out);
        out.push('}');
        out
    }
}

/// What a request is refused with.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// Why.
    pub failure: AuthFailure,
    /// What it asked for; none where only API keys are accepted.
    pub resource: Option<&'a Resource>,
}

impl Challenge<'_> {
    /// The value of `WWW-Authenticate`, of RFC 6750 and RFC 9728; none where another credential would
    /// not help.
    pub fn header(&self) -> Option<String> {
        if self.failure == AuthFailure::KeysUnavailable {
            return None;
        }
        let mut value = String::from("Bearer realm=\"pilothouse\"");
        let mut parameter = |name: &str, text: &str| {
            // None of these has a quote or a backslash: addresses and scopes are checked, the rest is ours.
            let is_fit = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
            let text: String = text.chars().filter(is_fit).collect();
            // Writing to a string cannot fail.
            let _ = write!(value, ", {name}=\"{text}\"");
        };
        let error = match self.failure {
            AuthFailure::Missing => None,
            AuthFailure::Scope => Some("insufficient_scope"),
            AuthFailure::Malformed => Some("invalid_request"),
            _ => Some("invalid_token"),
        };
        if let Some(error) = error {
            parameter("error", error);
            parameter(
                "error_description",
                &self.failure.message().replace('`', "'"),
            );
        }
        if let Some(resource) = self.resource {
            if !resource.scopes.is_empty() {
                parameter("scope", &resource.scopes.join(" "));
            }
            parameter("resource_metadata", &resource.metadata_url);
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(base: &str) -> Resource {
        let issuers = vec!["https://login.example.com".to_owned()];
        Resource::new(base, "/files/mcp", issuers, vec!["mcp:use".to_owned()])
    }

    #[test]
    fn metadata_are_where_rfc_9728_puts_them() {
        let plain = resource("https://mcp.example.com/");
        assert_eq!(plain.url, "https://mcp.example.com/files/mcp");
        assert_eq!(
            plain.metadata_url,
            "https://mcp.example.com/.well-known/oauth-protected-resource/files/mcp"
        );
        let below = resource("https://example.com/tools");
        assert_eq!(below.url, "https://example.com/tools/files/mcp");
        assert_eq!(
            below.metadata_url,
            "https://example.com/.well-known/oauth-protected-resource/tools/files/mcp"
        );
        assert_eq!(
            plain.metadata("files"),
            "{\"resource\":\"https://mcp.example.com/files/mcp\",\
             \"authorization_servers\":[\"https://login.example.com\"],\
             \"scopes_supported\":[\"mcp:use\"],\
             \"bearer_methods_supported\":[\"header\"],\"resource_name\":\"files\"}"
        );
    }

    #[track_caller]
    fn header(failure: AuthFailure, with: Option<&Resource>, want: Option<&str>) {
        let challenge = Challenge {
            failure,
            resource: with,
        };
        assert_eq!(challenge.header().as_deref(), want);
    }

    #[test]
    fn challenges() {
        let resource = resource("https://mcp.example.com");
        header(
            AuthFailure::Missing,
            None,
            Some("Bearer realm=\"pilothouse\""),
        );
        let metadata = "resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/files/mcp\"";
        header(
            AuthFailure::Missing,
            Some(&resource),
            Some(&format!(
                "Bearer realm=\"pilothouse\", scope=\"mcp:use\", {metadata}"
            )),
        );
        header(
            AuthFailure::Scope,
            Some(&resource),
            Some(&format!(
                "Bearer realm=\"pilothouse\", error=\"insufficient_scope\", \
                 error_description=\"the token lacks a scope that is needed\", scope=\"mcp:use\", {metadata}"
            )),
        );
        header(AuthFailure::KeysUnavailable, Some(&resource), None);
    }

    #[test]
    fn any_failure_makes_a_header() {
        for failure in AuthFailure::ALL {
            let value = Challenge {
                failure,
                resource: None,
            }
            .header()
            .unwrap_or_default();
            assert!(value.bytes().all(|b| (b' '..=b'~').contains(&b)), "{value}");
        }
    }
}
