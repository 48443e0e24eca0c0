//! `.github/workflows/image.yml`: the image that is built from a container file, looked at by Trivy.

use crate::ci::github::{action, checkout, job, keep, step, workflow};
use crate::ci::{Ci, NoPin};
use crate::file::File;
use crate::yaml::{Map, Yaml};

const HEAD: &str = "\
Builds the image and has Trivy look at it, every day and on every push. Written by `pilothouse generate trivy`.
Action and program are pinned: in March 2026 tags of the action were moved and the releases 0.69.4 to 0.69.6
were malicious. What Trivy finds is kept as JSON; `pilothouse vuln scan --merge trivy.json` reads it.";

/// The last release before the malicious ones. Newer clean ones exist; which, is for the user to decide.
const TRIVY: &str = "v0.69.3";
const REPORT: &str = "trivy.json";

/// The workflow.
///
/// # Errors
/// When no commit of an action that it needs is known.
pub fn trivy(ci: &Ci) -> Result<File, NoPin> {
    let image = "localhost/server:scan";
    let with = Map::new()
        .with("image-ref", image)
        .with("version", TRIVY)
        .with("scanners", "vuln")
        .with("severity", "HIGH,CRITICAL")
        .with("format", "json")
        .with("output", REPORT)
        .with("exit-code", "1");
    let look = action(&ci.pins, "aquasecurity/trivy-action")?.with("with", with);
    let build = step(
        "Build the image",
        vec![format!("docker build --tag {image} \"$FOLDER\"")],
    )
    .with("env", Map::new().with("FOLDER", ci.folder.as_str()));
    let steps: Vec<Yaml> = vec![
        checkout(&ci.pins)?,
        build.into(),
        look.into(),
        keep(&ci.pins, REPORT)?,
    ];
    let root = workflow("Image", &ci.branch).with(
        "jobs",
        Map::new().with("trivy", job("Scan the image", steps)),
    );
    Ok(File::new(
        ".github/workflows/image.yml",
        root.document(HEAD),
    ))
}
