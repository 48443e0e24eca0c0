//! Which rules a plan asks for.

use ph_base::diagnostic::Diagnostic;
use ph_jobs::NewGroup;
use ph_plan::{Evaluation, Plan};
use ph_promql::Labels;
use ph_rules::{Settings, cost, file, slo, standard};

/// The file name of the standard rules, where there is no file.
const STANDARD: &str = "pilothouse:standard";
/// The same of the rules that objectives are compiled to.
const SLOS: &str = "pilothouse:slos";
const COST: &str = "pilothouse:cost";

/// A rule file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// Its path, as it is shown.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// Everything wrong with one rule file.
#[derive(Clone, Debug)]
pub struct RuleProblems {
    /// The file.
    pub file: RuleText,
    /// What is wrong with it, and where.
    pub problems: Vec<Diagnostic>,
}

/// All rules of a plan, read and checked: the standard ones, those of its objectives, those of its files.
#[derive(Clone, Debug)]
pub struct RuleSet {
    groups: Vec<NewGroup>,
    texts: Vec<RuleText>,
}

impl RuleSet {
    /// Reads every rule that `plan` asks for.
    ///
    /// - `files`: those that the plan names, in its order.
    ///
    /// # Errors
    /// Everything that is wrong, file by file: one bad file, and none of them is taken.
    pub fn read(plan: &Plan, files: Vec<RuleText>) -> Result<Self, Vec<RuleProblems>> {
        let (mut groups, mut wrong) = (Vec::new(), Vec::new());
        let own = |name: &str, text: String| RuleText {
            name: name.to_owned(),
            text,
        };
        let mut own_files = Vec::new();
        if plan.rules.standard {
            own_files.push(own(STANDARD, standard::text(plan)));
        }
        own_files.push(own(SLOS, slo::compile(plan)));
        own_files.extend(cost::text(plan).map(|text| own(COST, text)));
        for file in own_files.iter().chain(&files) {
            match file::read(&file.name, &file.text) {
                Ok(read) => groups.extend(read.groups.into_iter().map(|group| NewGroup {
                    file: file.name.clone(),
                    group,
                })),
                Err(problems) => wrong.push(RuleProblems {
                    file: file.clone(),
                    problems,
                }),
            }
        }
        if wrong.is_empty() {
            Ok(Self {
                groups,
                texts: files,
            })
        } else {
            Err(wrong)
        }
    }

    /// Every group, in the order in which they are read.
    pub fn groups(&self) -> &[NewGroup] {
        &self.groups
    }

    /// Whether the same files were read.
    pub fn is_of(&self, files: &[RuleText]) -> bool {
        self.texts == files
    }
}

impl PartialEq for RuleSet {
    /// What the plan brings itself is compared with the plan.
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

/// Whether `plan` has rules evaluated here.
pub(crate) fn evaluates(plan: &Plan) -> bool {
    plan.store.enabled
        && match plan.rules.enabled {
            Evaluation::Always => true,
            Evaluation::Never => false,
            Evaluation::Auto => plan.metrics.query.is_none(),
        }
}

/// How rules are evaluated.
pub(crate) fn settings(plan: &Plan, external_url: String) -> Settings {
    let rules = &plan.rules;
    let external = rules.external_labels.iter();
    Settings {
        default_interval: rules.interval,
        external_labels: Labels::from_pairs(external.map(|(n, v)| (n.as_str(), v.as_str()))),
        external_url,
        for_outage_tolerance: rules.for_outage_tolerance,
        for_grace_period: rules.for_grace_period,
        resend_delay: rules.resend_delay,
        ..Settings::default()
    }
}
