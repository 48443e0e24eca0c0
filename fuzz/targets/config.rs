//! Configuration: any text gives a plan or problems, every problem points into the text and can be shown,
//! and nothing that stands behind a reference is ever shown.
#![no_main]

use std::ffi::OsString;
use std::io;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use ph_base::diagnostic::{Diagnostic, Severity};
use ph_plan::Secrets;

/// What every variable and file holds: no input will hold it by chance.
const SECRET: &str = "hunter2-5f1d0c";
const PROBLEMS_MAX: usize = 101;

struct OneSecret;

impl Secrets for OneSecret {
    fn variable(&self, name: &str) -> Option<OsString> {
        // Some are not set, so that both ways are gone.
        name.len().is_multiple_of(2).then(|| SECRET.into())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        if path.extension().is_some() {
            Ok(format!("{SECRET}\n"))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

fuzz_target!(|text: &str| {
    for file_name in ["pilothouse.yaml", "servers.json"] {
        let diagnostics = match ph_plan::load(file_name, text, &OneSecret) {
            Ok((plan, warnings)) => {
                assert!(!plan.servers.is_empty(), "a plan without a server");
                assert!(plan.check_exposure().is_ok());
                assert!(
                    warnings
                        .iter()
                        .all(|one| one.severity() == Severity::Warning)
                );
                warnings
            }
            Err(problems) => {
                assert!(problems.iter().any(|one| one.severity() == Severity::Error));
                assert!(problems.len() <= PROBLEMS_MAX);
                problems
            }
        };
        for diagnostic in &diagnostics {
            check(diagnostic, file_name, text);
        }
    }
});

fn check(diagnostic: &Diagnostic, file_name: &str, text: &str) {
    assert!(
        text.get(diagnostic.at.clone()).is_some(),
        "{diagnostic:?} points outside"
    );
    let (line, column) = diagnostic.line_and_column(text);
    assert!(line >= 1 && column >= 1 && line <= text.len() + 1);
    let shown = diagnostic.render(file_name, text);
    assert!(!shown.is_empty());
    assert!(
        !shown.contains(SECRET) || text.contains(SECRET),
        "a secret is shown: {shown}"
    );
}
