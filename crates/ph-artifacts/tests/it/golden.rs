//! Files beside the configurations that they are made of. `BLESS=1` writes them; `tests/e2e/artifacts/run`
//! gives the same configurations to the programs that the files are for.

use std::fs;
use std::path::{Path, PathBuf};

use ph_artifacts::{File, NoTarget, UserRules};
use ph_plan::{NoSecrets, Plan};

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

pub(crate) fn plan(text: &str) -> Plan {
    let (plan, _) = Plan::from_yaml(text, &NoSecrets).unwrap_or_else(|why| panic!("{why:?}"));
    plan
}

/// Compares each file with that of the same path in the folder, or writes it.
#[track_caller]
pub(crate) fn check(name: &str, files: &[File]) {
    for file in files {
        let path = folder(name).join(&file.path);
        if is_blessing() {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, &file.text).expect("a writable file");
        }
        let want = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            file.text,
            want,
            "{}; if that is meant: BLESS=1",
            path.display()
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the tests, not of the product"
)]
fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

fn all(plan: &Plan, user: &[UserRules]) -> Vec<File> {
    let rules = ph_artifacts::rules(plan, user);
    let mut files = vec![
        ph_artifacts::prometheus(plan, &[], &rules).expect("a target"),
        ph_artifacts::alertmanager(plan),
    ];
    files.extend(rules);
    files.extend(ph_artifacts::grafana(plan));
    files
}

#[test]
fn of_the_smallest_configuration() {
    let text = fs::read_to_string(folder("small.yaml")).unwrap();
    check("small", &all(&plan(&text), &[]));
}

#[test]
fn of_a_configuration_that_says_everything() {
    let text = fs::read_to_string(folder("everything.yaml")).unwrap();
    let own = UserRules {
        name: "own.yml".into(),
        text: fs::read_to_string(folder("own.yml")).unwrap(),
    };
    let files = all(&plan(&text), &[own]);
    check("everything", &files);
    let secrets = ["s3cret", "hooks.example.com"];
    for file in &files {
        assert!(
            !secrets.iter().any(|s| file.text.contains(s)),
            "{}",
            file.path
        );
    }
}

#[test]
fn what_nobody_serves_or_nobody_knows_is_no_target() {
    let no = |text: &str| {
        let text = format!("servers: {{files: {{command: files}}}}\n{text}");
        ph_artifacts::prometheus(&plan(&text), &[], &[]).map(|file| file.text)
    };
    assert_eq!(no("listen: '127.0.0.1:0'"), Err(NoTarget::AnyPort));
    assert_eq!(
        no("{admin: {enabled: false}, metrics_on_data_listener: never}"
            .trim_matches(['{', '}'])
            .replace("}, ", "}\n")
            .as_str()),
        Err(NoTarget::NotServed)
    );
    let data = no("admin: {enabled: false}").unwrap();
    assert!(data.contains("targets: ['127.0.0.1:3000']"), "{data}");
    let given = ph_artifacts::prometheus(&Plan::default(), &["a:1".into(), "b:2".into()], &[]);
    assert!(given.unwrap().text.contains("targets: ['a:1', 'b:2']"));
}

#[test]
fn of_a_repository() {
    use ph_artifacts::ci::{self, Ci, Manager, Pins, Program};
    let ci = Ci {
        manager: Manager::Yarn,
        folder: "servers/files".to_owned(),
        branch: "main".to_owned(),
        program: Program {
            url: "https://files.example/pilothouse".to_owned(),
            sha256: "ab".repeat(32),
        },
        pins: Pins::with(Vec::new()),
    };
    let image = format!("node@sha256:{}", "cd".repeat(32));
    let files = [
        ci::github_actions(&ci).expect("known pins"),
        ci::trivy(&ci).expect("known pins"),
        ci::gitlab_ci(&ci, &image),
        ci::renovate(),
    ];
    check("repository", &files);
}
