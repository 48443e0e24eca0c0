//! What is known already of the server that is scanned: its cases, in a daemon or a data directory.

use super::super::cases::Holder;
use super::of::Of;
use crate::ask::WhereArgs;
use crate::printer::Printer;
use anyhow::Result;
use ph_inventory::{Component, Ecosystem};
use ph_jobs::vuln::Scanned;
use ph_server::{CaseInfo, Home};
use ph_vuln::FindingKey;
use ph_vuln::life::State;
use ph_vuln::report::{Fixed, Stance};
use std::path::PathBuf;

/// The cases of one server, with their history; empty for whatever else is scanned.
#[derive(Default)]
pub(super) struct Known(Vec<CaseInfo>);

impl Known {
    /// What cannot be asked is told, and keeps nobody from scanning.
    pub(super) fn of(of: &Of<'_>, at: &WhereArgs, printer: &Printer) -> Self {
        let Of::Server { name, .. } = of else {
            return Self::default();
        };
        match read(at) {
            Ok(mut all) => {
                all.retain(|case| case.server == *name);
                Self(all)
            }
            Err(error) => {
                printer.say(&format!(
                    "note: what was decided of its vulnerabilities is not known: {error:#}"
                ));
                Self::default()
            }
        }
    }

    /// Calls that the daemon has seen.
    pub(super) fn add_traffic(&self, scanned: &mut Scanned) {
        let subject = scanned.report.subject.clone();
        for row in &mut scanned.report.rows {
            let case = self.case(&row.finding.key(&subject));
            let seen = case.and_then(|case| case.exposure.as_ref()?.traffic.clone());
            if let (Some(exposed), Some(traffic)) = (&mut row.exposure, seen) {
                exposed.called(traffic);
            }
        }
    }

    /// What is held of a finding that was found just now.
    pub(super) fn stance(&self, key: &FindingKey) -> Option<Stance> {
        Some(self.case(key)?.held()?.found_now().stance())
    }

    /// What was proven to be gone, and was not found again.
    pub(super) fn gone(&self, scanned: &Scanned) -> Vec<Fixed> {
        let report = &scanned.report;
        let is_found = |case: &CaseInfo| {
            let mut rows = report.rows.iter();
            rows.any(|row| is_it(case, &row.finding.key(&report.subject)))
        };
        let deployed = self
            .0
            .iter()
            .filter(|case| State::parse(&case.state) == Some(State::Deployed) && !is_found(case));
        deployed.filter_map(fixed).collect()
    }

    fn case(&self, key: &FindingKey) -> Option<&CaseInfo> {
        self.0.iter().find(|case| is_it(case, key))
    }
}

fn is_it(case: &CaseInfo, key: &FindingKey) -> bool {
    case.package == key.package && case.ids.contains(&key.advisory)
}

fn fixed(case: &CaseInfo) -> Option<Fixed> {
    let proof = case.proof.as_ref()?;
    let (ecosystem, name) = case.package.split_once('/')?;
    let component = |version: &String| Component {
        version: Some(version.clone()),
        ..Component::new(Ecosystem::from_osv(ecosystem), name)
    };
    let others = case.ids.iter().filter(|id| **id != case.advisory);
    Some(Fixed {
        name: case.advisory.clone(),
        aliases: others.cloned().collect(),
        title: case.summary.clone(),
        components: proof.versions.iter().map(component).collect(),
        proof: format!("A scan of {} did not find it.", proof.artefact),
    })
}

/// All cases; none where there is neither a daemon nor a file of them. Nothing is made to look.
fn read(at: &WhereArgs) -> Result<Vec<CaseInfo>> {
    let nothing = |dir: &PathBuf| !Home::cases_of(dir).is_file();
    if crate::ask::daemon(at)?.err().as_ref().is_some_and(nothing) {
        return Ok(Vec::new());
    }
    Ok(Holder::find(at)?.list(true)?.vulnerabilities)
}
