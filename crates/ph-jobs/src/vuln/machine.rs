//! Where package runners keep what they fetched, by the environment of whoever runs them.

use std::path::{Path, PathBuf};

/// The folders of this machine that commands are looked up in.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Where relative paths begin.
    pub cwd: PathBuf,
    /// `PATH`.
    pub path: Vec<PathBuf>,
    /// npm's cache, with `_npx` in it.
    pub npm_cache: Option<PathBuf>,
    /// uv's cache, with `environments-v2` in it.
    pub uv_cache: Option<PathBuf>,
    /// Where `uv tool install` puts environments.
    pub uv_tools: Option<PathBuf>,
    /// Where pipx puts environments.
    pub pipx_venvs: Option<PathBuf>,
}

impl Machine {
    /// By the variables that npm, uv and pipx read themselves, with their defaults.
    #[must_use]
    pub fn of(cwd: PathBuf, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let path_of = |name: &str| {
            variable(name)
                .filter(|text| !text.is_empty())
                .map(PathBuf::from)
        };
        let home = path_of("HOME");
        let below_home = |rest: &str| home.as_ref().map(|home| home.join(rest));
        let cache = path_of("XDG_CACHE_HOME").or_else(|| below_home(".cache"));
        let data = path_of("XDG_DATA_HOME").or_else(|| below_home(".local/share"));
        let within = |base: &Option<PathBuf>, rest: &str| base.as_ref().map(|base| base.join(rest));
        let path = variable("PATH").unwrap_or_default();
        Self {
            cwd,
            path: std::env::split_paths(&path).collect(),
            npm_cache: path_of("npm_config_cache")
                .or_else(|| path_of("NPM_CONFIG_CACHE"))
                .or_else(|| below_home(".npm")),
            uv_cache: path_of("UV_CACHE_DIR").or_else(|| within(&cache, "uv")),
            uv_tools: path_of("UV_TOOL_DIR").or_else(|| within(&data, "uv/tools")),
            pipx_venvs: path_of("PIPX_HOME")
                .map(|home| home.join("venvs"))
                .or_else(|| within(&data, "pipx/venvs")),
        }
    }

    /// The file that a command's first word names: a path, or a name in `PATH`.
    pub(super) fn program(&self, word: &str) -> Option<PathBuf> {
        if word.contains('/') {
            return Some(self.cwd.join(word)).filter(|path| path.is_file());
        }
        let in_path = self.path.iter().map(|folder| folder.join(word));
        in_path.into_iter().find(|path| path.is_file())
    }

    /// The same machine seen from another folder.
    pub(super) fn from(&self, cwd: &Path) -> Self {
        Self {
            cwd: self.cwd.join(cwd),
            ..self.clone()
        }
    }
}
