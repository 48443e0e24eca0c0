//! Where the packages lie that a command line runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ph_inventory::{Component, Ecosystem, Unchecked};

use super::launch::{Launch, npm_name, python_name};
use super::machine::Machine;

/// The most folders of a cache that are looked at.
const CACHED_MAX: usize = 10_000;

/// A program of a package lies in it, or so deep below it.
const FOLDERS_ABOVE_MAX: usize = 3;

/// Something that holds packages, or cannot be looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A folder.
    Folder {
        /// Its path.
        root: PathBuf,
        /// Only what this package needs, by its path below `root`.
        only: Option<String>,
        /// It is what runs, and not only what somebody means to run.
        is_running: bool,
    },
    /// A program of its own.
    Program(PathBuf),
    /// A container image by its reference.
    Image(String),
    /// Not looked into.
    Unseen(Unchecked),
}

impl Place {
    /// Whether all that is looked at here is looked at there, too.
    pub(super) fn is_part_of(&self, other: &Self) -> bool {
        let of = |place: &Self| match place {
            Self::Folder {
                root,
                only,
                is_running: true,
            } => Some((root.clone(), only.is_some())),
            _ => None,
        };
        match (of(self), of(other)) {
            (Some((here, true)), Some((there, false))) => here == there,
            _ => false,
        }
    }
}

/// What a command line comes to on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    pub places: Vec<Place>,
    /// What the operator should know of it.
    pub notes: Vec<String>,
    /// Which of the places each process runs from, where they were found by processes.
    pub of_process: BTreeMap<u32, Vec<usize>>,
    /// What the command would fetch, by its words alone: nothing of it is on this machine.
    pub named: Vec<Component>,
}

impl Resolved {
    fn one(place: Place) -> Self {
        Self {
            places: vec![place],
            ..Self::default()
        }
    }

    pub(super) fn unseen(what: &str, why: impl Into<String>) -> Self {
        Self::one(Place::Unseen(Unchecked {
            what: what.to_owned(),
            why: why.into(),
        }))
    }

    fn running(root: PathBuf, only: Option<String>) -> Self {
        Self::one(Place::Folder {
            root,
            only,
            is_running: true,
        })
    }

    /// Takes the places of `other` that can be looked into, with the processes that run from them.
    pub(super) fn and_seen_of(&mut self, other: Self) {
        let mut new = BTreeMap::new();
        for (at, place) in other.places.into_iter().enumerate() {
            if matches!(place, Place::Unseen(_)) {
                continue;
            }
            let known = self.places.iter().position(|known| *known == place);
            new.insert(at, known.unwrap_or(self.places.len()));
            if known.is_none() {
                self.places.push(place);
            }
        }
        for (pid, places) in other.of_process {
            let places = places.iter().filter_map(|at| new.get(at).copied());
            self.of_process.insert(pid, places.collect());
        }
    }

    /// Whether all of it can be looked into.
    pub(super) fn is_seen(&self) -> bool {
        !self.places.is_empty()
            && !self
                .places
                .iter()
                .any(|one| matches!(one, Place::Unseen(_)))
    }
}

/// Where the packages of `launch` lie, as seen from the machine's working directory.
pub(super) fn resolve(launch: &Launch, machine: &Machine) -> Resolved {
    match launch {
        Launch::Npx { packages } => npx(packages, machine),
        Launch::Fetched { runner, .. } => Resolved::unseen(
            "the command",
            format!("where `{runner}` puts what it fetches cannot be told from the command"),
        ),
        Launch::PythonTool { package, .. } => python_tool(package, machine),
        Launch::NodeScript(script) => node_script(script, machine),
        Launch::Python {
            interpreter,
            script,
            ..
        } => python(interpreter, script.as_deref(), machine),
        Launch::UvRun { folder } => {
            let root = machine.cwd.join(folder.as_deref().unwrap_or("."));
            let is_running = root.join(".venv").is_dir();
            Resolved::one(Place::Folder {
                root,
                only: None,
                is_running,
            })
        }
        Launch::Image(reference) => Resolved::one(Place::Image(reference.clone())),
        Launch::Program(word) => program(word, machine),
        Launch::Unseen(why) => Resolved::unseen("the command", why.as_str()),
    }
}

/// npx takes what is installed here, else what it has put into its cache for exactly these packages.
fn npx(packages: &[String], machine: &Machine) -> Resolved {
    let first = packages.first().map_or("", String::as_str);
    let (name, version) = npm_name(first);
    let local = format!("node_modules/{name}");
    let mut notes = Vec::new();
    if version.is_none_or(|version| !version.starts_with(|c: char| c.is_ascii_digit())) {
        notes.push(format!(
            "`npx {first}` takes the version that is newest when it is started: name one, as in `{name}@1.2.3`"
        ));
    }
    if version.is_none() && machine.cwd.join(&local).join("package.json").is_file() {
        let mut found = Resolved::running(machine.cwd.clone(), Some(local));
        found.notes = notes;
        return found;
    }
    let cached = machine.npm_cache.as_ref().map(|cache| cache.join("_npx"));
    let wanted = sorted(packages.to_vec());
    let is_it = |folder: &PathBuf| asked_for(folder).is_some_and(|asked| sorted(asked) == wanted);
    let found = cached.iter().flat_map(|cache| folders(cache)).find(is_it);
    let mut found = match found {
        Some(root) => Resolved::running(root, None),
        None => Resolved::unseen(
            first,
            "npx has not fetched it on this machine (by this user) yet: start the server once, then scan again",
        ),
    };
    found.notes = notes;
    found
}

/// The packages for which npx made a folder of its cache.
pub(super) fn asked_for(folder: &Path) -> Option<Vec<String>> {
    let bytes = fs::read(folder.join("package.json")).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let all = value["_npx"]["packages"].as_array()?;
    Some(
        all.iter()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect(),
    )
}

fn sorted(mut all: Vec<String>) -> Vec<String> {
    all.sort();
    all
}

/// uvx takes what `uv tool install` installed, else an environment of its cache; pipx is alike.
fn python_tool(spec: &str, machine: &Machine) -> Resolved {
    let (name, version) = python_name(spec);
    let mut notes = Vec::new();
    if version.is_none() {
        notes.push(format!(
            "`{spec}` is not pinned: name a version, as in `{name}==1.2.3`, so that what is scanned is what is started"
        ));
    }
    let cache = machine
        .uv_cache
        .as_ref()
        .map(|cache| cache.join("environments-v2"));
    let tools = [&machine.uv_tools, &machine.pipx_venvs]
        .into_iter()
        .flatten();
    let installed = tools
        .map(|folder| folder.join(name))
        .filter(|folder| folder.is_dir());
    // Newer releases of uv have one more folder between.
    let cached = cache.iter().flat_map(|cache| folders(cache));
    let cached = cached.flat_map(|folder| match folder.join("pyvenv.cfg").is_file() {
        true => vec![folder],
        false => folders(&folder),
    });
    let mut found: Vec<(SystemTime, PathBuf)> = installed
        .chain(cached)
        .filter_map(|root| Some((requested(&root, name, version)?, root)))
        .collect();
    found.sort();
    if found.len() > 1 {
        notes.push(format!(
            "there are {} environments of `{name}`: the one that was made last is looked at",
            found.len()
        ));
    }
    let mut found = match found.pop() {
        Some((_, root)) => Resolved::running(root, None),
        None => Resolved::unseen(
            spec,
            "no environment of it is on this machine (of this user): start the server once, then scan again",
        ),
    };
    found.notes = notes;
    found
}

/// When a package was installed in an environment because somebody asked for it by name; none: it was not.
fn requested(environment: &Path, name: &str, version: Option<&str>) -> Option<SystemTime> {
    let wanted = Ecosystem::PyPi.normal_name(name);
    for site in sites(environment) {
        for folder in folders(&site) {
            let file = folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let Some((own, own_version)) = file
                .strip_suffix(".dist-info")
                .and_then(|file| file.rsplit_once('-'))
            else {
                continue;
            };
            let is_it = Ecosystem::PyPi.normal_name(own) == wanted
                && version.is_none_or(|version| version == own_version);
            if is_it && folder.join("REQUESTED").is_file() {
                return fs::metadata(&folder).and_then(|of| of.modified()).ok();
            }
        }
    }
    None
}

/// A script for Node: the tree of the package that it belongs to.
fn node_script(script: &str, machine: &Machine) -> Resolved {
    let path = machine.cwd.join(script);
    let tries = ["", ".js", ".mjs", ".cjs", ".ts", "/index.js"];
    let found = tries.iter().find_map(|end| {
        let mut with = path.clone().into_os_string();
        with.push(end);
        PathBuf::from(with)
            .canonicalize()
            .ok()
            .filter(|path| path.is_file())
    });
    match found {
        Some(path) => node_file(&path),
        None => Resolved::unseen(
            script,
            format!("there is no such script in `{}`", machine.cwd.display()),
        ),
    }
}

/// - `path`: canonical.
fn node_file(path: &Path) -> Resolved {
    let text = path.to_string_lossy();
    if let Some(at) = text.find("/node_modules/.pnpm/") {
        return Resolved::running(PathBuf::from(&text[..at]), None);
    }
    if let Some(at) = text.rfind("/node_modules/") {
        let rest = &text[at + "/node_modules/".len()..];
        let parts = if rest.starts_with('@') { 2 } else { 1 };
        let name: Vec<_> = rest.split('/').take(parts).collect();
        return Resolved::running(
            PathBuf::from(&text[..at]),
            Some(format!("node_modules/{}", name.join("/"))),
        );
    }
    let above = || path.ancestors().skip(1);
    let has = |folder: &Path, names: &[&str]| names.iter().any(|name| folder.join(name).exists());
    let locks = [
        "node_modules",
        "package-lock.json",
        "npm-shrinkwrap.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "bun.lock",
    ];
    let root = above()
        .find(|folder| has(folder, &locks))
        .or_else(|| above().find(|folder| has(folder, &["package.json"])));
    let root = root.or_else(|| path.parent()).unwrap_or(path).to_owned();
    let is_running = root.join("node_modules").is_dir();
    Resolved::one(Place::Folder {
        root,
        only: None,
        is_running,
    })
}

/// An interpreter: the environment that it belongs to.
fn python(interpreter: &str, script: Option<&str>, machine: &Machine) -> Resolved {
    let Some(program) = machine.program(interpreter) else {
        return Resolved::unseen(interpreter, "there is no such program on this machine");
    };
    if let Some(environment) = environment_of(&program) {
        return Resolved::running(environment, None);
    }
    let mut found = system_python(&program);
    let beside = script.map(|script| machine.cwd.join(script));
    if let Some(folder) = beside
        .as_deref()
        .and_then(Path::parent)
        .filter(|folder| has_python_lock(folder))
    {
        found.places.push(Place::Folder {
            root: folder.to_owned(),
            only: None,
            is_running: false,
        });
    }
    found
}

/// The virtual environment that a program in its `bin` belongs to.
pub(super) fn environment_of(program: &Path) -> Option<PathBuf> {
    let root = program.parent()?.parent()?;
    root.join("pyvenv.cfg").is_file().then(|| root.to_owned())
}

/// All packages that an interpreter without an environment finds.
fn system_python(program: &Path) -> Resolved {
    let canonical = program
        .canonicalize()
        .unwrap_or_else(|_| program.to_owned());
    let prefix = canonical
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("/usr"))
        .to_owned();
    let local = prefix.join("local");
    let mut roots: Vec<PathBuf> = sites(&prefix).into_iter().chain(sites(&local)).collect();
    let debian = prefix.join("lib/python3/dist-packages");
    roots.extend(debian.is_dir().then_some(debian));
    if roots.is_empty() {
        let what = program.display().to_string();
        return Resolved::unseen(
            &what,
            "the interpreter is in no virtual environment, and where its packages are is not known",
        );
    }
    let places = roots.into_iter().map(|root| Place::Folder {
        root,
        only: None,
        is_running: true,
    });
    Resolved {
        places: places.collect(),
        notes: vec![format!(
            "`{}` is in no virtual environment: every package that it could import is looked at",
            program.display()
        )],
        ..Resolved::default()
    }
}

fn has_python_lock(folder: &Path) -> bool {
    [
        "uv.lock",
        "poetry.lock",
        "pdm.lock",
        "Pipfile.lock",
        "requirements.txt",
        "pylock.toml",
    ]
    .iter()
    .any(|name| folder.join(name).is_file())
}

/// The `site-packages` of an environment or prefix.
pub(super) fn sites(root: &Path) -> Vec<PathBuf> {
    let versions = folders(&root.join("lib")).into_iter().filter(|folder| {
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        name.starts_with("python") || name.starts_with("pypy")
    });
    let sites =
        versions.flat_map(|folder| [folder.join("site-packages"), folder.join("dist-packages")]);
    sites.filter(|site| site.is_dir()).collect()
}

/// Any other program: one that starts a package's code, or one of its own.
fn program(word: &str, machine: &Machine) -> Resolved {
    let Some(program) = machine.program(word) else {
        return Resolved::unseen(word, "there is no such program on this machine");
    };
    let canonical = program.canonicalize().unwrap_or_else(|_| program.clone());
    if let Some(environment) = environment_of(&program).or_else(|| environment_of(&canonical)) {
        return Resolved::running(environment, None);
    }
    let first = first_line(&canonical);
    if let Some(line) = first.strip_prefix("#!") {
        let words: Vec<&str> = line.split_whitespace().collect();
        let interpreter = match words.as_slice() {
            [env, "-S", name, ..] | [env, name, ..] if env.ends_with("/env") => name,
            [name, ..] => name,
            [] => "",
        };
        let name = interpreter.rsplit('/').next().unwrap_or_default();
        if matches!(name, "node" | "nodejs" | "tsx" | "bun" | "deno") {
            return node_file(&canonical);
        }
        if name.starts_with("python") {
            return python(interpreter, canonical.to_str(), machine);
        }
        return Resolved::unseen(
            word,
            format!("it is a script for `{name}`, whose packages cannot be told from it"),
        );
    }
    let mut found = Resolved::one(Place::Program(canonical));
    if let Some(around) = packages_around(&program) {
        found.places.extend(around.places);
    }
    found
}

/// What is installed around a compiled program that came with an npm package, by the path that it was started by: what it
/// may call, beside what it was built from.
fn packages_around(program: &Path) -> Option<Resolved> {
    if program.to_string_lossy().contains("/node_modules/") {
        return Some(node_file(program));
    }
    let above = program.ancestors().skip(1).take(FOLDERS_ABOVE_MAX);
    let is_package = |folder: &&Path| {
        folder.join("package.json").is_file() && folder.join("node_modules").is_dir()
    };
    let root = above.into_iter().find(is_package)?;
    Some(Resolved::running(root.to_owned(), None))
}

pub(super) fn first_line(path: &Path) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        // What cannot be read has no first line.
        drop(file.take(256).read_to_end(&mut bytes));
    }
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

/// The folders in a folder, also those that links lead to, in the order of their names.
pub(super) fn folders(of: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(of) else {
        return Vec::new();
    };
    let paths = entries.take(CACHED_MAX).flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = paths.filter(|path| path.is_dir()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests;
