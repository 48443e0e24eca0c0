//! Catalogue: docs/metrics.md lists the metrics of `ph_record::catalogue`, no more, no less, no other.

use anyhow::Result;
use ph_record::catalogue;

use crate::docs;
use crate::finding::Finding;
use crate::repo::Repo;

const HINT: &str = "`cargo xtask docs --bless` writes the table; a renamed metric breaks dashboards and is announced";

pub(crate) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let document = repo.text(docs::METRICS).unwrap_or_default();
    Ok(problems(&document, &docs::table(catalogue::ALL)))
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
    fn a_missing_document_is_a_problem() {
        assert_eq!(problems("", &[]).len(), 1);
    }
}
