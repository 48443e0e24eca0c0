//! The name of a server that nobody named: from its command or its address.

use ph_base::ServerName;

/// The name that a command suggests: its first word that is neither a runner nor a flag, without
/// directories, scope, version and file extension.
///
/// `npx -y @modelcontextprotocol/server-everything@1.2` → `server-everything`.
pub(crate) fn name_of_command(argv: &[String]) -> ServerName {
    let mut words = argv.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if takes_value(word) {
            words.next();
        } else if !word.starts_with('-') && !is_assignment(word) && !is_runner(last_segment(word)) {
            return cleaned(bare(last_segment(word)));
        }
    }
    // Only a runner: a server called `python` is better than none.
    cleaned(argv.first().map_or("", |program| last_segment(program)))
}

/// Any text as a server name: other characters become `-`.
pub(crate) fn cleaned(text: &str) -> ServerName {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = text
        .chars()
        .map(|c| if is_allowed(c) { c } else { '-' })
        .take(ServerName::LEN_MAX)
        .collect();
    let name = name.trim_matches('-');
    ServerName::parse(name).unwrap_or_else(|_| {
        ServerName::parse(NAMELESS).expect("the fallback is a valid name: six letters")
    })
}

const NAMELESS: &str = "server";

/// Programs that start something else, and their sub-commands.
fn is_runner(word: &str) -> bool {
    const RUNNERS: [&str; 27] = [
        "bun", "bunx", "cmd", "cmd.exe", "deno", "dlx", "docker", "env", "exec", "go", "java",
        "node", "nodejs", "npm", "npx", "pipx", "pnpm", "podman", "python", "run", "sudo", "tool",
        "tsx", "uv", "uvx", "x", "yarn",
    ];
    let is_python = word
        .strip_prefix("python")
        .is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'));
    is_python || RUNNERS.contains(&word)
}

/// Flags of runners whose next word is their value, not the server.
fn takes_value(word: &str) -> bool {
    const WITH_VALUE: [&str; 17] = [
        "-e",
        "-p",
        "-v",
        "--directory",
        "--env",
        "--env-file",
        "--from",
        "--import",
        "--mount",
        "--name",
        "--network",
        "--package",
        "--project",
        "--python",
        "--require",
        "--volume",
        "--with",
    ];
    WITH_VALUE.contains(&word)
}

/// `KEY=value`, as `env` takes it.
fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| crate::interpolate::is_variable_name(name))
}

fn last_segment(word: &str) -> &str {
    word.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(word)
}

/// Without version (`@1.2`, `==1.2`, `:latest`), extras (`[cli]`) and file extension.
fn bare(name: &str) -> &str {
    let end = name
        .char_indices()
        .skip(1)
        .find(|(_, c)| matches!(c, '@' | ':' | '[' | '=' | '<' | '>' | '~'));
    let name = end.map_or(name, |(end, _)| &name[..end]);
    const EXTENSIONS: [&str; 7] = [".js", ".mjs", ".cjs", ".ts", ".py", ".jar", ".sh"];
    EXTENSIONS
        .iter()
        .find_map(|ext| name.strip_suffix(ext))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, want: &str) {
        let argv: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        assert_eq!(name_of_command(&argv).as_str(), want, "command {command:?}");
    }

    #[test]
    fn commands() {
        check(
            "npx -y @modelcontextprotocol/server-everything@1.2",
            "server-everything",
        );
        check(
            "npx -y @modelcontextprotocol/server-filesystem /srv/files",
            "server-filesystem",
        );
        check(
            "uvx mcp-server-git --repository /srv/repo",
            "mcp-server-git",
        );
        check(
            "uvx --from mcp-server-fetch==2025.1.17 mcp-server-fetch",
            "mcp-server-fetch",
        );
        check("uvx mcp-server-time@latest", "mcp-server-time");
        check(
            "python3 -m mcp_server_sqlite --db x.db",
            "mcp_server_sqlite",
        );
        check("python3.11 server.py", "server");
        check("/usr/bin/python /opt/tools/weather.py", "weather");
        check("uv run --directory /opt/app mcp-app", "mcp-app");
        check("node ./dist/index.js", "index");
        check("docker run -i --rm -e TOKEN mcp/fetch:latest", "fetch");
        check("env TOKEN=a my-server", "my-server");
        check("/opt/bin/my-server --flag", "my-server");
        check("./my server", "my");
        check("python", "python");
        check("npx -y", "npx");
        check("", "server");
        check("/", "server");
        check("Ünïcode", "n-code");
        check(&"a".repeat(100), &"a".repeat(64));
    }
}
