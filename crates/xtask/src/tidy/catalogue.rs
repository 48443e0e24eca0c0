//! Catalogue: docs/metrics.md lists the metrics of `ph_record::catalogue`, no more, no less, no other,
//! and no other code spells a metric's name.

use anyhow::Result;
use ph_record::catalogue;

use crate::docs;
use crate::finding::Finding;
use crate::repo::Repo;
use crate::source;

/// The catalogue itself, and programs that read `/metrics` from outside.
const MAY_SPELL: &[&str] = &[
    "crates/ph-record/src/catalogue.rs",
    "crates/ph-bench/",
    "crates/xtask/",
];

const HINT: &str = "`cargo xtask docs --bless` writes the table; a renamed metric breaks dashboards and is announced";

pub(crate) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let document = repo.text(docs::METRICS).unwrap_or_default();
    let mut findings = problems(&document, &docs::table(catalogue::ALL));
    let names: Vec<&str> = catalogue::ALL.iter().map(|metric| metric.name).collect();
    for path in repo.rust_files() {
        let allowed = MAY_SPELL.iter().any(|prefix| path.starts_with(prefix));
        if !allowed && path.starts_with("crates/") && !source::is_test_file(path) {
            findings.extend(spelled(path, &repo.text(path).unwrap_or_default(), &names));
        }
    }
    Ok(findings)
}

/// Names that stand as strings in code that is no test.
fn spelled(path: &str, text: &str, names: &[&str]) -> Vec<Finding> {
    let code = source::without_tests(&source::code_of(text));
    let mut found = Vec::new();
    for name in names {
        let in_code = |at: &usize| code.as_bytes()[*at] == b'"';
        for at in text
            .match_indices(&format!("\"{name}\""))
            .map(|(at, _)| at)
            .filter(in_code)
        {
            found.push(Finding::new(
                path,
                source::line_of(text, at),
                format!("the metric `{name}` is spelled out"),
                "use its constant in `ph_record::catalogue`, so that a rename reaches every use",
            ));
        }
    }
    found
}

fn problems(document: &str, wanted: &[String]) -> Vec<Finding> {
    let Some(table) = docs::table_in(document) else {
        return vec![Finding::new(
            docs::METRICS,
            1,
            "the table of metrics is missing",
            HINT,
        )];
    };
    let extra = table
        .iter()
        .filter(|(_, row)| !wanted.iter().any(|known| known == row))
        .map(|(line, row)| {
            Finding::new(
                docs::METRICS,
                *line,
                format!("not in the catalogue: {row}"),
                HINT,
            )
        });
    let missing = wanted
        .iter()
        .filter(|known| !table.iter().any(|(_, row)| row == known))
        .map(|row| Finding::new(docs::METRICS, 1, format!("missing: {row}"), HINT));
    let mut found: Vec<Finding> = extra.chain(missing).collect();
    if found.is_empty() && !table.iter().map(|(_, row)| row).eq(wanted) {
        found.push(Finding::new(
            docs::METRICS,
            1,
            "the rows are in another order or repeated",
            HINT,
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_document(rows: &[&str], want: &[&str]) {
        let wanted = ["a".to_owned(), "b".to_owned()];
        let marked = docs::with_table(
            "",
            &rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>(),
        );
        let got: Vec<String> = problems(&marked, &wanted)
            .into_iter()
            .map(|found| found.problem)
            .collect();
        assert_eq!(got, want, "{rows:?}");
    }

    #[test]
    fn document_and_catalogue_are_compared() {
        check_document(&["a", "b"], &[]);
        check_document(&["a"], &["missing: b"]);
        check_document(&["a", "b", "c"], &["not in the catalogue: c"]);
        check_document(&["b", "a"], &["the rows are in another order or repeated"]);
        check_document(
            &["a", "b", "b"],
            &["the rows are in another order or repeated"],
        );
    }

    #[test]
    fn a_spelled_name_is_found() {
        let text = "// \"mcp_a\"\nlet a = \"mcp_a\";\nlet b = \"mcp_ab\";\n\
                    #[cfg(test)]\nmod tests { const A: &str = \"mcp_a\"; }";
        let found = spelled("crates/ph-relay/src/a.rs", text, &["mcp_a", "mcp_b"]);
        let lines: Vec<usize> = found.iter().map(|one| one.line).collect();
        assert_eq!(lines, [2]);
    }

    #[test]
    fn a_missing_document_is_a_problem() {
        assert_eq!(problems("", &[]).len(), 1);
    }
}
