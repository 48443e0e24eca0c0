//! `renovate.json`.

use serde_json::json;

use crate::file::{File, MARK};

/// Patches merge themselves, minor and major updates wait for somebody, security fixes wait for nothing.
///
/// `osvVulnerabilityAlerts` is what finds them where there is no GitHub; `vulnerabilityAlerts` alone asks GitHub's own
/// alerts. A fix may be a major version, whatever is said of majors elsewhere.
#[must_use]
pub fn renovate() -> File {
    let config = json!({
        "$schema": "https://docs.renovatebot.com/renovate-schema.json",
        "description": [
            format!("Written by `{MARK} renovate`."),
            "Patches are merged when their checks pass, a week after their release. Security fixes come at any time, without that week, and may be major versions."
        ],
        "extends": ["config:recommended", "helpers:pinGitHubActionDigests", "docker:pinDigests"],
        "minimumReleaseAge": "7 days",
        "osvVulnerabilityAlerts": true,
        "vulnerabilityAlerts": {
            "enabled": true,
            "labels": ["security"],
            "minimumReleaseAge": null,
            "schedule": ["at any time"],
            "automerge": true,
            "automergeType": "pr"
        },
        "packageRules": [
            {
                "description": "Patches: merged by a pull request whose checks pass.",
                "matchUpdateTypes": ["patch"],
                "automerge": true,
                "automergeType": "pr"
            },
            {
                "description": "Minor versions: for somebody to look at.",
                "matchUpdateTypes": ["minor"],
                "labels": ["dependencies"]
            },
            {
                "description": "Major versions: something may break.",
                "matchUpdateTypes": ["major"],
                "labels": ["breaking-change"]
            }
        ]
    });
    File::new("renovate.json", format!("{config:#}\n"))
}
