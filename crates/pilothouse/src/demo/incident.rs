//! The report of the incident, as Markdown.

use super::scenes::Show;
use crate::terminal::clean;
use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use std::fs;

const FILE: &str = "incident.md";

/// Writes it, and shows it.
pub(super) async fn report(show: &mut Show<'_>) -> Result<()> {
    let text = written(show).await?;
    let file = show.stage().path(FILE);
    fs::write(&file, &text).context("the report cannot be written")?;
    show.book().scene("The report")?;
    show.book().text("report", &text)
}

async fn written(show: &mut Show<'_>) -> Result<String> {
    let mut text = String::from(
        "# Incident: searchFiles was slow\n\n## What happened\n\n| UTC | |\n|---|---|\n",
    );
    for moment in show.book().moments() {
        let at = TimeZone::UTC
            .to_datetime(moment.at)
            .strftime("%H:%M:%S")
            .to_string();
        let what = clean(&moment.what).replace('|', "\\|");
        text.push_str(&format!("| {at} | {what} |\n"));
    }
    let charts = [
        (
            "Calls a second by tool",
            "sum by (tool) (rate(mcp_tool_calls_total[10s]))",
        ),
        (
            "Time within which 95 % of the calls were answered, in seconds",
            "histogram_quantile(0.95, sum by (le) (rate(mcp_response_duration_seconds_bucket[10s])))",
        ),
        (
            "Processes of the server",
            "count(mcp_process_resident_memory_bytes)",
        ),
        (
            "Calls refused a second",
            "sum(rate(mcp_requests_total{status=\"429\"}[10s]))",
        ),
    ];
    let since = show.so_far();
    for (title, query) in charts {
        let said = show
            .program()
            .run(&["query", query, "--since", &since, "--step", "1s"])
            .await?;
        text.push_str(&format!("\n## {title}\n\n```text\n{}```\n", said.out));
    }
    let parts: [(&str, &[&str]); 3] = [
        (
            "What was done",
            &["logs", "kind=event", "--since", "10m", "--limit", "20"],
        ),
        ("Service levels and what is left of their budgets", &["slo"]),
        (
            "CPU and memory that it took, by process",
            &["query", "topk(8, mcp_process_cpu_seconds_total)"],
        ),
    ];
    for (title, args) in parts {
        let said = show.program().run(args).await?;
        text.push_str(&format!("\n## {title}\n\n```text\n{}```\n", said.out));
    }
    let cost = show
        .program()
        .run(&["cost", "attribution", "--since", &since])
        .await?;
    text.push_str(&spaced(&cost.out));
    let vulnerabilities = show.program().run(&["vuln", "report"]).await?;
    text.push_str(&spaced(&vulnerabilities.out));
    Ok(text)
}

/// Markdown one level lower, with the empty lines that it needs: what a command prints comes without them.
fn spaced(markdown: &str) -> String {
    let mut text = String::new();
    let mut before = ' ';
    for line in markdown.lines() {
        let kind = line.chars().next().unwrap_or(' ');
        let goes_on = kind == before && matches!(kind, '|' | '-');
        if !goes_on {
            text.push('\n');
        }
        if kind == '#' {
            text.push('#');
        }
        text.push_str(line);
        text.push('\n');
        before = kind;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::spaced;

    #[test]
    fn tables_and_lists_stand_apart() {
        let text = spaced("# Title\n| a |\n|---|\n- x\n- y\nend\n");
        assert_eq!(text, "\n## Title\n\n| a |\n|---|\n\n- x\n- y\n\nend\n");
    }
}
