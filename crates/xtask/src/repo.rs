//! The repository as the rules see it: its files, their text, and what cargo knows of its crates.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// A checkout of this repository.
pub(crate) struct Repo {
    root: PathBuf,
    files: Vec<String>,
    metadata: OnceLock<Value>,
}

impl Repo {
    /// Finds the checkout that this program works for and lists its files.
    ///
    /// Files that git would add are listed beside those it has, so that a rule speaks before the
    /// commit and not after it.
    pub(crate) fn open() -> Result<Self> {
        let root = manifest_dir()
            .ancestors()
            .nth(2)
            .context("the crate is not two folders below the root of the workspace")?
            .to_path_buf();
        let listed = output(Command::new("git").current_dir(&root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let mut files: Vec<String> = listed
            .split('\0')
            .filter(|path| !path.is_empty() && root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(Self {
            root,
            files,
            metadata: OnceLock::new(),
        })
    }

    /// The folder of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Every file under version control or about to be, as paths from the root, sorted.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Every Rust file, as paths from the root, sorted.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &str> {
        self.files().filter(|path| path.ends_with(".rs"))
    }

    /// The text of a file, or `None` when it is missing or not UTF-8.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }

    /// Where cargo builds.
    pub(crate) fn target_dir(&self) -> Result<PathBuf> {
        let folder = self.metadata()?["target_directory"].as_str();
        Ok(folder
            .context("`cargo metadata` names no target directory")?
            .into())
    }

    /// The answer of `cargo metadata` for the workspace and all it depends on.
    pub(crate) fn metadata(&self) -> Result<&Value> {
        if let Some(known) = self.metadata.get() {
            return Ok(known);
        }
        let text = output(Command::new(cargo()).current_dir(&self.root).args([
            "metadata",
            "--format-version=1",
            "--locked",
        ]))?;
        let value = serde_json::from_str(&text).context("`cargo metadata` answered no JSON")?;
        Ok(self.metadata.get_or_init(|| value))
    }
}

/// The folder of this crate, of the checkout that `cargo xtask` was called in: two checkouts may share
/// one target directory, and with it this program.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo names the checkout in the environment"
)]
fn manifest_dir() -> PathBuf {
    let called_in = std::env::var_os("CARGO_MANIFEST_DIR");
    called_in.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// The cargo that runs this program, so that no other toolchain answers.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo names itself in the environment"
)]
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs a command to its end and returns what it wrote to stdout.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let done = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !done.status.success() {
        bail!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&done.stderr).trim()
        );
    }
    String::from_utf8(done.stdout).with_context(|| format!("{command:?} wrote no UTF-8"))
}
