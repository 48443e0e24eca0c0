//! The servers as protected resources: at which addresses clients reach them.

use crate::auth::Asked;
use core::net::SocketAddr;
use ph_plan::{AuthChecks, Plan};
use ph_policy::{Resource, TokenRules};
use std::collections::BTreeMap;

/// The servers of one plan.
pub(crate) struct Resources {
    /// At what base; the first is the one that is told.
    bases: Vec<String>,
    /// What tokens have to be for, by server.
    audiences: BTreeMap<String, Vec<String>>,
    issuers: Vec<String>,
    scopes: Vec<String>,
}

impl Resources {
    pub(crate) fn new<'a>(
        checks: &AuthChecks,
        plan: &Plan,
        address: SocketAddr,
        issuers: impl Iterator<Item = &'a TokenRules>,
    ) -> Self {
        let bases = match &checks.resource {
            Some(url) => vec![url.as_str().trim_end_matches('/').to_owned()],
            // A listener beyond loopback has a `resource`, or audiences, for which this stands.
            None => {
                let port = address.port();
                let scheme = if plan.tls.is_some() { "https" } else { "http" };
                let names = ["127.0.0.1", "localhost", "[::1]"];
                names
                    .map(|name| format!("{scheme}://{name}:{port}"))
                    .to_vec()
            }
        };
        let audiences = plan.servers.keys().map(|name| {
            let mut paths = vec![format!("/{name}/mcp")];
            if plan.servers.len() == 1 {
                paths.push("/mcp".to_owned());
            }
            let all = bases
                .iter()
                .flat_map(|base| paths.iter().map(move |path| format!("{base}{path}")));
            (name.as_str().to_owned(), all.collect())
        });
        let audiences = audiences.collect();
        let (mut names, mut scopes) = (Vec::new(), Vec::new());
        for issuer in issuers {
            names.push(issuer.issuer().to_owned());
            scopes.extend_from_slice(issuer.required_scopes());
        }
        scopes.sort();
        scopes.dedup();
        Self {
            bases,
            audiences,
            issuers: names,
            scopes,
        }
    }

    /// What tokens for a server have to be for.
    pub(crate) fn audiences(&self, server: &str) -> &[String] {
        self.audiences.get(server).map_or(&[], Vec::as_slice)
    }

    /// The server as it was asked for: on loopback under the name that the client knows it by.
    pub(crate) fn of(&self, asked: Asked<'_>) -> Resource {
        let by_name = |base: &&String| {
            let authority = base.split_once("://").map(|(_, authority)| authority);
            authority
                .zip(asked.host)
                .is_some_and(|(own, host)| own.eq_ignore_ascii_case(host))
        };
        let own = &self.bases[..];
        let base = match own {
            [only] => Some(only),
            all => all.iter().find(by_name).or(all.first()),
        };
        let base = base.map_or("", String::as_str);
        let path = asked.path.strip_suffix('/').unwrap_or(asked.path);
        Resource::new(base, path, self.issuers.clone(), self.scopes.clone())
    }
}
