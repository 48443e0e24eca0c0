//! Where it takes place: files to search, the server in two versions, an advisory and a configuration.

use super::pace::Pace;
use anyhow::{Context, Result, ensure};
use ph_plan::{Plan, StandardAlert};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Directories of the tree, and files in each.
const AREAS: usize = 32;
const REPORTS: usize = 320;
/// All of them.
pub(super) const FILES: usize = AREAS * REPORTS;
/// How long the disk takes for a look at one file: 0.67 s for all.
pub(super) const STAT_DELAY: &str = "0.065ms";

/// What a core and a GiB of memory are said to cost for an hour, in EUR.
pub(super) const CPU_HOUR: &str = "0.03";
pub(super) const GIB_HOUR: &str = "0.004";

/// The version of the server that runs first, and the one that takes its place.
pub(super) const OLD: &str = "1.0.0";
pub(super) const NEW: &str = "1.1.0";
/// A package that the old version has, and the advisory for it.
pub(super) const PACKAGE: &str = "lodash";
pub(super) const PACKAGE_OLD: &str = "4.17.4";
pub(super) const PACKAGE_NEW: &str = "4.17.21";
pub(super) const ADVISORY: &str = "CVE-2019-10744";
const RECORD: &str = "GHSA-jf85-cpcp-j695";

/// The folder of a demonstration. Dropped, it is removed.
pub(super) struct Stage {
    dir: TempDir,
    program: PathBuf,
}

impl Stage {
    pub(super) fn build(pace: &Pace) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("pilothouse-demo-")
            .tempdir()
            .context("no folder for temporary files can be made")?;
        let program = std::env::current_exe().context("where this program lies cannot be told")?;
        let stage = Self { dir, program };
        stage
            .fill()
            .context("the files of the demonstration cannot be written")?;
        fs::write(stage.path("rules.yml"), rules(pace)?)?;
        stage.configure("")?;
        Ok(stage)
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves the folder where it is.
    pub(super) fn keep(self) -> PathBuf {
        self.dir.keep()
    }

    fn fill(&self) -> Result<()> {
        for area in 0..AREAS {
            let folder = self.path(&format!("tree/area-{area:02}"));
            fs::create_dir_all(&folder)?;
            for report in 0..REPORTS {
                fs::write(
                    folder.join(format!("report-{report:03}.txt")),
                    format!("report {report} of area {area}\n"),
                )?;
            }
        }
        self.version(OLD, PACKAGE_OLD)?;
        self.version(NEW, PACKAGE_NEW)?;
        fs::write(self.path("advisory.json"), advisory())?;
        Ok(())
    }

    /// A folder as a package manager leaves it, with the program of the server in it.
    fn version(&self, version: &str, package: &str) -> Result<()> {
        let root = self.path(&format!("files-{version}"));
        let installed = root.join("node_modules").join(PACKAGE);
        fs::create_dir_all(root.join("bin"))?;
        fs::create_dir_all(&installed)?;
        symlink(&self.program, root.join("bin/files"))?;
        let own = json!({"name": "files", "version": version, "dependencies": {PACKAGE: package}});
        fs::write(root.join("package.json"), own.to_string())?;
        let its = json!({"name": PACKAGE, "version": package});
        fs::write(installed.join("package.json"), its.to_string())?;
        Ok(())
    }

    /// The words that start a version of the server.
    pub(super) fn command(&self, version: &str) -> Vec<String> {
        let program = self.path(&format!("files-{version}/bin/files"));
        let tree = self.path("tree");
        let words = [
            &program.display().to_string(),
            "workbench",
            "--root",
            &tree.display().to_string(),
            "--stat-delay",
            STAT_DELAY,
        ];
        words.map(str::to_owned).to_vec()
    }

    /// Writes the configuration, in one step.
    ///
    /// - `more`: further blocks.
    pub(super) fn configure(&self, more: &str) -> Result<()> {
        let command = self.command(OLD);
        // JSON is YAML, and quotes what has to be quoted.
        let (program, args) = (json!(command[0]), json!(command[1..]));
        let text = format!(
            "\
# Of the demonstration. In production the rules look back minutes instead of seconds.
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0, auth: keys}}
data_dir: data
clients: {{client_id: everybody}}
store: {{sample_interval: 500ms}}
rules: {{standard: false, files: [rules.yml], interval: 1s}}
cost: {{currency: EUR, cpu_hour: {CPU_HOUR}, gib_hour: {GIB_HOUR}}}
{more}servers:
  files:
    command: {program}
    args: {args}
    otel: true
    replicas: {{min: 2, max: 2, target_in_flight: 64}}
"
        );
        let (file, new) = (
            self.path("pilothouse.yaml"),
            self.path("pilothouse.yaml.new"),
        );
        fs::write(&new, text)?;
        fs::rename(&new, &file)?;
        Ok(())
    }
}

/// The alert that is shipped, with shorter times.
fn rules(pace: &Pace) -> Result<String> {
    let mut plan = Plan::default();
    let others = StandardAlert::ALL.iter().copied();
    plan.rules.disabled = others
        .filter(|alert| *alert != StandardAlert::SlowResponseTime)
        .collect();
    let mut text = ph_rules::standard::text(&plan);
    let seconds = |time: std::time::Duration| time.as_secs();
    let shorter = [
        ("[5m]", format!("[{}s]", seconds(pace.window))),
        ("for: 10m", format!("for: {}s", seconds(pace.hold))),
        (
            "last 5 minutes",
            format!("last {} seconds", seconds(pace.window)),
        ),
    ];
    for (from, to) in shorter {
        ensure!(
            text.contains(from),
            "the rule of SlowResponseTime has no `{from}`"
        );
        text = text.replace(from, &to);
    }
    Ok(text)
}

/// What the record says of the package, as far as it is needed here.
fn advisory() -> String {
    json!({
        "schema_version": "1.7.0",
        "id": RECORD,
        "aliases": [ADVISORY],
        "modified": "2026-11-01T00:00:00Z",
        "published": "2019-07-10T19:45:23Z",
        "summary": "defaultsDeep of lodash can be made to change prototypes",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H"}],
        "affected": [{
            "package": {"ecosystem": "npm", "name": PACKAGE},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "4.17.12"}]}]
        }]
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_the_shipped_one_with_other_times() {
        let text = rules(&Pace::of(true)).unwrap();
        assert_eq!(text.matches("- alert:").count(), 1, "{text}");
        assert!(
            text.contains("SlowResponseTime") && text.contains("[6s]") && text.contains("for: 3s")
        );
    }
}
