//! `.github/workflows/vulnerabilities.yml`.

use crate::ci::manager::Runtime;
use crate::ci::{Ci, NoPin, Pins, steps};
use crate::file::File;
use crate::yaml::{Map, Yaml};

const HEAD: &str = "\
Scans what the lockfile installs, every day and on every push. Written by `pilothouse generate github-actions`.
It may read the repository and nothing else, has no secret, runs no package's script where the manager can do
without, and names every action by its commit: a tag can be moved.";

/// The workflow.
///
/// # Errors
/// When no commit of an action that it needs is known.
pub fn github_actions(ci: &Ci) -> Result<File, NoPin> {
    let mut list: Vec<Yaml> = vec![checkout(&ci.pins)?];
    list.extend(runtime(ci)?);
    list.push(step("Install what the lockfile says", steps::install(ci)).into());
    list.push(
        step("Get Pilothouse", steps::program())
            .with("env", program(ci))
            .into(),
    );
    list.push(
        step(
            "Fetch advisories",
            steps::advisories(ci.manager.ecosystem()),
        )
        .into(),
    );
    list.push(
        step(
            "Scan, and fail on what is critical or cannot be judged",
            steps::scan(ci),
        )
        .into(),
    );
    list.push(keep(&ci.pins, steps::REPORT)?);
    let root = workflow("Vulnerabilities", &ci.branch)
        .with("jobs", Map::new().with("scan", job("Scan packages", list)));
    Ok(File::new(
        ".github/workflows/vulnerabilities.yml",
        root.document(HEAD),
    ))
}

/// When it runs and what it may do.
pub(crate) fn workflow(name: &str, branch: &str) -> Map {
    let cron: Yaml = vec![Map::new().with("cron", "17 5 * * *").into()].into();
    let push = Map::new().with("branches", vec![branch.into()]);
    let on = Map::new()
        .with("schedule", cron)
        .with("push", push)
        .with("workflow_dispatch", Map::new());
    let group = Yaml::from(format!("{}-${{{{ github.ref }}}}", name.to_lowercase()));
    Map::new()
        .with("name", name)
        .with("on", on)
        .with("permissions", Map::new())
        .with(
            "concurrency",
            Map::new()
                .with("group", group)
                .with("cancel-in-progress", true),
        )
}

pub(crate) fn job(name: &str, steps: Vec<Yaml>) -> Map {
    Map::new()
        .with("name", name)
        .with("runs-on", "ubuntu-24.04")
        .with("timeout-minutes", 20)
        .with("permissions", Map::new().with("contents", "read"))
        .with("steps", steps)
}

pub(crate) fn step(name: &str, script: Vec<String>) -> Map {
    Map::new()
        .with("name", name)
        .with("run", Yaml::Script(script))
}

pub(crate) fn action(pins: &Pins, name: &str) -> Result<Map, NoPin> {
    Ok(Map::new().with("uses", Yaml::word(pins.get(name)?.uses())))
}

/// Leaves no credential behind for what is installed next.
pub(crate) fn checkout(pins: &Pins) -> Result<Yaml, NoPin> {
    let with = Map::new().with("persist-credentials", false);
    Ok(action(pins, "actions/checkout")?.with("with", with).into())
}

fn runtime(ci: &Ci) -> Result<Option<Yaml>, NoPin> {
    let (name, key, version) = match ci.manager.runtime() {
        Runtime::Node => ("actions/setup-node", "node-version", "22"),
        Runtime::Python => ("actions/setup-python", "python-version", "3.13"),
        Runtime::None => return Ok(None),
    };
    let with = Map::new().with(key, version);
    Ok(Some(action(&ci.pins, name)?.with("with", with).into()))
}

pub(crate) fn program(ci: &Ci) -> Map {
    Map::new()
        .with("PILOTHOUSE_URL", ci.program.url.as_str())
        .with("PILOTHOUSE_SHA256", ci.program.sha256.as_str())
}

/// The report is kept whatever came out, and that there is none is a failure.
pub(crate) fn keep(pins: &Pins, report: &str) -> Result<Yaml, NoPin> {
    let with = Map::new()
        .with("name", report.trim_end_matches(".json"))
        .with("path", report)
        .with("if-no-files-found", "error")
        .with("retention-days", 30);
    let keep = Map::new()
        .with("name", "Keep the report")
        .with("if", "always()")
        .with(
            "uses",
            Yaml::word(pins.get("actions/upload-artifact")?.uses()),
        )
        .with("with", with);
    Ok(keep.into())
}
