//! `pilothouse generate github-actions|gitlab-ci|renovate|trivy`: what a server's own repository runs.

use super::Output;
use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand};
use ph_artifacts::File;
use ph_artifacts::ci::{Ci, Manager, Pin, Pins, Program};
use std::fs;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum What {
    /// A GitHub workflow that scans every day and on every push, and fails on what is critical.
    GithubActions(Scan),
    /// A GitLab job that does the same.
    GitlabCi(Gitlab),
    /// `renovate.json`: patches merge themselves, security fixes come at any time.
    Renovate(Output),
    /// A GitHub workflow in which Trivy looks at the image.
    Trivy(Image),
}

#[derive(Args)]
pub(crate) struct Scan {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    program: Download,
    /// How packages are installed; without it the lockfile says.
    #[arg(long, value_name = "NAME", value_parser = manager)]
    manager: Option<Manager>,
}

#[derive(Args)]
pub(crate) struct Gitlab {
    #[command(flatten)]
    scan: Scan,
    /// The image that the job runs in, by digest: NAME@sha256:HEX.
    #[arg(long, value_name = "IMAGE")]
    image: String,
}

#[derive(Args)]
pub(crate) struct Image {
    #[command(flatten)]
    of: Of,
}

/// What is scanned.
#[derive(Args)]
struct Of {
    /// The root of the repository, whose lockfile is looked at.
    #[arg(long, value_name = "DIR", default_value = ".")]
    repository: PathBuf,
    /// Where in the repository the server is.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: String,
    /// The branch whose pushes are scanned.
    #[arg(long, value_name = "NAME", default_value = "main")]
    branch: String,
    /// The commit of an action: OWNER/NAME@COMMIT#TAG. Instead of the one known here, or where none is.
    #[arg(long, value_name = "PIN")]
    pin: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// The program of the job.
#[derive(Args)]
struct Download {
    /// Where the job downloads `pilothouse`.
    #[arg(long, value_name = "URL")]
    program: String,
    /// What `sha256sum` says of that file: the job runs no other.
    #[arg(long, value_name = "HEX")]
    sha256: String,
}

pub(super) fn output(what: &What) -> &Output {
    match what {
        What::GithubActions(scan) => &scan.of.output,
        What::GitlabCi(gitlab) => &gitlab.scan.of.output,
        What::Renovate(output) => output,
        What::Trivy(image) => &image.of.output,
    }
}

pub(super) fn files(what: &What) -> Result<Vec<File>> {
    Ok(vec![match what {
        What::GithubActions(args) => ph_artifacts::ci::github_actions(&scan(args)?)?,
        What::GitlabCi(args) => {
            ensure!(
                is_digested(&args.image),
                "`--image {}` names no digest, and a tag can be moved: NAME@sha256:HEX is meant",
                args.image
            );
            ph_artifacts::ci::gitlab_ci(&scan(&args.scan)?, &args.image)
        }
        What::Renovate(_) => ph_artifacts::ci::renovate(),
        What::Trivy(args) => ph_artifacts::ci::trivy(&image(args)?)?,
    }])
}

fn scan(args: &Scan) -> Result<Ci> {
    let Download { program, sha256 } = &args.program;
    ensure!(
        program.starts_with("https://") && !program.contains(|c: char| c.is_control() || c == ' '),
        "`--program {program}` is no https:// address"
    );
    ensure!(
        is_hex(sha256),
        "`--sha256 {sha256}` is no SHA-256: 64 hexadecimal digits are meant, as `sha256sum FILE` prints them"
    );
    let manager = match args.manager {
        Some(manager) => manager,
        None => detect(&args.of)?,
    };
    ci(&args.of, manager, program, sha256)
}

/// Trivy's job installs nothing, so no manager is asked for.
fn image(args: &Image) -> Result<Ci> {
    ci(&args.of, Manager::Npm, "", "")
}

fn ci(of: &Of, manager: Manager, url: &str, sha256: &str) -> Result<Ci> {
    for (flag, value) in [("--folder", &of.folder), ("--branch", &of.branch)] {
        ensure!(
            !value.is_empty() && !value.contains(|c: char| c.is_control() || "\"$\\`".contains(c)),
            "`{flag}` is empty or has a quote, `$`, a backslash or a line break in it"
        );
    }
    let pins: Result<Vec<_>, _> = of.pin.iter().map(|pin| Pin::read(pin)).collect();
    Ok(Ci {
        manager,
        folder: of.folder.clone(),
        branch: of.branch.clone(),
        program: Program {
            url: url.to_owned(),
            sha256: sha256.to_ascii_lowercase(),
        },
        pins: Pins::with(pins?),
    })
}

/// The one lockfile of the folder.
fn detect(of: &Of) -> Result<Manager> {
    let folder = of.repository.join(&of.folder);
    let mut found = Vec::new();
    for name in lockfiles() {
        let path = folder.join(name);
        if path.is_file() {
            let text =
                fs::read(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
            let manager = Manager::of_lockfile(name, &String::from_utf8_lossy(&text));
            found.extend(manager.map(|manager| (name, manager)));
        }
    }
    match found[..] {
        [(_, manager)] => Ok(manager),
        [] => bail!(
            "there is no lockfile in `{}` ({}): without one a scan cannot say what will be installed; or say the manager with `--manager`",
            folder.display(),
            lockfiles().join(", ")
        ),
        _ => {
            let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
            bail!(
                "there are several lockfiles in `{}` ({}): say which manager installs with `--manager`",
                folder.display(),
                names.join(", ")
            )
        }
    }
}

fn lockfiles() -> Vec<&'static str> {
    let mut names: Vec<_> = Manager::ALL
        .iter()
        .map(|(_, lockfile, _)| *lockfile)
        .collect();
    names.dedup();
    names
}

fn manager(word: &str) -> Result<Manager, String> {
    let known = Manager::ALL.iter().find(|(.., name)| *name == word);
    known.map(|(manager, ..)| *manager).ok_or_else(|| {
        let words: Vec<_> = Manager::ALL.iter().map(|(.., name)| *name).collect();
        format!("one of {} is meant", words.join(", "))
    })
}

fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit())
}

fn is_digested(image: &str) -> bool {
    image
        .split_once("@sha256:")
        .is_some_and(|(name, digest)| !name.is_empty() && is_hex(digest))
}
