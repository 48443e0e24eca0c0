//! `.gitlab-ci.yml`, or a file for `include`.

use crate::ci::{Ci, steps};
use crate::file::File;
use crate::yaml::{Map, Yaml};

const HEAD: &str = "\
Scans what the lockfile installs, on every push to the branch and in every scheduled pipeline (make one that runs
daily: CI/CD > Schedules). Written by `pilothouse generate gitlab-ci`.";

/// The job.
///
/// - `image`: what it runs in, by digest: a tag can be moved.
#[must_use]
pub fn gitlab_ci(ci: &Ci, image: &str) -> File {
    let rules: Yaml = vec![
        Map::new()
            .with("if", "$CI_PIPELINE_SOURCE == \"schedule\"")
            .into(),
        Map::new()
            .with("if", format!("$CI_COMMIT_BRANCH == \"{}\"", ci.branch))
            .into(),
    ]
    .into();
    let mut script = vec!["cd \"$CI_PROJECT_DIR\"".to_owned()];
    script.extend(steps::program());
    script.extend(steps::advisories(ci.manager.ecosystem()));
    script.extend(steps::scan(ci));
    let keep = Map::new()
        .with("when", "always")
        .with("expire_in", "30 days")
        .with("paths", vec![steps::REPORT.into()]);
    let variables = Map::new()
        .with("PILOTHOUSE_URL", ci.program.url.as_str())
        .with("PILOTHOUSE_SHA256", ci.program.sha256.as_str());
    let list = |lines: Vec<String>| lines.into_iter().map(Yaml::from).collect::<Yaml>();
    let job = Map::new()
        .with("stage", "test")
        .with("image", image)
        .with("timeout", "20 minutes")
        .with("interruptible", true)
        .with("rules", rules)
        .with("variables", variables)
        .with("before_script", list(steps::install(ci)))
        .with("script", list(script))
        .with("artifacts", keep);
    let root = Map::new().with("vulnerabilities", job);
    File::new(".gitlab-ci.yml", root.document(HEAD))
}
