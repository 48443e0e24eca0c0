//! Finding executables that a test starts.
//!
//! Cargo builds the binaries of other packages, and examples, only when asked to. So these are
//! built here, beside the test that is running and with its profile, when they are missing or older
//! than the sources of their package.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The path of the executable `fake-stdio-server`.
///
/// # Panics
/// When it cannot be built: a test without its server has nothing to say.
pub fn fake_stdio_server() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = profile_dir().join("fake-stdio-server");
        up_to_date(
            path,
            Path::new(env!("CARGO_MANIFEST_DIR")),
            ["--bin", "fake-stdio-server"],
        )
    })
}

/// The path of the example `name` of the package at `package_dir`.
///
/// # Panics
/// When it cannot be built.
pub fn example(package_dir: &str, name: &str) -> PathBuf {
    let path = profile_dir().join("examples").join(name);
    up_to_date(path, Path::new(package_dir), ["--example", name])
}

fn up_to_date(path: PathBuf, package_dir: &Path, target: [&str; 2]) -> PathBuf {
    if modified(&path) <= newest_source(package_dir) {
        build(package_dir, target);
    }
    assert!(
        path.exists(),
        "`{}` was not built at {}",
        target[1],
        path.display()
    );
    path
}

/// `target/debug` for a test at `target/debug/deps/it-0123`.
fn profile_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a running test knows its executable");
    let dir = test.parent().expect("an executable lies in a folder");
    if dir.ends_with("deps") {
        dir.parent().unwrap_or(dir).to_owned()
    } else {
        dir.to_owned()
    }
}

fn newest_source(package_dir: &Path) -> SystemTime {
    let mut newest = modified(&package_dir.join("Cargo.toml"));
    let mut dirs = vec![package_dir.join("src"), package_dir.join("examples")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                newest = newest.max(modified(&path));
            }
        }
    }
    newest
}

fn modified(path: &Path) -> SystemTime {
    path.metadata()
        .and_then(|found| found.modified())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn build(package_dir: &Path, target: [&str; 2]) {
    let profile_dir = profile_dir();
    let profile = profile_dir
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("debug");
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--profile",
            if profile == "debug" { "dev" } else { profile },
        ])
        .args(target)
        .arg("--target-dir")
        .arg(profile_dir.parent().unwrap_or(&profile_dir))
        .current_dir(package_dir)
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "`{}` does not build",
        target[1]
    );
}
