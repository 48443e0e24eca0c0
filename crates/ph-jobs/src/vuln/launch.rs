//! What a command line starts, as far as its words say: the one place that reads them.

use ph_inventory::{Component, Ecosystem};

/// What a command line starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Launch {
    /// `npx pkg`, `npm exec pkg`.
    Npx {
        /// The packages that it asks for, as written.
        packages: Vec<String>,
    },
    /// `bunx pkg`, `pnpm dlx pkg`, `yarn dlx pkg`: like npx, but where they put it is not known.
    Fetched {
        /// The program.
        runner: String,
        /// The packages that it asks for, as written.
        packages: Vec<String>,
    },
    /// `uvx pkg`, `uv tool run pkg`, `pipx run pkg`.
    PythonTool {
        /// The package that it asks for, as written.
        package: String,
        /// What it asks for beside it, as written.
        with: Vec<String>,
    },
    /// A script for Node, Bun or Deno.
    NodeScript(String),
    /// A script or module for Python.
    Python {
        /// The interpreter as written.
        interpreter: String,
        /// The script; none for a module.
        script: Option<String>,
        /// The module; none for a script, and for code in the command line.
        module: Option<String>,
    },
    /// `uv run …`: the environment of a project.
    UvRun {
        /// Its folder, where one is named.
        folder: Option<String>,
    },
    /// `docker run image`.
    Image(String),
    /// Any other program.
    Program(String),
    /// What it starts cannot be seen from its words.
    Unseen(String),
}

/// Reads a command line.
pub(super) fn read(argv: &[String]) -> Launch {
    let Some((program, args)) = argv.split_first() else {
        return Launch::Unseen("the command is empty".to_owned());
    };
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    let name = name
        .strip_suffix(".cmd")
        .or_else(|| name.strip_suffix(".exe"))
        .unwrap_or(name);
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match (name, words.as_slice()) {
        ("env", words) => read(&owned(after_env(words))),
        ("npx", words) | ("npm", ["exec" | "x", words @ ..]) => npx(words),
        ("bunx" | "pnpx", words)
        | ("pnpm" | "yarn", ["dlx", words @ ..])
        | ("bun", ["x", words @ ..]) => fetched(name, words),
        ("npm", ["run" | "start" | "run-script", ..]) => unseen("a script of package.json"),
        ("npm", _) => unseen("npm itself"),
        ("uvx", words) => python_tool(words),
        ("uv", ["tool", "run", words @ ..]) => python_tool(words),
        ("uv", words) => uv(words),
        ("pipx", ["run", words @ ..]) => python_tool(words),
        ("node" | "nodejs" | "tsx" | "ts-node" | "bun" | "deno", words) => node(name, words),
        ("docker" | "podman" | "nerdctl", words) => docker(words),
        ("sh" | "bash" | "zsh" | "dash", _) => unseen("a line for a shell"),
        ("pnpm" | "yarn", _) => unseen("a script of package.json"),
        (name, words) if is_python(name) => python(program, words),
        _ => Launch::Program(program.clone()),
    }
}

fn unseen(what: &str) -> Launch {
    Launch::Unseen(format!(
        "it is {what}, whose packages cannot be told from the command"
    ))
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// `env A=1 -u B cmd …` → `cmd …`.
fn after_env<'a>(words: &'a [&'a str]) -> &'a [&'a str] {
    let mut rest = words;
    while let Some((first, after)) = rest.split_first() {
        match *first {
            "-u" | "-C" | "--unset" | "--chdir" => rest = after.get(1..).unwrap_or_default(),
            word if word.starts_with('-') || word.contains('=') => rest = after,
            _ => break,
        }
    }
    rest
}

fn npx(words: &[&str]) -> Launch {
    let (packages, is_line) = npm_packages(words);
    match packages.is_empty() {
        true if is_line => unseen("a line for a shell"),
        true => Launch::Unseen("the command names no package".to_owned()),
        false => Launch::Npx { packages },
    }
}

fn fetched(runner: &str, words: &[&str]) -> Launch {
    let (packages, _) = npm_packages(words);
    if packages.is_empty() {
        return Launch::Unseen("the command names no package".to_owned());
    }
    Launch::Fetched {
        runner: runner.to_owned(),
        packages,
    }
}

/// The packages that runners of npm packages are asked for, and whether a line for a shell is run with them.
fn npm_packages(words: &[&str]) -> (Vec<String>, bool) {
    let mut packages = Vec::new();
    let mut is_line = false;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match *word {
            "-p" | "--package" => packages.extend(rest.next().map(|word| (*word).to_owned())),
            "-c" | "--call" => {
                is_line = true;
                rest.next();
            }
            "-w" | "--workspace" | "--cache" | "--registry" | "--loglevel" => {
                rest.next();
            }
            "--" => {
                if packages.is_empty() && !is_line {
                    packages.extend(rest.next().map(|word| (*word).to_owned()));
                }
                break;
            }
            word if word.starts_with("--package=") => {
                packages.push(word["--package=".len()..].to_owned());
            }
            word if word.starts_with('-') => {}
            word => {
                if packages.is_empty() && !is_line {
                    packages.push(word.to_owned());
                }
                break;
            }
        }
    }
    (packages, is_line)
}

fn python_tool(words: &[&str]) -> Launch {
    let mut from = None;
    let mut with = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match *word {
            "--from" | "--spec" => from = rest.next().map(|word| (*word).to_owned()),
            "--with" => with.extend(rest.next().map(|word| (*word).to_owned())),
            "--with-editable" | "--python" | "-p" | "--index-url" | "--index"
            | "--default-index" | "--extra-index-url" | "--cache-dir" | "-c" | "--constraints" => {
                rest.next();
            }
            word if word.starts_with("--from=") => from = Some(word["--from=".len()..].to_owned()),
            word if word.starts_with("--spec=") => from = Some(word["--spec=".len()..].to_owned()),
            word if word.starts_with("--with=") => with.push(word["--with=".len()..].to_owned()),
            word if word.starts_with('-') => {}
            word => {
                let package = from.unwrap_or_else(|| word.to_owned());
                return Launch::PythonTool { package, with };
            }
        }
    }
    Launch::Unseen("the command names no package".to_owned())
}

fn uv(words: &[&str]) -> Launch {
    let mut folder = None;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match *word {
            "--directory" | "--project" => folder = rest.next().map(|word| (*word).to_owned()),
            "run" => {
                return Launch::UvRun {
                    folder: folder.or_else(|| folder_in(rest.as_slice())),
                };
            }
            word if word.starts_with('-') => {}
            _ => break,
        }
    }
    unseen("a subcommand of uv")
}

fn folder_in(words: &[&str]) -> Option<String> {
    let at = words
        .iter()
        .position(|word| matches!(*word, "--directory" | "--project"))?;
    words.get(at + 1).map(|word| (*word).to_owned())
}

/// Scripts for Node that start what others have written.
const RUNNERS: &[&str] = &["npx", "npm", "yarn", "pnpm", "pnpx"];

fn node(name: &str, words: &[&str]) -> Launch {
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match *word {
            "-r"
            | "--require"
            | "--import"
            | "--loader"
            | "--experimental-loader"
            | "-C"
            | "--conditions"
            | "--env-file"
            | "--config"
            | "-c"
            | "--tsconfig" => {
                rest.next();
            }
            "-e" | "--eval" | "-p" | "--print" => return unseen("code in the command line"),
            "run" | "watch" if name != "node" => {}
            word if word.starts_with("npm:")
                || word.starts_with("jsr:")
                || word.contains("://") =>
            {
                return unseen("what the runtime fetches for itself");
            }
            word if word.starts_with('-') => {}
            word => {
                let script = word.rsplit('/').next().unwrap_or(word);
                let script = script.strip_suffix("-cli.js").unwrap_or(script);
                if !RUNNERS.contains(&script) {
                    return Launch::NodeScript(word.to_owned());
                }
                // As the kernel shows `npx pkg`: it starts others, and its own packages are none of the server's.
                let own = std::iter::once(&script).chain(rest);
                return read(&own.map(|word| (*word).to_owned()).collect::<Vec<_>>());
            }
        }
    }
    Launch::Unseen("the command names no script".to_owned())
}

fn is_python(name: &str) -> bool {
    let rest = name
        .strip_prefix("python")
        .or_else(|| name.strip_prefix("pypy"));
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

fn python(interpreter: &str, words: &[&str]) -> Launch {
    let of = |script: Option<&str>, module: Option<&str>| Launch::Python {
        interpreter: interpreter.to_owned(),
        script: script.map(str::to_owned),
        module: module.map(str::to_owned),
    };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match *word {
            "-m" => return of(None, rest.next().copied()),
            "-c" => return of(None, None),
            "-W" | "-X" => {
                rest.next();
            }
            word if word.starts_with("-m") => return of(None, Some(&word[2..])),
            word if word.starts_with("-c") => return of(None, None),
            word if word.starts_with('-') && word.len() > 1 => {}
            word => return of(Some(word), None),
        }
    }
    of(None, None)
}

/// Options of `docker run` that take no value of their own; of all others the next word is the value.
const DOCKER_FLAGS: &[&str] = &[
    "-i",
    "-t",
    "-d",
    "-P",
    "-q",
    "-it",
    "-ti",
    "-di",
    "-id",
    "--rm",
    "--init",
    "--interactive",
    "--tty",
    "--detach",
    "--privileged",
    "--read-only",
    "--no-healthcheck",
    "--oom-kill-disable",
    "--publish-all",
    "--quiet",
    "--sig-proxy",
    "--disable-content-trust",
];

fn docker(words: &[&str]) -> Launch {
    let mut rest = words.iter();
    let is_run = rest
        .by_ref()
        .find(|word| !word.starts_with('-') && **word != "container");
    if is_run != Some(&"run") {
        return unseen("a subcommand of the container engine");
    }
    while let Some(word) = rest.next() {
        if !word.starts_with('-') {
            return Launch::Image((*word).to_owned());
        }
        if !DOCKER_FLAGS.contains(word) && !word.contains('=') {
            rest.next();
        }
    }
    Launch::Unseen("the command names no image".to_owned())
}

/// The packages that a command line fetches and runs, as far as its words say; none for any other command.
pub(super) fn packages(launch: &Launch) -> Vec<Component> {
    match launch {
        Launch::Npx { packages } | Launch::Fetched { packages, .. } => packages
            .iter()
            .filter_map(|spec| component(&Ecosystem::Npm, spec, npm_name(spec)))
            .collect(),
        Launch::PythonTool { package, with } => with
            .iter()
            .chain([package])
            .filter_map(|spec| component(&Ecosystem::PyPi, spec, python_name(spec)))
            .collect(),
        _ => Vec::new(),
    }
}

/// A package of a registry; its version where it is one, and not a range or a tag.
fn component(
    ecosystem: &Ecosystem,
    spec: &str,
    (name, version): (&str, Option<&str>),
) -> Option<Component> {
    let is_elsewhere =
        spec.starts_with(['.', '/']) || spec.contains("://") || spec.starts_with("git+");
    if is_elsewhere || name.is_empty() {
        return None;
    }
    // `a@1` and `a@1.x` are ranges to npm: what its registry gives out today decides.
    let is_whole = |version: &str| {
        let numbers = version.split(['-', '+']).next().unwrap_or_default();
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        numbers.split('.').count() == 3 && numbers.split('.').all(is_number)
    };
    let is_one = |version: &&str| {
        let is_range = version.contains(['*', ' ', '|', '<', '>', ',']);
        let is_number = version.starts_with(|c: char| c.is_ascii_digit());
        is_number && !is_range && (*ecosystem != Ecosystem::Npm || is_whole(version))
    };
    let mut component = Component::new(ecosystem.clone(), name);
    component.version = version.filter(is_one).map(ToOwned::to_owned);
    Some(component)
}

/// The name in `name@version`, `@scope/name@tag`, and what follows it.
pub(super) fn npm_name(spec: &str) -> (&str, Option<&str>) {
    match spec.rfind('@') {
        Some(at) if at > 0 => (&spec[..at], Some(&spec[at + 1..])),
        _ => (spec, None),
    }
}

/// The name in `name`, `name==1.0`, `name@1.0`, `name[extra]>=1`, and the version where it is pinned to one.
pub(super) fn python_name(spec: &str) -> (&str, Option<&str>) {
    let end = spec.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    let name = &spec[..end.unwrap_or(spec.len())];
    let rest = spec[name.len()..].trim();
    let rest = rest.find(']').map_or(rest, |at| rest[at + 1..].trim());
    let version = rest.strip_prefix("==").or_else(|| rest.strip_prefix('@'));
    let is_version = |text: &&str| text.starts_with(|c: char| c.is_ascii_digit());
    (name, version.map(str::trim).filter(is_version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Launch {
        read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    fn npx(packages: &[&str]) -> Launch {
        Launch::Npx {
            packages: packages.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    fn tool(package: &str) -> Launch {
        Launch::PythonTool {
            package: package.to_owned(),
            with: Vec::new(),
        }
    }

    fn script(interpreter: &str, script: Option<&str>, module: Option<&str>) -> Launch {
        Launch::Python {
            interpreter: interpreter.to_owned(),
            script: script.map(str::to_owned),
            module: module.map(str::to_owned),
        }
    }

    #[track_caller]
    fn fetches(line: &str, want: &str) {
        let packages = packages(&of(line));
        let shown: Vec<String> = packages
            .iter()
            .map(|p| {
                let version = p.version.as_deref().unwrap_or("?");
                format!("{}/{}@{version}", p.ecosystem, p.name)
            })
            .collect();
        assert_eq!(shown.join(" "), want, "{line}");
    }

    #[test]
    fn what_a_command_fetches() {
        for (line, want) in [
            ("npx -y postmark-mcp", "npm/postmark-mcp@?"),
            (
                "/usr/bin/npx -y @scope/a@1.0.16 --flag x",
                "npm/@scope/a@1.0.16",
            ),
            ("npx -y a@latest", "npm/a@?"),
            ("npx -y a@1.x", "npm/a@?"),
            ("npx -y a@1.0.0-rc.1", "npm/a@1.0.0-rc.1"),
            ("npx --package=a@1.0.0 b", "npm/a@1.0.0"),
            ("npx -p a@1 -p b c", "npm/a@? npm/b@?"),
            // What runs with them is a line for a shell; they are fetched all the same.
            ("npx -c evil -p evil@1.0.0", "npm/evil@1.0.0"),
            ("npm exec -- a@2.0.0", "npm/a@2.0.0"),
            ("env A=1 npx a", "npm/a@?"),
            ("bunx a@1.0.0", "npm/a@1.0.0"),
            ("bun x a", "npm/a@?"),
            ("pnpm dlx a@1.0.0 b", "npm/a@1.0.0"),
            ("yarn dlx -p a b", "npm/a@?"),
            (
                "uvx mcp-server-git==2025.7.1",
                "PyPI/mcp-server-git@2025.7.1",
            ),
            ("uvx --from git_mcp[x]==1.0 server", "PyPI/git_mcp@1.0"),
            ("uvx -p 3.12 a@1.0", "PyPI/a@1.0"),
            ("uvx --with b==2.0 a", "PyPI/b@2.0 PyPI/a@?"),
            ("uvx --with=b==2.0 a", "PyPI/b@2.0 PyPI/a@?"),
            ("uv tool run a>=1", "PyPI/a@?"),
            ("pipx run -- a==1.0", "PyPI/a@1.0"),
            ("uvx --from git+https://example.com/a server", ""),
            ("npx ./local", ""),
            ("node server.js", ""),
            ("uv run server.py", ""),
        ] {
            fetches(line, want);
        }
    }

    #[test]
    fn runners_of_packages_name_them() {
        assert_eq!(
            of("npx -y mcp-remote@0.1.0 https://x"),
            npx(&["mcp-remote@0.1.0"])
        );
        assert_eq!(of("/usr/bin/npx --yes -- @a/b c"), npx(&["@a/b"]));
        assert_eq!(of("npx -p a -p b@2 run-it"), npx(&["a", "b@2"]));
        assert_eq!(of("npm exec --package=a -- run-it"), npx(&["a"]));
        assert_eq!(of("env A=1 -u B npx a"), npx(&["a"]));
        assert_eq!(
            of("uvx mcp-server-git --repository ."),
            tool("mcp-server-git")
        );
        assert_eq!(
            of("uvx --from mcp-server-git==2025.7.1 x"),
            tool("mcp-server-git==2025.7.1")
        );
        assert_eq!(of("uv tool run --python 3.12 a@1.0"), tool("a@1.0"));
        assert_eq!(of("pipx run --spec a==1 b"), tool("a==1"));
        assert_eq!(
            of("node /usr/bin/npx -y mcp-remote@0.1.0 http://x"),
            npx(&["mcp-remote@0.1.0"])
        );
        assert_eq!(
            of("/usr/bin/node /usr/lib/node_modules/npm/bin/npm-cli.js exec --package=a -- b"),
            npx(&["a"])
        );
    }

    #[test]
    fn scripts_and_modules_are_found_behind_options() {
        assert_eq!(
            of("node --import ./x.js --no-warnings dist/index.js a"),
            Launch::NodeScript("dist/index.js".to_owned())
        );
        assert_eq!(
            of("tsx watch src/index.ts"),
            Launch::NodeScript("src/index.ts".to_owned())
        );
        assert_eq!(
            of("/v/bin/python3.11 -u -m mcp_server_git"),
            script("/v/bin/python3.11", None, Some("mcp_server_git"))
        );
        assert_eq!(
            of("python -W ignore server.py -m x"),
            script("python", Some("server.py"), None)
        );
        assert_eq!(
            of("uv --directory /srv run server.py"),
            Launch::UvRun {
                folder: Some("/srv".to_owned())
            }
        );
        assert_eq!(
            of("uv run --project /srv server"),
            Launch::UvRun {
                folder: Some("/srv".to_owned())
            }
        );
        assert_eq!(of("./server --x"), Launch::Program("./server".to_owned()));
    }

    #[test]
    fn images_are_found_behind_options() {
        for line in [
            "docker run -i --rm -e A=1 -v /a:/b mcp/git",
            "docker run --rm -i --mount=type=bind mcp/git --flag",
            "podman container run -it --network none mcp/git x",
        ] {
            assert_eq!(of(line), Launch::Image("mcp/git".to_owned()), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_seen_says_so() {
        for line in [
            "sh -c x",
            "pnpm start",
            "node -e 1",
            "npm start",
            "npx -c x",
            "deno run npm:a",
            "docker ps",
            "uvx",
            "npx",
            "uv pip install",
        ] {
            assert!(matches!(of(line), Launch::Unseen(_)), "{line}");
        }
        assert!(matches!(read(&[]), Launch::Unseen(_)));
    }

    #[test]
    fn names_come_without_versions() {
        assert_eq!(npm_name("@a/b@1.2"), ("@a/b", Some("1.2")));
        assert_eq!(npm_name("@a/b"), ("@a/b", None));
        assert_eq!(
            python_name("mcp-server-git==2025.7.1"),
            ("mcp-server-git", Some("2025.7.1"))
        );
        assert_eq!(python_name("a[x,y]==1"), ("a", Some("1")));
        assert_eq!(python_name("a@1.0"), ("a", Some("1.0")));
        assert_eq!(python_name("a@latest"), ("a", None));
        assert_eq!(python_name("a>=1"), ("a", None));
    }
}
