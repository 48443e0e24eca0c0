//! Dashboards for Grafana, as JSON, and the files that provision them.
//!
//! `model` is what Grafana reads, `board` puts panels into rows, the others say what is shown.

mod board;
mod calls;
mod itself;
mod model;
mod provisioning;
mod resources;
mod select;
mod sla;

use ph_plan::Plan;

use crate::file::File;
use model::Dashboard;

/// Every dashboard and the files that provision them and the data source.
#[must_use]
pub fn grafana(plan: &Plan) -> Vec<File> {
    let mut files: Vec<File> = [
        sla::dashboard(plan),
        calls::dashboard(),
        resources::dashboard(plan),
        itself::dashboard(plan),
    ]
    .iter()
    .map(dashboard_file)
    .collect();
    files.push(provisioning::data_source(plan));
    files.push(provisioning::dashboards());
    files
}

fn dashboard_file(dashboard: &Dashboard) -> File {
    // A tree of texts, numbers and truths with keys of text has always a JSON form.
    let json = serde_json::to_string_pretty(dashboard).unwrap_or_default();
    File::new(format!("dashboards/{}.json", dashboard.uid), json + "\n")
}
