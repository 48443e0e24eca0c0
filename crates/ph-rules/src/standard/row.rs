//! A row of the table.

use ph_plan::StandardAlert;

/// Alerts that are evaluated together.
#[derive(Clone, Copy, Debug)]
pub struct StandardGroup {
    /// Its name in the file.
    pub name: &'static str,
    /// How often it is evaluated, as a duration of Prometheus; `None` for the default.
    pub interval: Option<&'static str>,
    /// Its rules.
    pub rules: &'static [StandardRule],
}

/// One alert. In its texts `<name>` stands for a threshold: a number in `expr`, words elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct StandardRule {
    /// Which; its word is the `alertname` and the heading of its runbook, too.
    pub alert: StandardAlert,
    /// How long the expression has to hold, as a duration of Prometheus.
    pub hold: &'static str,
    /// Who has to be told how fast.
    pub severity: Severity,
    /// PromQL.
    pub expr: &'static str,
    /// One line, in the language of templates.
    pub summary: &'static str,
    /// The value of now and the threshold, in the language of templates.
    pub description: &'static str,
}

/// The label `severity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Users suffer now: somebody is to be woken.
    Critical,
    /// Users will suffer, or something is lost quietly: to be looked at today.
    Warning,
}

impl Severity {
    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}
