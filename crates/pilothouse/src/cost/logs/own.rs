//! What the own store keeps, as it was measured.

use super::LogsArgs;
use crate::ask::{Api, Refused, duration_text};
use crate::cost::sheet::Sheet;
use anyhow::{Result, ensure};
use ph_cost::price::Money;
use ph_cost::retention::{Kind, Logs, Plan, Storage};
use ph_ledger::Past;
use serde_json::Value as Json;
use std::time::Duration;

const MS_PER_DAY: i64 = 86_400_000;
/// What OpenCost publishes for a GB of storage and a month: a placeholder.
const PLACEHOLDER: Money = Money::from_micro(40_000);

/// What is kept, how, and what is to be known of the numbers.
pub(super) struct Own {
    pub(super) logs: Logs,
    /// The age at which records are to go.
    pub(super) retention: Duration,
    pub(super) notes: Vec<String>,
}

pub(super) fn measured(args: &LogsArgs, sheet: &Sheet) -> Result<Own> {
    let past = args.past.read()?;
    let api = Api::find(&args.place)?;
    let mut notes = Vec::new();
    let kinds = kinds(args, past, &api, &mut notes)?;
    let stored_permille = stored(&api, &mut notes)?;
    let price = sheet.storage("hot").unwrap_or_else(|| {
        notes.push(format!(
            "storage is priced by a placeholder ({PLACEHOLDER} for a GB and a month, OpenCost's published default), which nobody pays: say your own as `cost.storage_gb_month.hot`"
        ));
        PLACEHOLDER
    });
    let store = &sheet.plan.store;
    let retention = match &args.retention {
        None => store.retention,
        Some(text) => crate::ask::read_duration(text)
            .filter(|age| *age >= Duration::from_secs(3_600))
            .ok_or_else(|| Refused {
                error: format!("`{text}` is no age to keep records for"),
                hint: Some("such as `14d`; at least an hour".to_owned()),
            })?,
    };
    let is_shorter = retention < store.retention;
    ensure!(
        !(is_shorter && kinds.iter().any(|kind| kind.is_audit)),
        "the store keeps all kinds equally long, so a shorter `--retention` would take audit logs with it: pass them on to a store of their own first (`sinks`)"
    );
    notes.push(format!(
        "now is `store.retention` {}, then {}; the store removes whole files of up to a day",
        shown(store.retention),
        shown(retention)
    ));
    let logs = Logs {
        currency: sheet.plan.cost.currency.as_str().to_owned(),
        kinds,
        now: plan(store.retention),
        then: plan(retention),
        storage: Storage {
            hot_gb_month: price,
            warm_gb_month: price,
            stored_permille,
        },
    };
    notes.extend(is_full_before(&logs, store.bytes.bytes()));
    notes.push("the audit log of changes (`audit.log`) is a file of its own beside the store: no retention touches it".to_owned());
    Ok(Own {
        logs,
        retention,
        notes,
    })
}

/// Bytes of a day, by kind.
fn kinds(args: &LogsArgs, past: Past, api: &Api, notes: &mut Vec<String>) -> Result<Vec<Kind>> {
    let tally = past.tally(api, "", "kind", "")?;
    let store = api.json("/api/pilothouse/store", &crate::ask::Params::new())?;
    let first_ms = store["logs"]["from"]
        .as_f64()
        .map_or(past.to_ms, |s| (s * 1e3) as i64);
    let from_ms = past.from_ms.max(first_ms);
    // What was only just begun counts as a second of it; how short that is, is said.
    let span_ms = (past.to_ms - from_ms).max(1_000);
    let groups = tally["groups"]
        .as_array()
        .map_or(&[] as &[Json], Vec::as_slice);
    if groups.is_empty() {
        return Err(Refused {
            error: "no records were kept in this time: nothing is known of what is written"
                .to_owned(),
            hint: Some("look further back with `--since`, or give a FILE".to_owned()),
        }
        .into());
    }
    if tally["complete"] != true {
        notes.push(format!(
            "only {} of {} records were looked at in the time there is for a question: more is written than this",
            tally["scanned"], tally["total"]
        ));
    }
    notes.push(format!(
        "bytes of a day are those of {} of records{}",
        duration_text(
            span_ms / 60_000 * 60_000
                + if span_ms < 60_000 {
                    span_ms / 1_000 * 1_000
                } else {
                    0
                }
        ),
        if span_ms < MS_PER_DAY {
            ", less than a day: what the other hours write is not known"
        } else {
            ""
        }
    ));
    for name in &args.audit {
        let is_known = groups
            .iter()
            .any(|group| group["values"][0] == name.as_str());
        ensure!(
            is_known,
            "no records of the kind `{name}` were kept in this time"
        );
    }
    let kind = |group: &Json| {
        let name = group["values"][0].as_str().unwrap_or("unknown").to_owned();
        let bytes = group["bytes"].as_u64().unwrap_or(0);
        let a_day = u128::from(bytes) * MS_PER_DAY as u128 / span_ms.max(1) as u128;
        Kind {
            is_audit: args.audit.contains(&name),
            name,
            bytes_per_day: u64::try_from(a_day).unwrap_or(u64::MAX),
        }
    };
    Ok(groups.iter().map(kind).collect())
}

/// Bytes on disk for 1,000 bytes of records, as measured on what is sealed.
fn stored(api: &Api, notes: &mut Vec<String>) -> Result<u64> {
    let store = api.json("/api/pilothouse/store", &crate::ask::Params::new())?;
    let logs = &store["logs"];
    let (sealed, json) = (&logs["sealed_bytes"], &logs["sealed_json_bytes"]);
    match (sealed.as_u64(), json.as_u64()) {
        (Some(sealed), Some(json)) if json > 0 => {
            let permille = (u128::from(sealed) * 1_000 / u128::from(json)).max(1);
            notes.push(format!(
                "{json} B of records lie on {sealed} B of disk in {} sealed files, columns and indices with them: {permille} of 1,000",
                logs["segments"]
            ));
            Ok(u64::try_from(permille).unwrap_or(u64::MAX))
        }
        _ => {
            notes.push(
                "no file is sealed yet, so nothing is known of compression: records are counted as long as they are written".to_owned(),
            );
            Ok(1_000)
        }
    }
}

/// The store has one tier and one copy.
fn plan(retention: Duration) -> Plan {
    let days = retention.as_secs().div_ceil(86_400);
    let days = u32::try_from(days).unwrap_or(u32::MAX);
    Plan {
        rollover_days: 1,
        warm_days: days,
        delete_days: days,
        hot_replicas: 0,
        warm_replicas: 0,
    }
}

/// What to say when `store.bytes` ends the time that is kept before its age does.
fn is_full_before(logs: &Logs, bytes_max: u64) -> Option<String> {
    let daily: u128 = logs
        .kinds
        .iter()
        .map(|kind| u128::from(kind.bytes_per_day))
        .sum();
    let daily = daily * u128::from(logs.storage.stored_permille) / 1_000;
    let days = u128::from(bytes_max).checked_div(daily)?;
    (days < u128::from(logs.now.delete_days)).then(|| {
        format!(
            "at {daily} B a day on disk `store.bytes` ({bytes_max} B, samples of metrics in it) is full after {days} d, before `store.retention`: what is kept longer is not there, and costs nothing"
        )
    })
}

/// As it is written in a configuration.
pub(super) fn shown(age: Duration) -> String {
    ph_plan::show_duration(age)
}
