//! `cargo xtask docs`: the parts of docs/ that are written from the code.

use anyhow::{Context as _, Result, bail};
use ph_record::catalogue::{self, Metric};

use crate::repo::Repo;
use crate::{Verdict, say};

/// The document that lists every metric.
pub(crate) const METRICS: &str = "docs/metrics.md";

const BEGIN: &str = "<!-- catalogue: written by `cargo xtask docs --bless` -->";
const END: &str = "<!-- end of catalogue -->";
const NEW_DOCUMENT: &str = "\
# Metrics

What `/metrics` says. Counters only rise, units are base units, and every label is bounded by the running
configuration.
";

/// Compares the documents with the code, or writes them.
pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<Verdict> {
    let bless = match args {
        [] => false,
        [flag] if flag == "--bless" => true,
        _ => bail!("`docs` takes `--bless` or nothing"),
    };
    let current = repo.text(METRICS);
    let wanted = with_table(
        current.as_deref().unwrap_or(NEW_DOCUMENT),
        &table(catalogue::ALL),
    );
    if current.as_ref() == Some(&wanted) {
        say(&format!("{METRICS} says what the catalogue says"));
        return Ok(Verdict::Clean);
    }
    if !bless {
        say(&format!(
            "{METRICS} is not what the catalogue says; `cargo xtask docs --bless` writes it"
        ));
        return Ok(Verdict::Found);
    }
    let path = repo.root().join(METRICS);
    let folder = path.parent().context("the document lies in no folder")?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    std::fs::write(&path, wanted).with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("wrote {METRICS}"));
    Ok(Verdict::Clean)
}

/// The catalogue as lines of Markdown, one row for each metric in the order of the catalogue.
pub(crate) fn table(metrics: &[Metric]) -> Vec<String> {
    let mut lines = vec![
        "| name | type | labels | meaning |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    lines.extend(metrics.iter().map(row));
    lines
}

/// The lines between the marks, each with its line number from 1; `None` when a mark is missing.
pub(crate) fn table_in(document: &str) -> Option<Vec<(usize, &str)>> {
    let lines: Vec<&str> = document.lines().collect();
    let begin = lines.iter().position(|line| *line == BEGIN)?;
    let end = begin + lines[begin..].iter().position(|line| *line == END)?;
    Some(
        (begin + 1..end)
            .map(|index| (index + 1, lines[index]))
            .filter(|(_, line)| !line.is_empty())
            .collect(),
    )
}

fn row(metric: &Metric) -> String {
    let labels: Vec<String> = metric
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
        .collect();
    let mut meaning = metric.help.replace('|', "\\|");
    if !metric.buckets.is_empty() {
        let bounds: Vec<String> = metric.buckets.iter().map(f64::to_string).collect();
        meaning.push_str(&format!(" Buckets: {}.", bounds.join(", ")));
    }
    format!(
        "| `{}` | {} | {} | {meaning} |",
        metric.name,
        metric.kind.as_str(),
        labels.join(", ")
    )
}

/// The document with the table between its marks; marks that are missing are added at the end.
pub(crate) fn with_table(document: &str, table: &[String]) -> String {
    let table = table.join("\n");
    let marked = format!("{BEGIN}\n\n{table}\n\n{END}");
    match (document.find(BEGIN), document.find(END)) {
        (Some(begin), Some(end)) if begin < end => {
            format!(
                "{}{marked}{}",
                &document[..begin],
                &document[end + END.len()..]
            )
        }
        _ => format!("{}\n\n{marked}\n", document.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_record::catalogue::Kind;

    const SAMPLE: Metric = Metric {
        name: "mcp_x_seconds",
        kind: Kind::Histogram,
        help: "Seconds of a|b.",
        labels: &["server", "tool"],
        buckets: &[0.5, 1.0],
    };

    #[test]
    fn a_row_says_everything() {
        assert_eq!(
            row(&SAMPLE),
            "| `mcp_x_seconds` | histogram | `server`, `tool` | Seconds of a\\|b. Buckets: 0.5, 1. |"
        );
    }

    #[test]
    fn the_table_is_replaced_in_place() {
        let table = table(&[SAMPLE]);
        let first = with_table("# Title\n", &table);
        assert!(first.starts_with("# Title\n\n<!--"), "{first}");
        let read: Vec<&str> = table_in(&first)
            .unwrap()
            .into_iter()
            .map(|(_, line)| line)
            .collect();
        assert_eq!(read, table);

        let with_more = format!("{first}\nMore.\n").replace("mcp_x", "mcp_y");
        let again = with_table(&with_more, &table);
        assert!(
            again.ends_with("\nMore.\n") && !again.contains("mcp_y"),
            "{again}"
        );
        assert_eq!(table_in("no marks"), None);
    }
}
