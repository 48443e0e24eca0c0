//! The scripts that are the same wherever a job runs. Everything that is not ours comes in quotes.

use crate::ci::Ci;

/// Where a job keeps the program and the advisories, in the checkout: no other place is the same everywhere.
const HOME: &str = ".pilothouse";

/// What the scan writes.
pub(crate) const REPORT: &str = "vulnerabilities.json";

/// Downloads the program and runs nothing that has another hash. The variables are the job's.
pub(crate) fn program() -> Vec<String> {
    lines(&[
        &format!("mkdir -p {HOME}"),
        &format!(
            "curl --fail --silent --show-error --location --output {HOME}/pilothouse \"$PILOTHOUSE_URL\""
        ),
        &format!("echo \"$PILOTHOUSE_SHA256  {HOME}/pilothouse\" | sha256sum --check"),
        &format!("chmod +x {HOME}/pilothouse"),
    ])
}

/// Fetches the advisories of one ecosystem.
pub(crate) fn advisories(ecosystem: &str) -> Vec<String> {
    lines(&[&format!(
        "{HOME}/pilothouse vuln db update --db {HOME}/advisories --ecosystem {ecosystem}"
    )])
}

/// Scans, writes the report, and fails: 1 for what is critical, 3 for what could not be judged.
pub(crate) fn scan(ci: &Ci) -> Vec<String> {
    lines(&[&format!(
        "{HOME}/pilothouse vuln scan {} --db {HOME}/advisories --format json --output {REPORT} --fail-on critical",
        quoted(&ci.folder)
    )])
}

/// Installs what the lockfile says.
pub(crate) fn install(ci: &Ci) -> Vec<String> {
    let mut script = Vec::new();
    if ci.folder != "." {
        script.push(format!("cd {}", quoted(&ci.folder)));
    }
    script.extend(ci.manager.install().iter().map(|&line| line.to_owned()));
    script
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

/// One word of a shell, whatever is in it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_word() {
        assert_eq!(quoted("servers/files"), "servers/files");
        assert_eq!(quoted("it's; rm -rf $HOME"), r"'it'\''s; rm -rf $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
