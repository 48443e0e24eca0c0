//! The name of a server that nobody named: from its command or its address.

use ph_base::ServerName;

/// The name that a command suggests: its first word that is neither a runner nor a flag, without
/// scope, version and file extension; of a path, what is nearest to its end and says something.
///
/// `npx -y @modelcontextprotocol/server-everything@1.2` → `server-everything`.
pub(crate) fn name_of_command(argv: &[String]) -> ServerName {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    match script(&words) {
        Some(script) => name_of_words(&last_command(script)),
        None => name_of_words(&words),
    }
}

fn name_of_words(words: &[&str]) -> ServerName {
    let mut runner = "";
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        let last = last_segment(word);
        if word == "-m"
            && is_python(runner)
            && let Some(module) = rest.next()
        {
            return cleaned(telling(module.rsplit('.'), module));
        }
        if takes_value(runner, word) {
            rest.next();
        } else if is_runner(last) || is_script_runner(last, rest.clone().next()) {
            runner = last;
        } else if !is_passed_over(runner, word) {
            return name_of_word(word);
        }
    }
    // Only a runner: a server called `python` is better than none.
    cleaned(words.first().map_or("", |program| last_segment(program)))
}

/// `@scope/package@1.2`, `registry/image:tag`, `path/to/dist/index.js`.
fn name_of_word(word: &str) -> ServerName {
    let word = ["npm:", "jsr:"]
        .iter()
        .find_map(|registry| word.strip_prefix(registry))
        .unwrap_or(word);
    let last = bare(last_segment(word));
    let outer = segments(word).rev().skip(1);
    cleaned(telling(
        std::iter::once(last).chain(outer.map(bare_of_folder)),
        last,
    ))
}

/// The first of `names` that says what the server is, else `last`.
fn telling<'a>(mut names: impl Iterator<Item = &'a str>, last: &'a str) -> &'a str {
    names.find(|name| !is_generic(name)).unwrap_or(last)
}

/// Names that every other server has too.
fn is_generic(name: &str) -> bool {
    const GENERIC: [&str; 29] = [
        "__init__",
        "__main__",
        "app",
        "bin",
        "build",
        "cli",
        "cmd",
        "cmds",
        "dist",
        "home",
        "index",
        "lib",
        "local",
        "main",
        "mcp",
        "mod",
        "node_modules",
        "opt",
        "out",
        "release",
        "run",
        "server",
        "src",
        "srv",
        "start",
        "target",
        "tmp",
        "usr",
        "var",
    ];
    name.is_empty() || name.starts_with('.') || GENERIC.contains(&name)
}

/// The text that a shell is to run: `sh -c TEXT`.
fn script<'a>(words: &[&'a str]) -> Option<&'a str> {
    let shell = words.iter().position(|word| is_shell(last_segment(word)))?;
    let mut rest = words[shell + 1..].iter();
    let is_command = |word: &&&str| word.starts_with('-') && word.ends_with('c');
    rest.find(is_command)?;
    rest.next().copied()
}

/// The words of the last command of a script, which is the one that stays; no more than a guess.
fn last_command(script: &str) -> Vec<&str> {
    let mut commands = script.split(['\n', ';', '&', '|']).map(str::trim);
    let last = commands.rfind(|command| !command.is_empty()).unwrap_or("");
    let unquoted = last
        .split_whitespace()
        .map(|word| word.trim_matches(['"', '\'']));
    unquoted.collect()
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

/// Programs that start something else.
fn is_runner(word: &str) -> bool {
    const RUNNERS: [&str; 21] = [
        "bun", "bunx", "cmd", "cmd.exe", "deno", "docker", "env", "go", "java", "node", "nodejs",
        "npm", "npx", "pipx", "pnpm", "podman", "sudo", "tsx", "uv", "uvx", "yarn",
    ];
    is_python(word) || is_shell(word) || RUNNERS.contains(&word)
}

/// What stands between a runner and what it runs.
fn is_passed_over(runner: &str, word: &str) -> bool {
    let is_subcommand = matches!(word, "dlx" | "exec" | "run" | "tool" | "x");
    // `cmd /c npx …`
    let is_flag_of_cmd = runner.starts_with("cmd") && word.eq_ignore_ascii_case("/c");
    word.starts_with('-') || is_assignment(word) || is_subcommand || is_flag_of_cmd
}

fn is_shell(word: &str) -> bool {
    matches!(word, "ash" | "bash" | "dash" | "ksh" | "sh" | "zsh")
}

fn is_python(word: &str) -> bool {
    word.strip_prefix("python")
        .is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// The runners of the Python SDKs: `mcp run server.py`.
fn is_script_runner(word: &str, next: Option<&str>) -> bool {
    matches!(word, "mcp" | "fastmcp") && next == Some("run")
}

/// Flags of `runner` whose next word is their value, not the server.
fn takes_value(runner: &str, word: &str) -> bool {
    const OF_ANY: [&str; 19] = [
        "--cwd",
        "--directory",
        "--env",
        "--env-file",
        "--from",
        "--import",
        "--loader",
        "--mount",
        "--name",
        "--network",
        "--package",
        "--prefix",
        "--project",
        "--python",
        "--require",
        "--volume",
        "--with",
        "--with-editable",
        "--with-requirements",
    ];
    const OF_CONTAINERS: [&str; 23] = [
        "-e",
        "-h",
        "-l",
        "-m",
        "-p",
        "-u",
        "-v",
        "-w",
        "--add-host",
        "--cap-add",
        "--cap-drop",
        "--cpus",
        "--entrypoint",
        "--hostname",
        "--label",
        "--memory",
        "--net",
        "--platform",
        "--pull",
        "--security-opt",
        "--tmpfs",
        "--user",
        "--workdir",
    ];
    let own: &[&str] = match runner {
        "docker" | "podman" => &OF_CONTAINERS,
        "sudo" => &["-u", "-g"],
        "env" => &["-u", "-C"],
        "node" | "nodejs" | "tsx" | "bun" => &["-r"],
        "java" => &["-cp", "-classpath"],
        "npx" | "uv" | "uvx" => &["-p"],
        python if is_python(python) => &["-W", "-X"],
        _ => &[],
    };
    OF_ANY.contains(&word) || own.contains(&word)
}

/// `KEY=value`, as `env` takes it.
fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| crate::interpolate::is_variable_name(name))
}

fn last_segment(word: &str) -> &str {
    segments(word).next_back().unwrap_or(word)
}

/// The parts of a path that have a name, of either system.
fn segments(word: &str) -> impl DoubleEndedIterator<Item = &str> {
    word.split(['/', '\\'])
        .filter(|segment| !segment.is_empty())
}

/// A folder or scope without `@`s: `@scope`, `package@1.2`.
fn bare_of_folder(name: &str) -> &str {
    let name = name.strip_prefix('@').unwrap_or(name);
    name.split('@').next().unwrap_or(name)
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
        check("node --import x.mjs -r y ./weather.mjs", "weather");
        check("npx -y -p @acme/tools weather-mcp", "weather-mcp");
        check("uv run --with x y", "y");
        check("uv run --with mcp[cli] mcp run weather.py", "weather");
        check("uv run python -u weather.py", "weather");
        check("deno run -A jsr:@acme/weather@1", "weather");
        check("java -jar /opt/weather.jar", "weather");
        check("cmd /c npx -y weather-mcp", "weather-mcp");
        check("sudo -u nobody weather-mcp", "weather-mcp");
        check("env A=B C= node weather.js", "weather");
        check("/usr/bin/env -u A B=c python3 weather.py", "weather");
        check(
            "docker run --rm -i -u 1000 -v /a:/b ghcr.io/acme/weather:1.2",
            "weather",
        );
        check(
            "podman run localhost:5000/weather@sha256:00ff --flag",
            "weather",
        );
        check("docker run -i --rm -e TOKEN mcp/fetch:latest", "fetch");
        check("env TOKEN=a my-server", "my-server");
        check("/opt/bin/my-server --flag", "my-server");
        check("./my server", "my");
        check("mcp", "mcp");
        check("python", "python");
        check("npx -y", "npx");
        check("", "server");
        check("/", "server");
        check("Ünïcode", "n-code");
        check(&"a".repeat(100), &"a".repeat(64));
    }

    #[test]
    fn what_every_server_is_called_says_nothing() {
        check(
            "node /srv/node_modules/@modelcontextprotocol/server-everything/dist/index.js",
            "server-everything",
        );
        check("node ./dist/index.js", "index");
        check("node weather/build/src/main.js", "weather");
        check(r"node C:\tools\weather\dist\index.js", "weather");
        check("npx -y @playwright/mcp@latest", "playwright");
        check("npx @acme/server@1", "acme");
        check("docker run -i mcp/fetch", "fetch");
        check("python -m pkg.mod", "pkg");
        check("python3 -m acme.weather", "weather");
        check("python -m weather.server --port 1", "weather");
        check("python -m weather.__main__", "weather");
        check("python -m", "python");
        check("uv run /home/weather/src/server.py", "weather");
        check("go run ./cmd/server", "server");
        check("/opt/acme/bin/server", "acme");
        check("/app/server.py", "server");
    }

    #[test]
    fn a_shell_is_named_after_what_it_runs() {
        #[track_caller]
        fn check(argv: &[&str], want: &str) {
            let argv: Vec<String> = argv.iter().map(|w| (*w).to_owned()).collect();
            assert_eq!(name_of_command(&argv).as_str(), want, "{argv:?}");
        }
        check(&["sh", "-c", "npx -y weather-mcp"], "weather-mcp");
        check(
            &[
                "/bin/bash",
                "-lc",
                "cd /srv/x && exec node 'weather/dist/index.js'",
            ],
            "weather",
        );
        check(
            &["env", "A=B", "sh", "-c", "A=1 python3 weather.py;"],
            "weather",
        );
        check(&["sh", "-c", ""], "server");
        check(&["sh", "-c"], "sh");
        check(&["sh", "weather.sh"], "weather");
    }
}
