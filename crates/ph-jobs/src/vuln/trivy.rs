//! An installed Trivy, asked about an image: optional, and never trusted with anything but the image's name.

use std::sync::Arc;
use std::time::Duration;

use ph_vuln::scanners::{self, Scan, ScannerError, refused_trivy};
use ph_wire::child::{Child, ChildSpec, End, Exit, OnStderr, SpawnError, spawn};
use ph_wire::lines::Frame;
use ph_wire::reaper::Reaper;
use tokio::time::timeout;

/// How long Trivy may take to say its version.
const VERSION_MAX: Duration = Duration::from_secs(20);
/// How long it may take for an image, its own database included.
const SCAN_MAX: Duration = Duration::from_secs(15 * 60);
/// How long it has to end when it is told to.
const STOP_MAX: Duration = Duration::from_secs(5);

/// Why Trivy's word could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TrivyError {
    /// It is not there, or cannot be started.
    #[error("Trivy cannot be started: is it installed, and in `PATH`?")]
    Start(#[source] SpawnError),
    /// A release that must not be run.
    #[error("{0}")]
    Refused(String),
    /// Its version could not be told, so it is not known whether it may be run.
    #[error("`{program} --version` says no version, so it was not run: {said}")]
    NoVersion {
        /// The program.
        program: String,
        /// What it said.
        said: String,
    },
    /// It did not end well.
    #[error("Trivy {how}; its last words: {said}")]
    Failed {
        /// How it ended.
        how: String,
        /// The end of its standard error.
        said: String,
    },
    /// Its report cannot be read.
    #[error("the report of Trivy cannot be read")]
    Report(#[from] ScannerError),
}

/// Runs `PROGRAM image` for an image reference and reads its report.
///
/// Which release it is, is asked first; the ones that are known to be malware are not run further.
///
/// # Errors
/// When it is not there, refused, does not end in time, fails, or writes no report.
pub async fn trivy(program: &str, image: &str, reaper: &Reaper) -> Result<Scan, TrivyError> {
    // A release that is malware acts when it is started, whatever it is asked; so ask the one that a package manager or
    // file name tells nothing of as little as possible, and give it no terminal, no input and no time.
    let said = output(program, &["--version"], VERSION_MAX, reaper).await?;
    let text = String::from_utf8_lossy(&said).into_owned();
    let version = version(&text).ok_or_else(|| TrivyError::NoVersion {
        program: program.to_owned(),
        said: short(&text),
    })?;
    if let Some(why) = refused_trivy(version) {
        return Err(TrivyError::Refused(why));
    }
    // `--` keeps a reference that begins with a dash from being an option.
    let args = [
        "image",
        "--format",
        "json",
        "--quiet",
        "--scanners",
        "vuln",
        "--",
        image,
    ];
    let report = output(program, &args, SCAN_MAX, reaper).await?;
    Ok(scanners::read(&report)?)
}

/// `Version: 0.70.0`.
fn version(said: &str) -> Option<&str> {
    let line = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("Version:"))?;
    let version = line.trim();
    version
        .trim_start_matches('v')
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(version)
}

async fn output(
    program: &str,
    args: &[&str],
    max: Duration,
    reaper: &Reaper,
) -> Result<Vec<u8>, TrivyError> {
    let mut spec = ChildSpec::new(program, args.iter().copied());
    spec.line_bytes_max = scanners::MAX_BYTES;
    let quiet: OnStderr = Arc::new(|_| {});
    let mut child = spawn(&spec, reaper, quiet).map_err(TrivyError::Start)?;
    let mut bytes = Vec::new();
    let heard = timeout(max, hear(&mut child, &mut bytes)).await;
    child.stop(Duration::ZERO, STOP_MAX).await;
    let failed = |how: String| {
        Err(TrivyError::Failed {
            how,
            said: short(&child.stderr_tail()),
        })
    };
    match heard {
        Ok(Ok(())) => Ok(bytes),
        Ok(Err(how)) => failed(how),
        Err(_) => failed(format!("did not end within {} s", max.as_secs())),
    }
}

/// All that it writes, up to the size of a report.
async fn hear(child: &mut Child, bytes: &mut Vec<u8>) -> Result<(), String> {
    let mut frames = Vec::new();
    loop {
        let end = match child.next_frames(&mut frames).await {
            Ok(()) => None,
            Err(End::Exited(exit)) => Some(exit),
            Err(End::OutputClosed) => Some(child.wait().await),
            Err(End::OutputBroken(error)) => return Err(format!("cannot be read: {error}")),
        };
        for frame in frames.drain(..) {
            match frame {
                Frame::Line(line) if bytes.len() + line.len() < scanners::MAX_BYTES => {
                    bytes.extend_from_slice(&line);
                    bytes.push(b'\n');
                }
                _ => return Err(format!("wrote more than {} MiB", scanners::MAX_BYTES >> 20)),
            }
        }
        match end {
            None => {}
            Some(Exit::Code(0)) => return Ok(()),
            Some(exit) => return Err(format!("ended with {exit}")),
        }
    }
}

fn short(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = words.char_indices().rev().nth(300).map_or(0, |(at, _)| at);
    if words.is_empty() {
        "none".to_owned()
    } else {
        words[start..].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    /// A program that says a version, and counts what else it is asked for in a file beside it.
    fn fake(folder: &std::path::Path, version: &str, answer: &str) -> String {
        let path = folder.join("trivy");
        let script = format!(
            "#!/bin/sh\ncase $1 in --version) echo 'Version: {version}';; *) echo \"$@\" >> {0}.asked; cat <<'END'\n{answer}\nEND\n;; esac\n",
            path.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("ph-trivy-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[tokio::test]
    async fn a_compromised_release_is_asked_for_nothing_but_its_version() {
        let folder = folder("bad");
        let program = fake(&folder, "0.69.5", "{}");
        let error = trivy(&program, "alpine", &Reaper::none())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("GHSA-69fq-xp46-6x23"), "{error}");
        assert!(!folder.join("trivy.asked").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn the_report_of_another_is_read() {
        let folder = folder("good");
        let report = r#"{"SchemaVersion": 2, "ArtifactName": "alpine", "Results": [{"Target": "x", "Class": "lang-pkgs", "Type": "npm",
            "Packages": [{}], "Vulnerabilities": [{"VulnerabilityID": "CVE-1", "PkgName": "a", "InstalledVersion": "1"}]}]}"#;
        let program = fake(&folder, "0.70.0", report);
        let scan = trivy(&program, "--alpine", &Reaper::none()).await.unwrap();
        assert_eq!(scan.findings[0].finding.id, "CVE-1");
        let asked = fs::read_to_string(folder.join("trivy.asked")).unwrap();
        assert_eq!(
            asked,
            "image --format json --quiet --scanners vuln -- --alpine\n"
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn one_that_is_none_or_says_nothing_is_an_error() {
        let error = trivy("/nowhere/trivy", "x", &Reaper::none())
            .await
            .unwrap_err();
        assert!(matches!(error, TrivyError::Start(_)), "{error}");
        let folder = folder("none");
        let program = fake(&folder, "latest", "");
        let error = trivy(&program, "x", &Reaper::none()).await.unwrap_err();
        assert!(matches!(error, TrivyError::NoVersion { .. }), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }
}
