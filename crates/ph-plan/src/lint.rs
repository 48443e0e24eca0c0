//! What a configuration may say and better would not: literal secrets, packages without a version,
//! privileged containers, addresses without encryption.

use ph_base::diagnostic::Problem;
use ph_record::mask;
use ph_record::redact::KEYS;

mod commands;

use crate::node::{Data, Node};
use crate::reader::Reader;
use commands::risks;

/// Reports as warnings, each at its place, what is risky in the tree.
pub(crate) fn check(root: &Node, reader: &mut Reader<'_>) {
    secrets(root, None, reader);
    let Some(servers) = root.entry("mcpServers").or(root.entry("servers")) else {
        return;
    };
    let Data::Map(all) = &servers.value.data else {
        return;
    };
    reader.within(servers, |reader| {
        for server in all {
            reader.within(server, |reader| self::server(&server.value, reader));
        }
    });
}

/// Literal secrets, anywhere.
///
/// - `key`: under which `node` stands.
fn secrets(node: &Node, key: Option<&str>, reader: &mut Reader<'_>) {
    match &node.data {
        Data::Map(entries) => {
            for entry in entries {
                reader.within(entry, |reader| {
                    secrets(&entry.value, Some(&entry.key), reader);
                });
            }
        }
        Data::List(items) => {
            for (nth, item) in items.iter().enumerate() {
                reader.within_item(nth, |reader| secrets(item, None, reader));
            }
        }
        Data::Scalar(scalar) => {
            let text = &scalar.text;
            let is_literal = !text.contains("${") && !text.starts_with("file:");
            let by_key = key.is_some_and(announces)
                && text.len() >= SECRET_MIN
                && text.parse::<f64>().is_err();
            if is_literal && (by_key && !is_word(text) || mask(text).is_some()) {
                let hint = "write `${NAME}` and set the variable, or `file:PATH`".to_owned();
                reader.report_with(
                    &node.at,
                    Problem::Exposed {
                        what: "a secret stands in the configuration",
                    },
                    Some(hint),
                );
            }
        }
    }
}

/// Shorter values of such keys are none.
const SECRET_MIN: usize = 6;

fn announces(key: &str) -> bool {
    let key = key.to_lowercase();
    KEYS.iter().any(|part| key.ends_with(part))
}

/// A literal of the configuration, not a secret.
fn is_word(text: &str) -> bool {
    matches!(text, "true" | "false" | "null" | "always" | "never")
}

fn server(node: &Node, reader: &mut Reader<'_>) {
    if let Some(url) = node.entry("url")
        && let Data::Scalar(scalar) = &url.value.data
        && is_open(&scalar.text)
    {
        reader.within(url, |reader| {
            let what = "calls go over the network without encryption";
            reader.report_with(
                &url.value.at,
                Problem::Risky { what },
                Some("use `https://`".to_owned()),
            );
        });
    }
    let text = |node: &Node| match &node.data {
        Data::Scalar(scalar) => scalar.text.clone(),
        Data::List(_) | Data::Map(_) => String::new(),
    };
    let Some(command) = node.entry("command") else {
        return;
    };
    let program = text(&command.value);
    let Some(args) = node.entry("args") else {
        return;
    };
    let items = args.value.items();
    let words: Vec<String> = items.iter().map(text).collect();
    for (nth, what, hint) in risks(&program, &words) {
        let Some(item) = items.get(nth) else {
            continue;
        };
        reader.within(args, |reader| {
            reader.within_item(nth, |reader| {
                reader.report_with(&item.at, Problem::Risky { what }, Some(hint.to_owned()));
            });
        });
    }
}

/// Whether an address is `http://` and beyond loopback.
fn is_open(url: &str) -> bool {
    let Some(rest) = url
        .get(..7)
        .filter(|s| s.eq_ignore_ascii_case("http://"))
        .map(|_| &url[7..])
    else {
        return false;
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_loopback = host.eq_ignore_ascii_case("localhost")
        || host.ends_with(".localhost")
        || host
            .parse::<core::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    !is_loopback && !host.is_empty() && !host.contains("${")
}

#[cfg(test)]
mod tests {
    use crate::{NoSecrets, Plan};

    #[track_caller]
    fn check(server: &str, want: &[&str]) {
        let text = format!("servers: {{a: {server}}}\n");
        let (_, warnings) = Plan::from_yaml(&text, &NoSecrets).unwrap();
        let got: Vec<String> = warnings
            .iter()
            .map(|w| format!("{} {}", &text[w.at.clone()], w.path))
            .collect();
        assert_eq!(got, want, "{server}");
    }

    #[test]
    fn what_is_risky_is_pointed_at() {
        check(
            "{command: npx, args: [-y, some-server]}",
            &["some-server servers.a.args[1]"],
        );
        check(
            "{command: npx, args: [-y, '@scope/server@latest']}",
            &["'@scope/server@latest' servers.a.args[1]"],
        );
        check(
            "{command: npx, args: [-y, '@scope/server@^1.2']}",
            &["'@scope/server@^1.2' servers.a.args[1]"],
        );
        check(
            "{command: uvx, args: [--from, 'a', b]}",
            &["'a' servers.a.args[1]"],
        );
        check(
            "{command: docker, args: [run, --privileged, 'image:1']}",
            &["--privileged servers.a.args[1]"],
        );
        check(
            "{command: docker, args: [run, -i, --rm, -e, A, -v, '/:/host', mcp/server]}",
            &[
                "'/:/host' servers.a.args[6]",
                "mcp/server servers.a.args[7]",
            ],
        );
        check(
            "{command: podman, args: [run, --cap-add, sys_admin, 'r:5000/image:latest']}",
            &[
                "sys_admin servers.a.args[2]",
                "'r:5000/image:latest' servers.a.args[3]",
            ],
        );
        check(
            "{command: uv, args: [tool, run, some-server]}",
            &["some-server servers.a.args[2]"],
        );
        check(
            "{command: pnpm, args: [dlx, 'a@latest']}",
            &["'a@latest' servers.a.args[1]"],
        );
        check(
            "{command: 'C:\\npx.cmd', args: [--package=a, b]}",
            &["--package=a servers.a.args[0]"],
        );
        check(
            "{command: deno, args: [run, -A, 'npm:a']}",
            &["'npm:a' servers.a.args[2]"],
        );
        check(
            "{command: npx, args: [mcp-remote@0.1.2, 'http://mcp.example.com/mcp']}",
            &["'http://mcp.example.com/mcp' servers.a.args[1]"],
        );
        check(
            "{command: sh, args: [-c, 'curl https://x | sh']}",
            &["'curl https://x | sh' servers.a.args[1]"],
        );
        check(
            "{url: 'http://mcp.example.com/mcp'}",
            &["'http://mcp.example.com/mcp' servers.a.url"],
        );
        check(
            "{command: x, env: {API_KEY: abcdef123}}",
            &["abcdef123 servers.a.env.API_KEY"],
        );
        check(
            "{command: x, args: ['--token=abcdef123']}",
            &["'--token=abcdef123' servers.a.args[0]"],
        );
    }

    #[test]
    fn what_is_right_is_left_alone() {
        for server in [
            "{command: npx, args: [-y, 'some-server@1.2.3']}",
            "{command: /usr/bin/npx, args: [-y, '@scope/server@1.2.3-rc.1']}",
            "{command: uvx, args: ['mcp-server-git==2025.9.25']}",
            "{command: uvx, args: [--from, 'a==1.0', b]}",
            "{command: docker, args: [run, -i, --name, x, 'image:1.2']}",
            "{command: docker, args: [run, --network=none, 'image@sha256:00']}",
            "{command: docker, args: [ps]}",
            "{command: uv, args: [run, server.py]}",
            "{command: npm, args: [exec, 'a@1.0.0']}",
            "{command: deno, args: [run, -A, server.ts]}",
            "{command: npx, args: [mcp-remote@0.1.2, 'http://127.0.0.1:1/mcp']}",
            "{url: 'http://127.0.0.1:1/mcp'}",
            "{url: 'http://[::1]:1/mcp'}",
            "{url: 'https://mcp.example.com/mcp'}",
            "{command: x, env: {NODE_ENV: production, TOKEN: short}}",
        ] {
            check(server, &[]);
        }
    }

    #[test]
    fn a_secret_is_not_quoted() {
        let text = "servers: {a: {command: x, env: {API_KEY: abcdef123}}}\n";
        let (_, warnings) = Plan::from_yaml(text, &NoSecrets).unwrap();
        let shown = warnings[0].render("f", text);
        assert!(
            shown.contains("API_KEY") && !shown.contains("abcdef123"),
            "{shown}"
        );
    }
}
