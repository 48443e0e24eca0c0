//! Where the source lies that a server's authors wrote: within what it runs, without what it depends on.

use std::fs;
use std::path::{Path, PathBuf};

use ph_inventory::Ecosystem;
use ph_plan::{Server, Upstream};

use super::launch::{self, Launch, npm_name, python_name};
use super::machine::Machine;
use super::place::{self, Place, asked_for, environment_of, first_line, resolve, sites};
use super::running::family;

/// Longest script that is read for what it imports, in bytes.
const SCRIPT_BYTES_MAX: u64 = 64 << 10;

/// Where a server's own source lies: what `servers.NAME.source` says, else what its processes run, else what its
/// command would start.
///
/// # Errors
/// Why that is not known, in words.
pub(super) fn source_of(
    server: &Server,
    pids: &[u32],
    machine: &Machine,
) -> Result<PathBuf, String> {
    if let Some(source) = &server.source {
        return Ok(source.as_path().to_owned());
    }
    let unknown =
        || "where its source lies is not known: name it with `servers.NAME.source`".to_owned();
    let Upstream::Stdio(stdio) = &server.upstream else {
        return Err(unknown());
    };
    for process in pids.iter().flat_map(|pid| family(*pid)) {
        let cwd = process.cwd.as_deref();
        let machine = cwd.map_or_else(|| machine.clone(), |cwd| machine.from(cwd));
        if let Some(found) = own(&launch::read(&process.argv), &machine) {
            return Ok(found);
        }
    }
    let mut argv = vec![stdio.command.as_str().to_owned()];
    argv.extend(stdio.args.iter().map(|word| word.as_str().to_owned()));
    let machine = match &stdio.cwd {
        Some(cwd) => machine.from(cwd.as_path()),
        None => machine.clone(),
    };
    own(&launch::read(&argv), &machine).ok_or_else(unknown)
}

fn own(launch: &Launch, machine: &Machine) -> Option<PathBuf> {
    match launch {
        Launch::Npx { packages } => {
            let (name, _) = npm_name(packages.first()?);
            let (root, only) = folder(launch, machine)?;
            // A folder of npx's cache holds nothing of its own but the list of what it was made for.
            let is_cache = asked_for(&root).is_some();
            let own = only.filter(|_| !is_cache);
            let own = root.join(own.unwrap_or_else(|| format!("node_modules/{name}")));
            own.is_dir().then_some(own)
        }
        Launch::NodeScript(_) => {
            let (root, only) = folder(launch, machine)?;
            Some(only.map_or_else(|| root.clone(), |only| root.join(only)))
        }
        Launch::PythonTool { package, .. } => {
            let (environment, _) = folder(launch, machine)?;
            distribution(&environment, python_name(package).0)
        }
        Launch::Python {
            interpreter,
            script,
            module,
        } => {
            let program = machine.program(interpreter)?;
            match (script, module) {
                (Some(script), _) => python_script(&machine.cwd.join(script)),
                (None, Some(name)) => module_in(&environment_of(&program)?, name)
                    .or_else(|| module_at(&machine.cwd, name)),
                (None, None) => None,
            }
        }
        Launch::UvRun { .. } => folder(launch, machine).map(|(root, _)| root),
        Launch::Program(word) => {
            let program = machine.program(word)?.canonicalize().ok()?;
            let (line, in_tree) = (first_line(&program), folder(launch, machine));
            if line.starts_with("#!") && line.contains("python") {
                return python_script(&program);
            }
            let (root, only) = in_tree.filter(|_| line.starts_with("#!"))?;
            Some(only.map_or_else(|| root.clone(), |only| root.join(only)))
        }
        Launch::Fetched { .. } | Launch::Image(_) | Launch::Unseen(_) => None,
    }
}

/// The first folder that a launch comes to, with what of it counts.
fn folder(launch: &Launch, machine: &Machine) -> Option<(PathBuf, Option<String>)> {
    resolve(launch, machine)
        .places
        .into_iter()
        .find_map(|place| match place {
            Place::Folder { root, only, .. } => Some((root, only)),
            _ => None,
        })
}

/// A script of somebody, whose folder is the source; or one that an installer wrote, which names a module.
fn python_script(path: &Path) -> Option<PathBuf> {
    match environment_of(path) {
        Some(environment) => {
            let bytes = fs::metadata(path).ok()?.len();
            let text = (bytes <= SCRIPT_BYTES_MAX)
                .then(|| fs::read_to_string(path).ok())
                .flatten()?;
            module_in(&environment, imported(&text)?)
        }
        None => path
            .is_file()
            .then(|| path.parent())
            .flatten()
            .map(Path::to_owned),
    }
}

/// The module in `from NAME import main` of a script that pip or uv wrote.
fn imported(script: &str) -> Option<&str> {
    let names = script.lines().filter_map(|line| {
        let line = line.trim();
        let name = line
            .strip_prefix("from ")
            .or_else(|| line.strip_prefix("import "))?;
        name.split([' ', '.', ',']).next()
    });
    names
        .into_iter()
        .find(|name| !name.is_empty() && !matches!(*name, "sys" | "re" | "os"))
}

/// The folder or file of a module in an environment.
fn module_in(environment: &Path, name: &str) -> Option<PathBuf> {
    sites(environment)
        .iter()
        .find_map(|site| module_at(site, name))
}

fn module_at(folder: &Path, name: &str) -> Option<PathBuf> {
    let first = name.split('.').next()?;
    let is_name = !first.is_empty() && first.chars().all(|c| c.is_alphanumeric() || c == '_');
    let package = folder.join(first);
    let file = folder.join(format!("{first}.py"));
    match is_name {
        true if package.is_dir() => Some(package),
        true if file.is_file() => Some(file),
        _ => None,
    }
}

/// The module that a distribution brought: the first folder that its list of files names.
fn distribution(environment: &Path, name: &str) -> Option<PathBuf> {
    let wanted = Ecosystem::PyPi.normal_name(name);
    for site in sites(environment) {
        for info in place::folders(&site) {
            let file = info.file_name().unwrap_or_default().to_string_lossy();
            let own = file
                .strip_suffix(".dist-info")
                .and_then(|file| file.rsplit_once('-'));
            if own.is_none_or(|(own, _)| Ecosystem::PyPi.normal_name(own) != wanted) {
                continue;
            }
            let record = fs::read_to_string(info.join("RECORD")).ok()?;
            let modules = record.lines().filter_map(|line| {
                let path = line.split(',').next()?;
                let name = path.strip_suffix("/__init__.py")?;
                (!name.contains('/')).then_some(name)
            });
            return modules.into_iter().find_map(|name| module_at(&site, name));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn own_of(root: &Path, line: &str) -> Option<PathBuf> {
        let variables = BTreeMap::from([
            ("HOME", root.to_string_lossy().into_owned()),
            ("PATH", root.join("bin").to_string_lossy().into_owned()),
        ]);
        let machine = Machine::of(root.to_owned(), &|name| variables.get(name).cloned());
        let argv: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let found = own(&launch::read(&argv), &machine)?;
        let root = root.canonicalize().unwrap();
        let found = found.canonicalize().unwrap();
        Some(found.strip_prefix(root).unwrap().to_owned())
    }

    #[test]
    fn the_source_is_the_servers_own_and_not_what_it_depends_on() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, "app/package.json", "{}");
        put(root, "app/dist/index.js", "");
        put(root, "app/node_modules/@a/b/package.json", "{}");
        put(root, "app/node_modules/@a/b/cli.js", "");
        put(
            root,
            ".npm/_npx/1/package.json",
            r#"{"_npx": {"packages": ["@a/b@1.0.0"]}}"#,
        );
        put(root, ".npm/_npx/1/node_modules/@a/b/package.json", "{}");
        let site = "venv/lib/python3.11/site-packages";
        put(root, "venv/pyvenv.cfg", "");
        put(root, "venv/bin/python", "");
        put(root, &format!("{site}/mcp_server_git/__init__.py"), "");
        put(
            root,
            "venv/bin/mcp-server-git",
            "#!/venv/bin/python\nimport sys\nfrom mcp_server_git import main\n",
        );
        put(root, "py/server.py", "");
        for (line, want) in [
            ("node app/dist/index.js", "app"),
            ("node app/node_modules/@a/b/cli.js", "app/node_modules/@a/b"),
            ("npx -y @a/b@1.0.0", ".npm/_npx/1/node_modules/@a/b"),
            (
                "venv/bin/python -m mcp_server_git",
                "venv/lib/python3.11/site-packages/mcp_server_git",
            ),
            (
                "venv/bin/python venv/bin/mcp-server-git",
                "venv/lib/python3.11/site-packages/mcp_server_git",
            ),
            ("venv/bin/python py/server.py", "py"),
        ] {
            assert_eq!(own_of(root, line), Some(PathBuf::from(want)), "{line}");
        }
        for line in ["docker run a", "sh -c x", "bunx a", "npx -y other@1.0.0"] {
            assert_eq!(own_of(root, line), None, "{line}");
        }
    }

    #[test]
    fn a_tool_of_python_is_the_module_that_its_list_of_files_names() {
        let dir = tempfile::tempdir().unwrap();
        let site = "lib/python3.12/site-packages";
        put(dir.path(), &format!("{site}/git_mcp/__init__.py"), "");
        put(
            dir.path(),
            &format!("{site}/Git_MCP-1.0.dist-info/RECORD"),
            "Git_MCP-1.0.dist-info/METADATA,,\ngit_mcp/__init__.py,sha256=x,0\n",
        );
        let found = distribution(dir.path(), "git-mcp").unwrap();
        assert_eq!(found, dir.path().join(site).join("git_mcp"));
        assert_eq!(distribution(dir.path(), "other"), None);
    }
}
