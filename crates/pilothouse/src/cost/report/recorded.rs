//! The bill of a month, made of what was recorded and of the prices of the configuration.

use super::ReportArgs;
use crate::ask::{Api, Params};
use crate::cost::past::{self, Past, Recorded};
use crate::cost::read_file;
use crate::cost::sheet::Sheet;
use anyhow::{Context as _, Result, anyhow};
use ph_cost::attribution::{Paid, paid};
use ph_cost::bill::{Bill, Measure, Row, Sla};
use ph_cost::price::{Money, Prices};
use ph_rules::slo::{Month, Report};
use std::collections::BTreeMap;

/// A bill, and what is to be known of its numbers.
pub(super) struct Made {
    pub(super) bill: Bill,
    pub(super) notes: Vec<String>,
    pub(super) arithmetic: Vec<String>,
}

/// # Errors
/// Inner: what makes no sense as an amount.
pub(super) fn bill(args: &ReportArgs, sheet: &Sheet) -> Result<Made> {
    let now_ms = crate::ask::read_time("now")?;
    let month = match &args.month {
        Some(text) => past::month(text)?,
        None => Month::of(now_ms),
    };
    let before = Month::of(month.begin_ms() - 1);
    let api = Api::find_with(&args.place, &sheet.plan)?;
    let this = costs(&api, sheet, month, now_ms)?;
    let last = costs(&api, sheet, before, now_ms)?;
    let mut notes = this.notes;
    if month.end_ms() > now_ms {
        notes.push(format!(
            "{month} is not over: amounts are those of its first {} h",
            (now_ms - month.begin_ms()) / 3_600_000
        ));
    }
    let has_last = !last.is_empty;
    if !has_last {
        notes.push(format!(
            "nothing was recorded in {before}: there is no month before"
        ));
    }
    let amounts = |rows: &[Row]| -> BTreeMap<String, Money> {
        let of = |row: &Row| Some((row.name.clone(), row.amount?));
        rows.iter().filter_map(of).collect()
    };
    Ok(Made {
        bill: Bill {
            month: month.to_string(),
            currency: sheet.plan.cost.currency.as_str().to_owned(),
            before: if has_last {
                amounts(&last.rows)
            } else {
                BTreeMap::new()
            },
            rows: this.rows,
            measures: measures(args)?,
            // The rows are amounts already.
            prices: Prices::default(),
            sla: sla(&api, before, month)?,
        },
        notes,
        arithmetic: this.arithmetic,
    })
}

struct Costs {
    rows: Vec<Row>,
    /// Nothing was recorded at all.
    is_empty: bool,
    notes: Vec<String>,
    arithmetic: Vec<String>,
}

fn costs(api: &Api, sheet: &Sheet, month: Month, now_ms: i64) -> Result<Costs> {
    let past = Past {
        from_ms: month.begin_ms(),
        to_ms: month.end_ms().min(now_ms),
    };
    let Recorded { input, mut notes } = past.recorded(api, sheet)?;
    let is_empty = input.calls.is_empty() && input.servers.is_empty() && input.own.is_none();
    if input.calls.is_empty() {
        notes.push(format!(
            "no call was recorded in {month}: zero traffic costs what is paid whatever is used"
        ));
    }
    if input.prices.is_placeholder {
        notes.push(format!(
            "CPU and memory are priced by those {}: say your own in `cost`",
            sheet.source()
        ));
    }
    let paid = paid(&input)?;
    Ok(Costs {
        rows: rows(&paid),
        is_empty,
        notes,
        arithmetic: paid.arithmetic,
    })
}

fn rows(paid: &Paid) -> Vec<Row> {
    let row = |name: &str, amount: Money, used_percent: Option<u32>| Row {
        name: name.to_owned(),
        amount: Some(amount),
        pods: None,
        used_percent,
    };
    let mut rows = vec![row("CPU and memory", paid.compute(), paid.used_percent())];
    rows.extend(paid.transfer.map(|amount| row("transfer", amount, None)));
    rows.extend(
        paid.fixed
            .iter()
            .map(|(name, amount)| row(name, *amount, None)),
    );
    rows
}

/// What is to be done about it: a list of measures, as in a bill.
fn measures(args: &ReportArgs) -> Result<Vec<Measure>> {
    let Some(file) = &args.measures else {
        return Ok(Vec::new());
    };
    let name = file.display();
    let text = read_file(file)?;
    serde_json::from_str(&text).with_context(|| format!("`{name}` is no list of measures"))
}

/// How service levels stood in both months.
fn sla(api: &Api, before: Month, month: Month) -> Result<Option<Sla>> {
    let (last, this) = (levels(api, before)?, levels(api, month)?);
    if last.is_none() && this.is_none() {
        return Ok(None);
    }
    let text = |levels: Option<String>, month: Month| match levels {
        Some(levels) => format!("{levels} in {month}"),
        None => format!("nothing was counted in {month}"),
    };
    Ok(Some(Sla {
        promise: "Good events by objective, the month".to_owned(),
        before: text(last, before),
        after: text(this, month),
    }))
}

fn levels(api: &Api, month: Month) -> Result<Option<String>> {
    let params = Params::new().with("month", month);
    let answer = api.json("/api/pilothouse/slos/report", &params)?;
    let report: Report =
        serde_json::from_value(answer).map_err(|_| anyhow!("the answer has an unknown form"))?;
    let level = |row: &ph_rules::slo::ReportRow| {
        let good = row.month.good_percent?;
        Some(format!(
            "{} {good:.3} % (of {:.3} %)",
            row.month.name, row.month.target_percent
        ))
    };
    let levels: Vec<String> = report.slos.iter().filter_map(level).collect();
    Ok((!levels.is_empty()).then(|| levels.join(", ")))
}
