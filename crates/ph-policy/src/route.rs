//! Where a request goes.

use crate::HeadRules;
use ph_plan::Plan;
use ph_record::RefusedReason;
use std::net::{IpAddr, SocketAddr};

/// What is decided on: the head of a request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The path, without query.
    pub path: &'a str,
    /// `Host`, or the authority of HTTP/2.
    pub host: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// To the MCP endpoint of this server.
    Server(&'a str),
    /// Liveness of Pilothouse.
    Livez,
    /// Readiness of Pilothouse.
    Readyz,
    /// Metrics.
    Metrics,
    /// To what is said of a server as a protected resource (RFC 9728).
    Resource {
        /// The server.
        server: &'a str,
        /// By the path `/mcp`; else by `/NAME/mcp`.
        by_short_path: bool,
    },
}

/// Why a request goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, as a label.
    pub reason: RefusedReason,
    /// What to tell the client.
    pub message: String,
}

/// The names and rules that routes are decided by.
#[derive(Clone, Debug)]
pub struct Routes {
    rules: HeadRules,
    servers: Vec<String>,
    metrics: bool,
    /// Whether a wrong path is told the right ones: not where callers have to show who they are.
    tells_paths: bool,
    /// The path of the address at which clients reach us, where it has one.
    below: String,
}

impl Routes {
    /// The routes of `plan`.
    pub fn new(plan: &Plan) -> Self {
        Self {
            rules: HeadRules::new(plan),
            servers: plan.servers.keys().map(|n| n.as_str().to_owned()).collect(),
            metrics: plan.serves_metrics_on_data_listener(),
            tells_paths: plan.auth.checks().is_none(),
            below: plan
                .auth
                .checks()
                .and_then(|checks| checks.resource.as_ref())
                .map_or("", |url| url.uri().path())
                .trim_end_matches('/')
                .to_owned(),
        }
    }
}

/// Where RFC 9728 puts what is said of a protected resource: before the resource's own path.
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Decides where `head` goes.
///
/// # Errors
/// [`Refusal`], with the paths that do exist when it is the path that is wrong.
pub fn decide<'a>(head: &Head<'_>, routes: &'a Routes) -> Result<Route<'a>, Refusal> {
    // A probe of kubelet or of a load balancer has no name of ours for a Host.
    match head.path {
        "/livez" => return Ok(Route::Livez),
        "/readyz" => return Ok(Route::Readyz),
        _ => {}
    }
    // Prometheus asks each pod by its address. A page of another site that had its name made to lead here would send that
    // name; with an address its browser has been told the truth, and `Origin` is looked at below.
    let is_by_address = head.path == "/metrics" && routes.metrics && is_address(head.host);
    if !is_by_address && !routes.rules.accepts_host(head.host) {
        return refuse(
            RefusedReason::Host,
            "this `Host` is not served here; see `allowed_hosts`".into(),
        );
    }
    if !routes.rules.accepts_origin(head.origin) {
        return refuse(
            RefusedReason::Origin,
            "this `Origin` is not allowed; see `allowed_origins`".into(),
        );
    }
    if head.path == "/metrics" && routes.metrics {
        return Ok(Route::Metrics);
    }
    if let Some(rest) = head.path.strip_prefix(WELL_KNOWN) {
        let path = rest.strip_prefix(routes.below.as_str()).unwrap_or(rest);
        return match server_at(path, routes) {
            Some(server) => Ok(Route::Resource {
                server,
                by_short_path: server_path(path) == Some(""),
            }),
            None => no_such(routes),
        };
    }
    match server_at(head.path, routes) {
        Some(server) => Ok(Route::Server(server)),
        None => no_such(routes),
    }
}

/// Whether `Host` is the number of a machine and no name.
fn is_address(host: Option<&str>) -> bool {
    host.is_some_and(|host| {
        host.parse::<SocketAddr>().is_ok()
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    })
}

fn server_at<'a>(path: &str, routes: &'a Routes) -> Option<&'a str> {
    match (server_path(path)?, &routes.servers[..]) {
        ("", [only]) => Some(only),
        ("", _) => None,
        (name, servers) => servers.iter().find(|s| *s == name).map(String::as_str),
    }
}

/// `/mcp` is the empty name, `/NAME/mcp` the name; a trailing slash is tolerated.
fn server_path(path: &str) -> Option<&str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let name = path.strip_suffix("/mcp")?;
    match name.strip_prefix('/') {
        None if name.is_empty() => Some(""),
        Some(name) if !name.is_empty() && !name.contains('/') => Some(name),
        _ => None,
    }
}

fn no_such<'a>(routes: &Routes) -> Result<Route<'a>, Refusal> {
    if !routes.tells_paths {
        return refuse(
            RefusedReason::NoSuchServer,
            "no MCP server is at this path".into(),
        );
    }
    let mut paths: Vec<_> = routes
        .servers
        .iter()
        .take(20)
        .map(|s| format!("/{s}/mcp"))
        .collect();
    if routes.servers.len() == 1 {
        paths.insert(0, "/mcp".into());
    }
    refuse(
        RefusedReason::NoSuchServer,
        format!(
            "no MCP server is at this path; there is {}",
            paths.join(", ")
        ),
    )
}

fn refuse<'a>(reason: RefusedReason, message: String) -> Result<Route<'a>, Refusal> {
    Err(Refusal { reason, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn routes(servers: &[&str]) -> Routes {
        let mut routes = Routes::new(&Plan::default());
        routes.servers = servers.iter().map(|s| (*s).to_owned()).collect();
        routes
    }

    #[track_caller]
    fn check(servers: &[&str], path: &str, want: Result<Route<'_>, RefusedReason>) {
        let routes = routes(servers);
        let head = Head {
            path,
            host: Some("localhost"),
            origin: None,
        };
        assert_eq!(decide(&head, &routes).map_err(|r| r.reason), want, "{path}");
    }

    #[test]
    fn paths() {
        check(&["a"], "/mcp", Ok(Route::Server("a")));
        check(&["a"], "/mcp/", Ok(Route::Server("a")));
        check(&["a"], "/a/mcp", Ok(Route::Server("a")));
        check(&["a", "b"], "/b/mcp", Ok(Route::Server("b")));
        check(&["a", "b"], "/mcp", Err(RefusedReason::NoSuchServer));
        check(&["a"], "/c/mcp", Err(RefusedReason::NoSuchServer));
        check(&["a"], "/a/b/mcp", Err(RefusedReason::NoSuchServer));
        check(&["a"], "//mcp", Err(RefusedReason::NoSuchServer));
        check(&["a"], "/", Err(RefusedReason::NoSuchServer));
        check(&["a"], "/metrics", Ok(Route::Metrics));
        let of = |server, by_short_path| {
            Ok(Route::Resource {
                server,
                by_short_path,
            })
        };
        let at = |path: &str| format!("/.well-known/oauth-protected-resource{path}");
        check(&["a"], &at("/mcp"), of("a", true));
        check(&["a", "b"], &at("/b/mcp"), of("b", false));
        let none = Err(RefusedReason::NoSuchServer);
        check(
            &["a", "b"],
            "/.well-known/oauth-protected-resource/mcp",
            none,
        );
        check(&["a"], "/.well-known/oauth-protected-resource", none);
        check(&["a"], &at("mcp"), none);
    }

    #[test]
    fn a_wrong_path_is_told_the_right_ones() {
        let routes = routes(&["a", "b"]);
        let refusal = decide(
            &Head {
                path: "/mcp",
                host: Some("[::1]:3000"),
                origin: None,
            },
            &routes,
        );
        assert!(
            refusal
                .unwrap_err()
                .message
                .ends_with("there is /a/mcp, /b/mcp")
        );
    }

    #[test]
    fn where_callers_have_to_show_who_they_are_a_wrong_path_is_told_nothing() {
        let mut routes = routes(&["a", "b"]);
        routes.tells_paths = false;
        let head = Head {
            path: "/mcp",
            host: Some("localhost"),
            origin: None,
        };
        let refusal = decide(&head, &routes).unwrap_err();
        assert_eq!(refusal.message, "no MCP server is at this path");
    }

    #[test]
    fn probes_need_no_host_and_others_do() {
        let routes = routes(&["a"]);
        let head = |path, host| Head {
            path,
            host,
            origin: None,
        };
        assert_eq!(
            decide(&head("/livez", Some("10.1.2.3")), &routes),
            Ok(Route::Livez)
        );
        assert_eq!(
            decide(&head("/mcp", Some("evil.example.com")), &routes)
                .unwrap_err()
                .reason,
            RefusedReason::Host
        );
        let evil = Head {
            path: "/mcp",
            host: Some("localhost"),
            origin: Some("http://evil.example.com"),
        };
        assert_eq!(
            decide(&evil, &routes).unwrap_err().reason,
            RefusedReason::Origin
        );
    }

    #[test]
    fn metrics_are_given_to_whoever_asks_by_address_and_to_no_page() {
        let mut routes = routes(&["a"]);
        let asked = |path, host, origin, routes: &Routes| {
            let head = Head {
                path,
                host: Some(host),
                origin,
            };
            decide(&head, routes)
                .map(|route| route == Route::Metrics)
                .map_err(|r| r.reason)
        };
        for host in ["10.1.2.3:3000", "10.1.2.3", "[fd00::1]:3000", "[fd00::1]"] {
            assert_eq!(asked("/metrics", host, None, &routes), Ok(true), "{host}");
            assert_eq!(
                asked("/mcp", host, None, &routes),
                Err(RefusedReason::Host),
                "{host}"
            );
            let page = Some("http://evil.example.com");
            assert_eq!(
                asked("/metrics", host, page, &routes),
                Err(RefusedReason::Origin)
            );
        }
        for name in ["evil.example.com", "10.1.2.3.example.com", "10.1.2.3:x", ""] {
            assert_eq!(
                asked("/metrics", name, None, &routes),
                Err(RefusedReason::Host),
                "{name}"
            );
        }
        routes.metrics = false;
        assert_eq!(
            asked("/metrics", "10.1.2.3", None, &routes),
            Err(RefusedReason::Host)
        );
    }

    /// Pieces that hosts, origins and paths are made of, good and bad.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("localhost"),
            Just("127.0.0.1"),
            Just("[::1]"),
            Just("evil.example.com"),
            Just("http://"),
            Just("https://"),
            Just(":3000"),
            Just("/"),
            Just("//"),
            Just(".."),
            Just("%2f"),
            Just("a"),
            Just("b"),
            Just("mcp"),
            Just("metrics"),
            Just("["),
            Just("]"),
            Just("@"),
            Just("\u{e9}"),
            Just(" "),
        ];
        prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        /// Whatever a head says, it goes to a server only by the server's own path, by a name of ours, and from nowhere
        /// else than from us.
        #[test]
        fn any_head_goes_to_its_server_or_nowhere(
            path in pieces(),
            host in prop::option::of(pieces()),
            origin in prop::option::of(pieces()),
        ) {
            let routes = routes(&["a", "b"]);
            let head = Head { path: &path, host: host.as_deref(), origin: origin.as_deref() };
            if let Ok(Route::Server(name)) = decide(&head, &routes) {
                prop_assert_eq!(path.trim_end_matches('/'), format!("/{name}/mcp"));
                let foreign = |text: &Option<String>| text.as_ref().is_some_and(|t| {
                    let t = t.trim().trim_start_matches("http://").trim_start_matches("https://");
                    t.starts_with("evil") || t.starts_with('a') || t.is_empty()
                });
                prop_assert!(!foreign(&host) && !foreign(&origin), "{:?} {:?}", host, origin);
            }
        }
    }
}
