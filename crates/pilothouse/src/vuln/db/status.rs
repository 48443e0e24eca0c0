//! What is there and how old it is.

use super::rounded;
use crate::ask::CouldNotAsk;
use crate::exit;
use crate::printer::Printer;
use crate::terminal::{clean, pad, pad_left};
use crate::vuln::place::Place;
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use ph_advisories::{ListInfo, MirrorState, State};
use serde_json::{Value as Json, json};
use std::time::{Duration, SystemTime};

pub(crate) fn status(
    place: &Place,
    is_json: bool,
    now: SystemTime,
    printer: &Printer,
) -> Result<u8> {
    let state = MirrorState::read(&place.db).context(CouldNotAsk)?;
    let after = place.plan.vuln.stale_after;
    let is_stale = state
        .ecosystems
        .iter()
        .any(|state| state.is_stale(now, after));
    if is_json {
        let json = as_json(&state, &place.db.display().to_string(), now, after);
        printer.data(&format!("{json}\n"))?;
    } else {
        printer.data(&as_text(&state, now, after))?;
        if is_stale {
            let after = rounded(after);
            printer.say(&format!(
                "stale: no scan with advisories that are older than {after} is clean; `pilothouse vuln db update` fetches newer ones"
            ));
        }
    }
    Ok(if is_stale || state.ecosystems.is_empty() {
        exit::COULD_NOT_CHECK
    } else {
        exit::DONE
    })
}

fn as_json(state: &MirrorState, folder: &str, now: SystemTime, after: Duration) -> Json {
    let list = |list: &ListInfo| json!({"entries": list.entries, "source": list.source, "as_of": text_of(list.as_of)});
    let ecosystem = |state: &State| {
        json!({
            "ecosystem": state.ecosystem, "records": state.records, "packages": state.packages,
            "unreadable": state.unreadable, "source": state.source, "fetched": state.is_fetched,
            "as_of": text_of(state.as_of), "age_s": state.age(now).as_secs(), "newest": state.newest,
            "stale": state.is_stale(now, after),
        })
    };
    json!({
        "version": 1, "folder": folder, "stale_after_s": after.as_secs(),
        "stale": state.ecosystems.iter().any(|state| state.is_stale(now, after)),
        "ecosystems": state.ecosystems.iter().map(ecosystem).collect::<Vec<_>>(),
        "kev": state.kev.as_ref().map(list), "epss": state.epss.as_ref().map(list),
    })
}

fn text_of(time: SystemTime) -> Option<String> {
    let time = Timestamp::try_from(time).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn as_text(state: &MirrorState, now: SystemTime, after: Duration) -> String {
    let head = [
        "",
        "advisories",
        "packages",
        "age",
        "newest change",
        "source",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    for state in &state.ecosystems {
        let mut age = rounded(state.age(now));
        if state.is_stale(now, after) {
            age.push_str(" (stale)");
        }
        let mut records = state.records.to_string();
        if state.unreadable > 0 {
            records.push_str(&format!(" (+{} unreadable)", state.unreadable));
        }
        let newest = state.newest.as_deref().unwrap_or("-");
        rows.push([
            state.ecosystem.clone(),
            records,
            state.packages.to_string(),
            age,
            newest.chars().take(19).collect(),
            clean(&state.source),
        ]);
    }
    for (name, list) in [("KEV", &state.kev), ("EPSS", &state.epss)] {
        if let Some(list) = list {
            let age = now.duration_since(list.as_of).unwrap_or_default();
            let (entries, none) = (list.entries.to_string(), "-".to_owned());
            rows.push([
                name.to_owned(),
                entries,
                none.clone(),
                rounded(age),
                none,
                clean(&list.source),
            ]);
        }
    }
    table(&rows)
}

/// Numbers stand to the right.
fn table(rows: &[[String; 6]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let line = |row: &[String; 6]| {
        let cells = row.iter().enumerate().map(|(column, cell)| match column {
            1 | 2 => pad_left(cell, width(column)),
            5 => cell.clone(),
            _ => pad(cell, width(column)),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn what_is_stale_is_said() {
        let at = |s| UNIX_EPOCH + Duration::from_secs(s);
        let state = MirrorState {
            ecosystems: vec![State {
                ecosystem: "npm".to_owned(),
                records: 12,
                packages: 7,
                unreadable: 1,
                source: "https://osv.example.com".to_owned(),
                is_fetched: true,
                as_of: at(0),
                newest: Some("2026-11-22T10:00:00.123Z".to_owned()),
            }],
            kev: Some(ListInfo {
                entries: 1_404,
                source: "kev.json".to_owned(),
                as_of: at(100),
            }),
            epss: None,
        };
        let (day, now) = (Duration::from_secs(86_400), at(90_000));
        let want = "\
           advisories  packages  age          newest change        source
npm   12 (+1 unreadable)         7  25h (stale)  2026-11-22T10:00:00  https://osv.example.com
KEV                 1404         -  1d           -                    kev.json
";
        let got = as_text(&state, now, day);
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&got), squeezed(want));
        let json = as_json(&state, "/x", now, day);
        assert_eq!(
            (&json["stale"], &json["ecosystems"][0]["age_s"]),
            (&json!(true), &json!(90_000))
        );
        assert_eq!(json["ecosystems"][0]["as_of"], "1970-01-01T00:00:00Z");
    }
}
