//! The report for people: one block for each finding, in the words of `yarn audit` and `npm audit`.

use crate::severity::SeverityFrom;

use super::database::duration;
use super::{Difference, Report, Row, representative};

/// The report as text. `paint` gets a severity's word and the text to be coloured; it may give it back as it is.
#[must_use]
pub fn table(report: &Report, paint: &dyn Fn(&str, &str) -> String) -> String {
    let mut text = String::new();
    for row in &report.rows {
        block(&mut text, row, paint);
    }
    if !report.overridden.is_empty() {
        text.push_str("Overridden:\n");
        for one in &report.overridden {
            text.push_str(&format!(
                "  {} in {}: {} (until {})\n",
                representative(&one.row.finding),
                one.row.package(),
                clean(&one.reason),
                clean(&one.expires)
            ));
        }
        text.push('\n');
    }
    lines(
        &mut text,
        "Not checked",
        report
            .unchecked
            .iter()
            .map(|one| format!("{}: {}", one.what, one.why)),
    );
    lines(
        &mut text,
        "Installed and locked differ",
        report.differences.iter().map(difference),
    );
    lines(&mut text, "Note", report.notes.iter().cloned());
    summary(&mut text, report);
    text
}

fn block(text: &mut String, row: &Row, paint: &dyn Fn(&str, &str) -> String) {
    let (finding, component) = (&row.finding, &row.finding.component);
    let word = finding.severity.class().word();
    let score = match finding.severity.from {
        SeverityFrom::Cvss => format!("{word} ({:.1})", finding.severity.score),
        SeverityFrom::Word => word.to_owned(),
        SeverityFrom::Malicious => format!("{word} (malware)"),
        SeverityFrom::Unknown => {
            format!("{word} (not rated: taken as {:.1})", finding.severity.score)
        }
    };
    let mut severity = paint(word, &score);
    if finding.is_exploited {
        severity.push_str(", known to be exploited");
    }
    if let Some(epss) = finding.epss {
        severity.push_str(&format!(", EPSS {:.1} %", epss * 100.0));
    }
    let patched = match finding.fixed_in.as_slice() {
        [] => "no version is known".to_owned(),
        versions => versions.join(", "),
    };
    let place = if component.path.is_empty() {
        component.file.clone()
    } else {
        component.path.clone()
    };
    let chain = row.chain.join(" > ");
    text.push_str(&format!(
        "{}: {}\n",
        clean(representative(finding)),
        clean(&row.title())
    ));
    text.push_str(&format!("  {:<14} {severity}\n", "severity"));
    if let Some(word) = &finding.informational {
        text.push_str(&format!(
            "  {:<14} {}, no vulnerability\n",
            "kind",
            clean(word)
        ));
    }
    let mut put =
        |name: &str, value: &str| text.push_str(&format!("  {name:<14} {}\n", clean(value)));
    put("package", &row.package());
    if let Some(why) = &finding.unknown {
        put("not certain", why);
    }
    put("patched in", &patched);
    if let Some(exposure) = &row.exposure {
        put("exposure", &exposure.line());
        if let Some(text) = &exposure.transport {
            put("transport", text);
        }
    }
    put("dependency of", row.dependency_of());
    put("path", if row.chain.len() > 1 { &chain } else { &place });
    if row.chain.len() > 1 && place != chain {
        put("in", &place);
    }
    if row.found_by.iter().any(|one| one != "pilothouse") {
        put("found by", &row.found_by.join(", "));
    }
    put(
        "more info",
        &row.more_info().unwrap_or_else(|| "-".to_owned()),
    );
    text.push('\n');
}

fn lines(text: &mut String, title: &str, of: impl ExactSizeIterator<Item = String>) {
    if of.len() == 0 {
        return;
    }
    text.push_str(&format!("{title}:\n"));
    for line in of {
        text.push_str(&format!("  {}\n", clean(&line)));
    }
    text.push('\n');
}

fn difference(of: &Difference) -> String {
    let said = |version: &Option<String>| version.clone().unwrap_or_else(|| "nothing".to_owned());
    format!(
        "{} ({}): installed is {}, locked is {}",
        of.package,
        of.path,
        said(&of.installed),
        said(&of.locked)
    )
}

fn summary(text: &mut String, report: &Report) {
    let counts: Vec<_> = report
        .counts()
        .iter()
        .map(|(class, n)| format!("{n} {}", class.word()))
        .collect();
    let found = match report.rows.len() {
        0 => "nothing found".to_owned(),
        1 => format!("1 finding ({})", counts.join(", ")),
        n => format!("{n} findings ({})", counts.join(", ")),
    };
    let (packages, files) = (report.packages, report.files.len());
    let database = &report.database;
    let age = match database.age() {
        Some(age) => format!(", {} old", duration(age)),
        None => String::new(),
    };
    text.push_str(&format!(
        "{}: {found} in {packages} {} of {files} {}; {} advisories{age}\n",
        clean(&report.subject),
        if packages == 1 { "package" } else { "packages" },
        if files == 1 { "file" } else { "files" },
        database.records(),
    ));
    let doubts = report.doubts();
    if !doubts.is_empty() {
        let why = doubts.join("; ");
        let so = if report.rows.is_empty() {
            "this is not clean"
        } else {
            "there may be more"
        };
        text.push_str(&format!("{so}: {}\n", clean(&why)));
    }
}

/// Foreign text on a terminal: what could move the cursor or hide text is shown as `?`.
fn clean(text: &str) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars()
        .map(|c| if hides(c) { '?' } else { c })
        .collect()
}
