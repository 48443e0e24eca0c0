//! The configuration in its three states, as the API asks for it: on the disk, refused last, and running.

use crate::audit::AuditLog;
use crate::rules::RuleSet;
use arc_swap::{ArcSwap, ArcSwapOption};
use ph_api::{
    AuditPage, AuditWanted, ConfigurationStates, Configurations, DiskConfiguration,
    RejectedConfiguration, RunningConfiguration,
};
use ph_plan::Plan;
use ph_record::Redactor;
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where a plan comes from, and how that is looked at again.
pub struct Origin {
    /// The file; none: a command or an address was given.
    pub file: Option<PathBuf>,
    /// Its text as it was read, without what is secret by its place ([`ph_plan::shown`]).
    pub text: Option<String>,
    /// Reads the file as a reload would, and changes nothing. It blocks.
    pub look: Box<dyn Fn() -> Looked + Send + Sync>,
}

/// What stands on the disk.
pub struct Looked {
    /// As [`Origin::text`].
    pub text: Option<String>,
    /// When the file was changed last.
    pub changed: Option<SystemTime>,
    /// What it says, or everything that is wrong with it as a person reads it.
    pub outcome: Result<(Plan, RuleSet), Unusable>,
}

/// Why a file is no configuration.
pub enum Unusable {
    /// It cannot be read at all.
    Unreadable(String),
    /// It is no plan.
    Refused(String),
}

/// What is known of the configuration.
pub(crate) struct ConfigurationDesk {
    origin: Origin,
    running: ArcSwap<Running>,
    rejected: ArcSwapOption<RejectedConfiguration>,
    rejected_is_over: AtomicBool,
    redactor: Redactor,
    audit: Arc<AuditLog>,
}

struct Running {
    plan: Arc<Plan>,
    rules: RuleSet,
    shown: RunningConfiguration,
}

impl ConfigurationDesk {
    pub(crate) fn new(
        origin: Origin,
        plan: &Plan,
        rules: &RuleSet,
        redactor: Redactor,
        audit: Arc<AuditLog>,
    ) -> Self {
        let running = running(plan, rules, origin.text.as_deref(), "start", &redactor);
        Self {
            running: ArcSwap::from_pointee(running),
            origin,
            rejected: ArcSwapOption::empty(),
            rejected_is_over: AtomicBool::new(false),
            redactor,
            audit,
        }
    }

    /// `plan` runs from now on.
    pub(crate) fn apply(&self, plan: &Plan, rules: &RuleSet, text: Option<&str>, cause: &str) {
        let now = running(plan, rules, text, cause, &self.redactor);
        self.running.store(Arc::new(now));
        self.accepted();
    }

    /// What stands on the disk is what runs.
    pub(crate) fn accepted(&self) {
        self.rejected_is_over.store(true, Relaxed);
    }

    /// What stands on the disk was refused.
    pub(crate) fn rejected(&self, problems: &str, text: Option<&str>, cause: &str) {
        self.rejected_is_over.store(false, Relaxed);
        self.rejected.store(Some(Arc::new(RejectedConfiguration {
            at: seconds(SystemTime::now()),
            cause: cause.to_owned(),
            problems: self.redactor.text(problems.trim_end()).into_owned(),
            text: text.map(|text| without_secrets(text, &self.redactor)),
            is_over: false,
        })));
    }

    fn disk(&self, running: &Running) -> DiskConfiguration {
        let looked = (self.origin.look)();
        let (verdict, problems) = match looked.outcome {
            Ok((plan, rules)) if plan == *running.plan && rules == running.rules => {
                ("running", None)
            }
            Ok(_) => ("waiting", None),
            Err(Unusable::Refused(why)) => ("refused", Some(why)),
            Err(Unusable::Unreadable(why)) => ("unreadable", Some(why)),
        };
        DiskConfiguration {
            verdict: verdict.to_owned(),
            changed_at: looked.changed.map(seconds),
            text: looked
                .text
                .map(|text| without_secrets(&text, &self.redactor)),
            problems: problems.map(|why| self.redactor.text(why.trim_end()).into_owned()),
        }
    }
}

impl Configurations for ConfigurationDesk {
    fn states(&self) -> ConfigurationStates {
        let running = self.running.load_full();
        let file = self.origin.file.as_ref();
        let rejected = self.rejected.load_full();
        ConfigurationStates {
            file: file.map(|file| file.display().to_string()),
            disk: file.map(|_| self.disk(&running)),
            rejected: rejected.map(|rejected| RejectedConfiguration {
                is_over: self.rejected_is_over.load(Relaxed),
                ..(*rejected).clone()
            }),
            running: running.shown.clone(),
        }
    }

    fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.running.load().plan)
    }

    fn audit(&self, wanted: &AuditWanted, go_on: &dyn Fn() -> bool) -> io::Result<AuditPage> {
        self.audit.read(wanted, go_on)
    }
}

fn running(
    plan: &Plan,
    rules: &RuleSet,
    text: Option<&str>,
    cause: &str,
    redactor: &Redactor,
) -> Running {
    Running {
        shown: RunningConfiguration {
            hash: plan.hash(),
            since: seconds(SystemTime::now()),
            cause: cause.to_owned(),
            text: text.map(|text| without_secrets(text, redactor)),
            filled: filled(plan, redactor),
        },
        plan: Arc::new(plan.clone()),
        rules: rules.clone(),
    }
}

/// All of the plan. It is searched as one line, in which an option and its value stand side by side.
fn filled(plan: &Plan, redactor: &Redactor) -> Value {
    let line = plan.to_json().to_string();
    let read = serde_json::from_str(&redactor.text(&line));
    // A mark that made it no JSON any more has gone too far; then nothing is shown rather than something secret.
    read.unwrap_or(Value::Null)
}

/// A text as it stands in a file, searched for secrets by form, and for those of arguments that stand one below the other.
fn without_secrets(text: &str, redactor: &Redactor) -> String {
    let text = redactor.text(text);
    let mut out = String::with_capacity(text.len());
    let mut announced = false;
    for line in text.split_inclusive('\n') {
        let item = line.trim_start().strip_prefix("- ").map(str::trim);
        let item = item.map(|item| item.trim_matches(['"', '\'']));
        match item {
            Some(item) if announced && !item.starts_with('-') && !item.starts_with("${") => {
                let indent = line.len() - line.trim_start().len();
                out.push_str(&line[..indent]);
                out.push_str("- ***\n");
            }
            _ => out.push_str(line),
        }
        let option = item.and_then(|item| item.strip_prefix("--"));
        announced = option.is_some_and(|name| redactor.keyed(name).is_some());
    }
    out
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_millis() as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_below_its_option_is_hidden() {
        let text = "args:\n  - --api-key\n  - hunter2-hunter2\n  - --port\n  - 80\n  - --token\n  - ${TOKEN}\n";
        let want = "args:\n  - --api-key\n  - ***\n  - --port\n  - 80\n  - --token\n  - ${TOKEN}\n";
        assert_eq!(without_secrets(text, &Redactor::default()), want);
    }

    #[test]
    fn a_secret_beside_its_option_is_hidden_and_the_rest_is_json() {
        let argv = ["server", "--api-key", "hunter2-hunter2", "--port", "80"];
        let plan = Plan::for_command(&argv.map(str::to_owned)).unwrap();
        let filled = filled(&plan, &Redactor::default());
        assert!(!filled.to_string().contains("hunter2"), "{filled}");
        assert_eq!(filled["servers"]["server"]["args"][3], "80");
    }
}
