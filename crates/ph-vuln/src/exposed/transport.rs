//! Whether an advisory is about a server that speaks HTTP, by its words. A guess, and said so.

use crate::Finding;

/// Words of a summary that are about servers of HTTP, in lower case. Words about clients of HTTP (SSRF, redirects) are
/// not among them: a server on stdio asks others by HTTP, too.
const WORDS: &[&str] = &[
    "dns rebinding",
    "dns-rebinding",
    "cross-site request forgery",
    "csrf",
    "clickjacking",
    "cors ",
    "cross-origin",
    "streamable http",
    "streamablehttp",
    "sse transport",
    "sse server",
    "http server",
    "http transport",
    "websocket hijacking",
    "open redirect",
    "session fixation",
    "host header",
];

/// Weaknesses that only a server of HTTP has.
const CWES: &[(&str, &str)] = &[
    ("CWE-350", "trust in DNS names"),
    ("CWE-352", "cross-site request forgery"),
    ("CWE-384", "session fixation"),
    ("CWE-601", "open redirect"),
    ("CWE-942", "cross-origin policy"),
    ("CWE-1021", "clickjacking"),
    ("CWE-1385", "origins of WebSockets"),
];

/// What to say of a finding in a server that is reached by stdio: none where it does not seem to be about HTTP.
#[must_use]
pub fn only_http(finding: &Finding) -> Option<String> {
    let summary = format!("{} ", finding.summary.to_lowercase());
    let by_word = WORDS.iter().find(|word| summary.contains(**word));
    let by_cwe = || {
        let named = |id: &String| CWES.iter().find(|(cwe, _)| cwe == id);
        finding.cwes.iter().find_map(named)
    };
    let sign = match by_word {
        Some(word) => format!("its summary says \"{}\"", word.trim()),
        None => by_cwe().map(|(id, what)| format!("it is {id}, {what}"))?,
    };
    Some(format!(
        "this server is reached by stdio, and the advisory seems to be about servers of HTTP ({sign}): a guess by its words, which closes nothing"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{component, finding};

    fn said(summary: &str, cwes: &[&str]) -> Option<String> {
        only_http(&Finding {
            summary: summary.to_owned(),
            cwes: cwes.iter().map(|&id| id.to_owned()).collect(),
            ..finding("GHSA-1", component("a", "1.0.0"), 7.0)
        })
    }

    #[test]
    fn what_only_servers_of_http_have_is_said_with_the_sign() {
        let text = said(
            "Model Context Protocol (MCP) TypeScript SDK does not enable DNS rebinding protection by default",
            &[],
        );
        assert!(text.unwrap().contains("its summary says \"dns rebinding\""));
        let text = said(
            "MCP Python SDK has Unhandled Exception in Streamable HTTP Transport, Leading to Denial of Service",
            &["CWE-248"],
        );
        assert!(text.is_some());
        let text = said("Improper check", &["CWE-20", "CWE-352"]).unwrap();
        assert!(
            text.contains("it is CWE-352, cross-site request forgery") && text.contains("a guess"),
            "{text}"
        );
        assert!(said("Missing CORS", &[]).is_some());
    }

    #[test]
    fn what_a_server_on_stdio_has_too_is_not() {
        for summary in [
            "Prototype Pollution in lodash",
            "axios Requests Vulnerable To Possible SSRF and Credential Leakage via Absolute URL",
            "@modelcontextprotocol/server-filesystem allows for path validation bypass",
            "path-to-regexp contains a ReDoS",
            "tar cores dump",
        ] {
            assert_eq!(said(summary, &["CWE-918"]), None, "{summary}");
        }
    }
}
