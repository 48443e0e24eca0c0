//! Words: nothing unfinished is committed, and nothing that holds on one machine only.

use anyhow::Result;

use crate::finding::Finding;
use crate::repo::Repo;
use crate::source;

/// Looked for in Rust code, where comments and strings do not count.
const UNFINISHED: &[(&str, &str)] = &[
    (
        "todo!",
        "write it, or leave the seam without a stub and say so in ARCHITECTURE.md",
    ),
    (
        "unimplemented!",
        "write it, or return an error that the caller can act on",
    ),
    (
        "#[ignore",
        "a test that is not run protects nothing: fix it or delete it",
    ),
];

/// Looked for in every line of every text file. Each is written in two halves, or it would find
/// itself.
const OF_ONE_MACHINE: &[(&str, &str)] = &[
    (
        concat!("/wo", "rk/"),
        "write the path from the root of the repository, or take it as an argument",
    ),
    (
        concat!("/ro", "ot/"),
        "write the path from the root of the repository, or take it as an argument",
    ),
    (
        concat!("/tmp", "/ph"),
        "take a fresh directory: `tempfile` or `mktemp -d`",
    ),
    (
        concat!("registry.", "npmjs.org"),
        "set `omit-lockfile-registry-resolved`: a lock names versions and hashes",
    ),
    (
        concat!("registry.", "yarnpkg.com"),
        "a lock names versions and hashes, not where they lie",
    ),
    (
        concat!("files.", "pythonhosted.org"),
        "a lock names versions and hashes, not where they lie",
    ),
    (
        concat!("pypi", ".org/"),
        "name the package and its version; pip knows where to look",
    ),
    (
        concat!("static.", "crates.io"),
        "name the crate and its version; cargo knows where to look",
    ),
    (
        concat!("index.", "crates.io"),
        "name the crate and its version; cargo knows where to look",
    ),
    (
        concat!("deb.", "debian.org"),
        "name the package; apt knows where to look",
    ),
    (
        concat!("TO", "DO"),
        "do it, or open an issue and leave the seam clean",
    ),
    (
        concat!("FIX", "ME"),
        "fix it, or open an issue and leave the seam clean",
    ),
];

pub(crate) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in repo.files() {
        let Some(text) = repo.text(path) else {
            continue;
        };
        findings.extend(machine_words(path, &text));
        if path.ends_with(".rs") {
            findings.extend(unfinished_code(path, &source::code_of(&text)));
        }
    }
    Ok(findings)
}

fn machine_words(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (word, hint) in OF_ONE_MACHINE {
            if !source::uses_of(line, word).is_empty() {
                found.push(Finding::new(
                    path,
                    index + 1,
                    format!("`{word}` in a committed file"),
                    *hint,
                ));
            }
        }
    }
    found
}

fn unfinished_code(path: &str, code: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (word, hint) in UNFINISHED {
        for at in source::uses_of(code, word) {
            found.push(Finding::new(
                path,
                source::line_of(code, at),
                format!("`{word}` in code"),
                *hint,
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_words(text: &str, want: &[(usize, &str)]) {
        let mut got = machine_words("a.rs", text);
        got.extend(unfinished_code("a.rs", &source::code_of(text)));
        let got: Vec<(usize, &str)> = got
            .iter()
            .map(|found| (found.line, found.problem.as_str()))
            .collect();
        assert_eq!(got, want, "{text:?}");
    }

    #[test]
    fn unfinished_code_is_found() {
        check_words("fn a() {\n    todo!()\n}", &[(2, "`todo!` in code")]);
        check_words("// todo! is a macro", &[]);
        check_words("f(\"unimplemented!\")", &[]);
        check_words("#[ignore = \"slow\"]", &[(1, "`#[ignore` in code")]);
        check_words("my_todo!()", &[]);
    }

    #[test]
    fn places_of_one_machine_are_found() {
        let home = OF_ONE_MACHINE[1].0;
        check_words(
            &format!("a\n\"{home}x\""),
            &[(2, &format!("`{home}` in a committed file"))],
        );
        check_words("\"/var/tmp/x\" and some-registry.example", &[]);
    }
}
