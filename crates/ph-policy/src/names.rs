//! Which `Host` and `Origin` are ours: the guard against DNS rebinding.

use ph_plan::Plan;
use std::net::IpAddr;

/// What a request's head must satisfy, taken from a plan.
#[derive(Clone, Debug)]
pub struct HeadRules {
    hosts: Vec<String>,
    origins: Vec<String>,
    /// Beyond loopback and without a list of names, any `Host` will do: a mesh or
    /// proxy in front decides (`auth: external`).
    any_host: bool,
}

impl HeadRules {
    /// The rules of `plan`.
    pub fn new(plan: &Plan) -> Self {
        Self {
            hosts: plan
                .allowed_hosts
                .iter()
                .map(|h| h.as_str().to_ascii_lowercase())
                .collect(),
            origins: plan
                .allowed_origins
                .iter()
                .map(|o| o.as_str().to_ascii_lowercase())
                .collect(),
            any_host: !plan.listen.ip().is_loopback() && plan.allowed_hosts.is_empty(),
        }
    }

    /// The rules of the admin listener of `plan`. Beyond loopback it asks who asks, so that a name proves nothing.
    pub fn of_admin(plan: &Plan) -> Self {
        let hosts = &plan.admin.allowed_hosts;
        let is_beyond = plan
            .admin_address()
            .is_some_and(|address| !address.ip().is_loopback());
        Self {
            hosts: hosts
                .iter()
                .map(|host| host.as_str().to_ascii_lowercase())
                .collect(),
            origins: Vec::new(),
            any_host: is_beyond && hosts.is_empty(),
        }
    }

    /// Only loopback names and addresses: what a listener for this machine alone accepts.
    pub fn loopback() -> Self {
        Self {
            hosts: Vec::new(),
            origins: Vec::new(),
            any_host: false,
        }
    }

    /// Whether `host` (a `Host` header or an authority, with or without port) is one of ours.
    pub fn accepts_host(&self, host: Option<&str>) -> bool {
        let Some(host) = host else {
            return self.any_host;
        };
        let name = without_port(host).to_ascii_lowercase();
        self.any_host || is_loopback_name(&name) || self.hosts.contains(&name)
    }

    /// Whether `origin` is allowed; a request without one comes from no browser.
    pub fn accepts_origin(&self, origin: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        let origin = origin.trim().to_ascii_lowercase();
        if self.origins.contains(&origin) {
            return true;
        }
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|a| is_loopback_name(without_port(a)))
    }
}

fn without_port(host: &str) -> &str {
    let host = host.trim();
    if let Some(end) = host.strip_prefix('[').and_then(|h| h.find(']')) {
        return &host[1..=end];
    }
    host.split(':').next().unwrap_or(host)
}

fn is_loopback_name(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_alone() {
        let rules = HeadRules::loopback();
        assert!(rules.accepts_host(Some("localhost:3001")));
        assert!(rules.accepts_host(Some("[::1]:3001")));
        assert!(!rules.accepts_host(Some("rebound.example.com:3001")));
        assert!(!rules.accepts_host(None));
        assert!(rules.accepts_origin(None) && rules.accepts_origin(Some("http://localhost:3000")));
        assert!(!rules.accepts_origin(Some("http://evil.example.com")));
    }

    fn rules(any_host: bool) -> HeadRules {
        HeadRules {
            hosts: vec!["mcp.example.com".into()],
            origins: vec!["https://app.example.com".into()],
            any_host,
        }
    }

    #[track_caller]
    fn host(text: &str, want: bool) {
        assert_eq!(rules(false).accepts_host(Some(text)), want, "{text:?}");
    }

    #[test]
    fn hosts() {
        for ok in [
            "localhost",
            "localhost:3000",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:3000",
            "MCP.example.com:443",
        ] {
            host(ok, true);
        }
        for bad in [
            "evil.example.com",
            "localhost.evil.com",
            "127.0.0.1.evil.com",
            "",
            "[::1",
            "10.0.0.1",
        ] {
            host(bad, false);
        }
        assert!(!rules(false).accepts_host(None));
        assert!(rules(true).accepts_host(Some("anything")));
    }

    #[test]
    fn origins() {
        let r = rules(true);
        assert!(r.accepts_origin(None));
        for ok in [
            "http://localhost",
            "https://127.0.0.1:8443",
            "http://[::1]:1",
            "https://app.example.com",
        ] {
            assert!(r.accepts_origin(Some(ok)), "{ok}");
        }
        for bad in [
            "null",
            "http://evil.example.com",
            "https://app.example.com.evil.com",
            "file://",
            "localhost",
        ] {
            assert!(!r.accepts_origin(Some(bad)), "{bad}");
        }
    }
}
