//! What a configuration may say and better would not: literal secrets, packages without a version,
//! privileged containers, addresses without encryption.

use ph_base::diagnostic::Problem;
use ph_record::mask;
use ph_record::redact::KEYS;

use crate::node::{Data, Node};
use crate::reader::Reader;

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
    let program = program.rsplit(['/', '\\']).next().unwrap_or_default();
    let Some(args) = node.entry("args") else {
        return;
    };
    let items = args.value.items();
    let words: Vec<String> = items.iter().map(text).collect();
    let risky = match program {
        "npx" | "bunx" | "pnpx" | "uvx" | "pipx" => unpinned(program, &words),
        "docker" | "podman" | "nerdctl" => privileged(&words),
        "sh" | "bash" | "zsh" | "dash" => piped(&words),
        _ => None,
    };
    if let Some((nth, what, hint)) = risky
        && let Some(item) = items.get(nth)
    {
        reader.within(args, |reader| {
            reader.within_item(nth, |reader| {
                reader.report_with(&item.at, Problem::Risky { what }, Some(hint.to_owned()));
            });
        });
    }
}

type Finding = (usize, &'static str, &'static str);

/// A package that a new version of may run at any start.
fn unpinned(program: &str, words: &[String]) -> Option<Finding> {
    const WHAT: &str = "the package has no fixed version: what runs may change with any start";
    // `--from PACKAGE COMMAND`, `-p PACKAGE`, `--package=PACKAGE`, else the first that is no option.
    let named = words
        .iter()
        .position(|word| matches!(word.as_str(), "--from" | "--spec" | "-p" | "--package"));
    let nth = match named {
        Some(nth) => nth + 1,
        None => words
            .iter()
            .position(|word| !(word.starts_with('-') || program == "pipx" && word == "run"))?,
    };
    let package = words.get(nth)?;
    if package.contains("${") || package.starts_with(['.', '/']) {
        return None;
    }
    let is_python = matches!(program, "uvx" | "pipx");
    let version = if is_python && package.contains("==") {
        package.split_once("==").map(|(_, version)| version)
    } else {
        package
            .get(1..)
            .and_then(|rest| rest.rsplit_once('@'))
            .map(|(_, version)| version)
    };
    let is_fixed = version.is_some_and(|version| {
        version.starts_with(|c: char| c.is_ascii_digit())
            && !version.contains(['^', '~', '*', 'x', '|', '<', '>', ' '])
            || version.len() == 40 && version.bytes().all(|b| b.is_ascii_hexdigit())
    });
    let hint = if is_python {
        "name a version: `package==1.2.3`"
    } else {
        "name a version: `package@1.2.3`"
    };
    (!is_fixed).then_some((nth, WHAT, hint))
}

/// A container that may do what the host may.
fn privileged(words: &[String]) -> Option<Finding> {
    const WHAT: &str = "the container has the rights of the host";
    let nth = words.iter().position(|word| {
        word == "--privileged"
            || word.starts_with("--privileged=t")
            || word.contains("docker.sock")
            || matches!(
                word.as_str(),
                "--pid=host" | "--cap-add=ALL" | "--cap-add=SYS_ADMIN"
            )
    })?;
    Some((nth, WHAT, "leave it out, and give single capabilities"))
}

/// A script from the network into a shell.
fn piped(words: &[String]) -> Option<Finding> {
    const WHAT: &str = "a script from the network is run unseen";
    let nth = words.iter().position(|word| {
        (word.contains("curl ") || word.contains("wget ")) && word.contains('|')
    })?;
    Some((nth, WHAT, "keep the script, and run it from a file"))
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
            "{command: docker, args: [run, --privileged, image]}",
            &["--privileged servers.a.args[1]"],
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
            "{command: docker, args: [run, -i, image]}",
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
