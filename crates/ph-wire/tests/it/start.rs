//! How children start, and what is said when they do not.

use crate::support::{Talk, fake, shell};
use ph_wire::child::{ChildSpec, SpawnError, spawn};
use ph_wire::reaper::Reaper;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

fn refused(spec: &ChildSpec) -> SpawnError {
    spawn(spec, &Reaper::none(), Arc::new(|_| {})).expect_err("it cannot start")
}

#[track_caller]
fn check(error: &SpawnError, message: &str, hint: &str) {
    assert_eq!(error.to_string(), message);
    let got = error.hint().unwrap_or_default();
    assert!(got.contains(hint), "hint {got:?}");
}

#[tokio::test]
async fn a_child_that_cannot_start_says_what_to_look_at() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        ChildSpec::new(path.to_str().unwrap(), [""; 0])
    };

    check(
        &refused(&ChildSpec::new("no-such-program", [""; 0])),
        "command `no-such-program` was not found",
        "PATH",
    );
    check(
        &refused(&ChildSpec::new("./nothing", [""; 0])),
        "command `./nothing` was not found",
        "`cwd`",
    );

    let plain = file("plain", "#!/bin/sh\n", 0o644);
    check(
        &refused(&plain),
        &format!("command `{}` is not executable", plain.command),
        "chmod",
    );

    let script = file("script", "#!/no/such/interpreter\n", 0o755);
    check(
        &refused(&script),
        &format!("the interpreter of `{}` was not found", script.command),
        "#!",
    );

    let mut lost = shell("true");
    lost.cwd = Some(PathBuf::from("/no/such/folder"));
    check(
        &refused(&lost),
        "working directory `/no/such/folder` cannot be used",
        "`cwd`",
    );

    let binary = file("binary", "\u{1}\u{2}", 0o755);
    let error = refused(&binary);
    assert!(matches!(error, SpawnError::Start { .. }), "{error:?}");
}

#[tokio::test]
async fn a_child_has_our_environment_and_its_own() {
    let mut spec = fake(&[]);
    spec.env.push(("FRUIT".into(), "pear".into()));
    let mut talk = Talk::start(&spec);
    assert_eq!(
        talk.call("environment", json!({"name": "FRUIT"})).await,
        "pear"
    );
    assert_ne!(talk.call("environment", json!({"name": "PATH"})).await, "");

    spec.env_inherit = false;
    let mut talk = Talk::start(&spec);
    assert_eq!(
        talk.call("environment", json!({"name": "FRUIT"})).await,
        "pear"
    );
    assert_eq!(talk.call("environment", json!({"name": "PATH"})).await, "");
}

#[tokio::test]
async fn the_path_of_the_child_finds_the_program() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(ph_sim::fake_stdio_server(), dir.path().join("only-here")).unwrap();
    let mut spec = ChildSpec::new("only-here", [""; 0]);
    spec.env
        .push(("PATH".into(), dir.path().to_str().unwrap().into()));
    let mut talk = Talk::start(&spec);
    assert_eq!(talk.call("echo", json!({"text": "hi"})).await, "hi");
}

#[tokio::test]
async fn a_child_starts_in_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = shell("pwd -P | sed 's/.*/{\"at\":\"&\"}/'");
    spec.cwd = Some(dir.path().to_owned());
    let at = Talk::start(&spec).message().await["at"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(PathBuf::from(at), dir.path().canonicalize().unwrap());
}
