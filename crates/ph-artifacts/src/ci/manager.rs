//! How a server's packages are installed from its lockfile, and nothing but that.

/// A package manager, known by its lockfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// `package-lock.json`.
    Npm,
    /// `yarn.lock` of yarn 1.
    Yarn,
    /// `yarn.lock` of yarn 2 and later.
    YarnBerry,
    /// `pnpm-lock.yaml`.
    Pnpm,
    /// `uv.lock`.
    Uv,
    /// `poetry.lock`.
    Poetry,
    /// `requirements.txt` with hashes.
    Pip,
    /// `Cargo.lock`.
    Cargo,
}

/// What a job needs before packages can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Node,
    Python,
    /// The runner has it.
    None,
}

impl Manager {
    /// All, with the lockfile and the word for each.
    pub const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::Npm, "package-lock.json", "npm"),
        (Self::Yarn, "yarn.lock", "yarn"),
        (Self::YarnBerry, "yarn.lock", "yarn-berry"),
        (Self::Pnpm, "pnpm-lock.yaml", "pnpm"),
        (Self::Uv, "uv.lock", "uv"),
        (Self::Poetry, "poetry.lock", "poetry"),
        (Self::Pip, "requirements.txt", "pip"),
        (Self::Cargo, "Cargo.lock", "cargo"),
    ];

    /// The manager of a lockfile, by its name and text: yarn 1 says so in its first lines.
    #[must_use]
    pub fn of_lockfile(name: &str, text: &str) -> Option<Self> {
        if name == "yarn.lock" && !text.contains("# yarn lockfile v1") {
            return Some(Self::YarnBerry);
        }
        let known = Self::ALL.iter().find(|(_, lockfile, _)| *lockfile == name);
        known.map(|(manager, ..)| *manager)
    }

    /// The word on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(manager, ..)| *manager == self);
        known.map_or("", |(.., word)| word)
    }

    pub(crate) fn runtime(self) -> Runtime {
        match self {
            Self::Npm | Self::Yarn | Self::YarnBerry | Self::Pnpm => Runtime::Node,
            Self::Uv | Self::Poetry | Self::Pip => Runtime::Python,
            Self::Cargo => Runtime::None,
        }
    }

    /// The ecosystem, by OSV's name.
    pub(crate) fn ecosystem(self) -> &'static str {
        match self.runtime() {
            Runtime::Node => "npm",
            Runtime::Python => "PyPI",
            Runtime::None => "crates.io",
        }
    }

    /// Installs exactly what the lockfile says and runs no script of a package where the manager can do without.
    pub(crate) fn install(self) -> &'static [&'static str] {
        match self {
            Self::Npm => &["npm ci --ignore-scripts"],
            Self::Yarn => &[
                "corepack enable",
                "yarn install --frozen-lockfile --ignore-scripts",
            ],
            Self::YarnBerry => &[
                "corepack enable",
                "yarn install --immutable --mode=skip-build",
            ],
            Self::Pnpm => &[
                "corepack enable",
                "pnpm install --frozen-lockfile --ignore-scripts",
            ],
            Self::Uv => &["pipx run uv sync --locked --no-install-project"],
            Self::Poetry => &["pipx run poetry sync --no-root --no-interaction"],
            Self::Pip => &[
                "python -m venv .venv",
                ".venv/bin/pip install --require-hashes --only-binary :all: -r requirements.txt",
            ],
            Self::Cargo => &["cargo fetch --locked"],
        }
    }
}
