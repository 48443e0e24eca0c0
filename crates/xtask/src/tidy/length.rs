//! Length: a file that is too long to read is split where its vocabulary changes.

use anyhow::Result;

use crate::finding::Finding;
use crate::repo::Repo;

const LINES_MAX: usize = 600;

/// Files that were longer when the rule came, with the most lines they may have. A ceiling only ever
/// goes down; a file that no longer needs one loses its entry.
const CEILING: &[(&str, usize)] = &[];

pub(crate) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let lengths: Vec<(&str, usize)> = repo
        .rust_files()
        .filter_map(|path| Some((path, repo.text(path)?.lines().count())))
        .collect();
    Ok(problems(&lengths, CEILING))
}

fn problems(lengths: &[(&str, usize)], ceilings: &[(&str, usize)]) -> Vec<Finding> {
    let ceiling_of = |path: &str| {
        ceilings
            .iter()
            .find(|(known, _)| *known == path)
            .map(|(_, max)| *max)
    };
    let too_long = lengths.iter().filter_map(|(path, lines)| {
        let max = ceiling_of(path).unwrap_or(LINES_MAX);
        (*lines > max).then(|| {
            Finding::new(
                *path,
                max + 1,
                format!("{lines} lines, and the ceiling is {max}"),
                "move what has a name of its own into a module; never raise a ceiling",
            )
        })
    });
    let needless = ceilings.iter().filter_map(|(path, max)| {
        let lines = lengths
            .iter()
            .find(|(known, _)| known == path)
            .map_or(0, |(_, lines)| *lines);
        (lines <= LINES_MAX || lines + 50 < *max).then(|| {
            Finding::new(
                "crates/xtask/src/tidy/length.rs",
                1,
                format!("`{path}` has {lines} lines and a ceiling of {max}"),
                "lower the ceiling, or remove it",
            )
        })
    });
    too_long.chain(needless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_lengths(lengths: &[(&str, usize)], ceilings: &[(&str, usize)], want: &[&str]) {
        let got: Vec<String> = problems(lengths, ceilings)
            .into_iter()
            .map(|found| found.problem)
            .collect();
        assert_eq!(got, want, "{lengths:?} under {ceilings:?}");
    }

    #[test]
    fn the_ratchet_turns_one_way() {
        check_lengths(&[("a.rs", 600)], &[], &[]);
        check_lengths(
            &[("a.rs", 601)],
            &[],
            &["601 lines, and the ceiling is 600"],
        );
        check_lengths(&[("a.rs", 900)], &[("a.rs", 900)], &[]);
        check_lengths(
            &[("a.rs", 901)],
            &[("a.rs", 900)],
            &["901 lines, and the ceiling is 900"],
        );
        check_lengths(
            &[("a.rs", 500)],
            &[("a.rs", 900)],
            &["`a.rs` has 500 lines and a ceiling of 900"],
        );
        check_lengths(
            &[],
            &[("a.rs", 900)],
            &["`a.rs` has 0 lines and a ceiling of 900"],
        );
    }
}
