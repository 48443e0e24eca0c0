//! The commands of package managers. Names and versions were looked at before they come here.

use ph_inventory::{Component, Ecosystem};

/// Who wrote the file that a component was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// npm.
    Npm,
    /// yarn 1.
    Yarn,
    /// yarn 2 and later.
    YarnBerry,
    /// pnpm.
    Pnpm,
    /// bun.
    Bun,
    /// uv.
    Uv,
    /// Poetry.
    Poetry,
    /// Pipenv.
    Pipenv,
    /// pip, with versions in `requirements.txt`.
    Pip,
    /// The pip of a virtual environment that no lockfile lies beside.
    Environment,
    /// Cargo.
    Cargo,
    /// Go.
    Go,
    /// Debian and Ubuntu.
    Apt,
    /// Alpine.
    Apk,
}

impl Manager {
    /// By the file, or for an installed tree by the lockfile beside it; with that file.
    ///
    /// - `files`: those that were read.
    #[must_use]
    pub fn of(component: &Component, files: &[String]) -> Option<(Self, String)> {
        match &component.ecosystem {
            Ecosystem::Debian(_) | Ecosystem::Ubuntu(_) => {
                return Some((Self::Apt, component.file.clone()));
            }
            Ecosystem::Alpine(_) => return Some((Self::Apk, component.file.clone())),
            _ => {}
        }
        if let Some(manager) = Self::of_lockfile(&component.file, &component.path) {
            return Some((manager, component.file.clone()));
        }
        let beside = root_of_tree(&component.file).and_then(|root| {
            files.iter().find_map(|file| {
                let name = file.strip_prefix(root).filter(|name| !name.contains('/'))?;
                let manager = Self::of_lockfile(name, "")?;
                (manager.installs(&component.ecosystem)).then(|| (manager, file.clone()))
            })
        });
        let environment = || {
            let root = root_of_environment(component)?;
            Some((Self::Environment, format!("{root}pyvenv.cfg")))
        };
        beside.or_else(environment)
    }

    /// The file beside its lockfile without which it looks for one in the folders above; none: it does not.
    #[must_use]
    pub fn manifest(self) -> Option<&'static str> {
        Some(match self {
            Self::Npm | Self::Yarn | Self::YarnBerry | Self::Pnpm | Self::Bun => "package.json",
            Self::Uv | Self::Poetry => "pyproject.toml",
            Self::Pipenv => "Pipfile",
            Self::Cargo => "Cargo.toml",
            Self::Go => "go.mod",
            Self::Environment => "pyvenv.cfg",
            Self::Pip | Self::Apt | Self::Apk => return None,
        })
    }

    /// Whether it changes the whole machine, and not a folder.
    #[must_use]
    pub fn is_of_the_machine(self) -> bool {
        matches!(self, Self::Apt | Self::Apk)
    }

    /// `path`: how the entry is named, which tells the two kinds of `yarn.lock` apart.
    fn of_lockfile(file: &str, path: &str) -> Option<Self> {
        let name = file.rsplit('/').next().unwrap_or_default();
        Some(match name {
            "package-lock.json" | "npm-shrinkwrap.json" => Self::Npm,
            "yarn.lock" if path.contains("@npm:") => Self::YarnBerry,
            "yarn.lock" => Self::Yarn,
            "pnpm-lock.yaml" => Self::Pnpm,
            "bun.lock" => Self::Bun,
            "uv.lock" => Self::Uv,
            "poetry.lock" => Self::Poetry,
            "Pipfile.lock" => Self::Pipenv,
            "Cargo.lock" => Self::Cargo,
            "go.mod" | "go.sum" => Self::Go,
            _ if name.starts_with("requirements") && name.ends_with(".txt") => Self::Pip,
            _ => return None,
        })
    }

    fn installs(self, ecosystem: &Ecosystem) -> bool {
        match ecosystem {
            Ecosystem::Npm => matches!(
                self,
                Self::Npm | Self::Yarn | Self::YarnBerry | Self::Pnpm | Self::Bun
            ),
            Ecosystem::PyPi => matches!(self, Self::Uv | Self::Poetry | Self::Pipenv | Self::Pip),
            _ => false,
        }
    }

    /// Raises one package, as far as what needs it admits.
    pub(super) fn upgrade(self, component: &Component, to: &str, is_direct: bool) -> Vec<String> {
        let name = &component.name;
        let from = component.version.as_deref().unwrap_or_default();
        match (self, is_direct) {
            (Self::Npm, true) => vec![format!("npm install --ignore-scripts {name}@{to}")],
            (Self::Npm, false) => vec![format!("npm update --ignore-scripts {name}")],
            (Self::Yarn, true) => vec![format!("yarn upgrade --ignore-scripts {name}@{to}")],
            // yarn 1 cannot raise what only others need.
            (Self::Yarn, false) => self.force(component, to),
            (Self::YarnBerry, true) => vec![format!("yarn up {name}@{to} --mode=skip-build")],
            (Self::YarnBerry, false) => {
                vec![format!("yarn up --recursive {name} --mode=skip-build")]
            }
            (Self::Pnpm, true) => vec![format!("pnpm update --ignore-scripts {name}@{to}")],
            (Self::Pnpm, false) => vec![format!(
                "pnpm update --ignore-scripts --depth Infinity {name}"
            )],
            (Self::Bun, true) => vec![format!("bun add --ignore-scripts {name}@{to}")],
            (Self::Bun, false) => vec![format!("bun update --ignore-scripts {name}")],
            (Self::Uv, true) => vec![format!("uv add '{name}>={to}'")],
            (Self::Uv, false) => vec![
                format!("uv lock --upgrade-package '{name}=={to}'"),
                "uv sync --locked".to_owned(),
            ],
            (Self::Poetry, true) => vec![format!("poetry add '{name}>={to}'")],
            (Self::Poetry, false) => vec![format!("poetry update {name}")],
            (Self::Pipenv, _) => vec![
                format!("pipenv upgrade '{name}=={to}'"),
                "pipenv sync".to_owned(),
            ],
            (Self::Pip, _) => vec![
                format!("pip-compile --generate-hashes --upgrade-package '{name}=={to}'"),
                format!(
                    "pip install --require-hashes -r {}",
                    component.file.rsplit('/').next().unwrap_or_default()
                ),
            ],
            (Self::Environment, _) => {
                vec![format!("bin/python -m pip install '{name}=={to}'")]
            }
            (Self::Cargo, _) => vec![format!(
                "cargo update --package {name}@{from} --precise {to}"
            )],
            (Self::Go, _) => vec![
                format!("go get {name}@v{}", to.trim_start_matches('v')),
                "go mod tidy".to_owned(),
            ],
            (Self::Apt, _) => vec![format!(
                "apt-get update && apt-get install --only-upgrade {name}"
            )],
            (Self::Apk, _) => vec![format!("apk add --upgrade '{name}>={to}'")],
        }
    }

    /// Has the package at that version whatever asks for it; empty where there is no such thing.
    pub(super) fn force(self, component: &Component, to: &str) -> Vec<String> {
        let name = &component.name;
        match self {
            Self::Npm => vec![
                format!("npm pkg set 'overrides[{name}]={to}'"),
                "npm install --ignore-scripts".to_owned(),
            ],
            Self::Yarn => vec![
                format!("npm pkg set 'resolutions[{name}]={to}'"),
                "yarn install --ignore-scripts".to_owned(),
            ],
            Self::YarnBerry => vec![
                format!("npm pkg set 'resolutions[{name}]={to}'"),
                "yarn install --mode=skip-build".to_owned(),
            ],
            Self::Pnpm => vec![
                format!("npm pkg set 'pnpm.overrides[{name}]={to}'"),
                "pnpm install --no-frozen-lockfile --ignore-scripts".to_owned(),
            ],
            Self::Bun => vec![
                format!("npm pkg set 'overrides[{name}]={to}'"),
                "bun install --ignore-scripts".to_owned(),
            ],
            Self::Environment => {
                vec![format!("uv pip install --python bin/python '{name}=={to}'")]
            }
            Self::Uv
            | Self::Poetry
            | Self::Pipenv
            | Self::Pip
            | Self::Cargo
            | Self::Go
            | Self::Apt
            | Self::Apk => Vec::new(),
        }
    }
}

/// What is before the folder of an installed tree: where its lockfile would be.
fn root_of_tree(file: &str) -> Option<&str> {
    ["node_modules/", ".venv/", "venv/"]
        .iter()
        .find_map(|tree| file.find(tree).map(|at| &file[..at]))
}

/// What is before `lib/python3.11/site-packages` of an installed Python package.
fn root_of_environment(component: &Component) -> Option<&str> {
    let file = &component.file;
    let (before, _) = file
        .split_once("/site-packages/")
        .filter(|_| component.ecosystem == Ecosystem::PyPi)?;
    let (folder, lib) = before.rsplit_once('/')?;
    let root = folder.strip_suffix("lib")?;
    let is_python = lib.starts_with("python") || lib.starts_with("pypy");
    (is_python && (root.is_empty() || root.ends_with('/'))).then_some(root)
}
