//! The bill of a month, made of what was recorded and of the prices of the configuration.

use crate::{Ask, Params, Past, Recorded, Refused};
use ph_cost::attribution::{Paid, paid};
use ph_cost::bill::{Bill, Measure, Row, Sla};
use ph_cost::price::{Money, Prices};
use ph_plan::Plan;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A bill, and what is to be known of its numbers.
pub struct Made {
    /// The rows, and what is done about them.
    pub bill: Bill,
    /// What is to be known of how it was recorded.
    pub notes: Vec<String>,
    /// How the amounts came about.
    pub arithmetic: Vec<String>,
}

/// A month, by its name.
#[derive(Clone, Debug)]
pub struct Period {
    /// As the API takes it: `2026-11`.
    pub name: String,
    /// Its first moment.
    pub begin_ms: i64,
    /// The first moment after it.
    pub end_ms: i64,
}

/// Makes the bill of `month`.
///
/// - `source`: where prices stand, as a clause: `of OpenCost, …`.
/// - `before`: the month before it.
/// - `measures`: what is to be done about it, in this order.
///
/// # Errors
/// Those of whoever is asked; what makes no sense as an amount.
pub fn bill<A: Ask>(
    api: &A,
    plan: &Plan,
    source: &str,
    (before, month): (&Period, &Period),
    measures: Vec<Measure>,
    now_ms: i64,
) -> Result<Made, A::Error> {
    let this = costs(api, plan, source, month, now_ms)?;
    let last = costs(api, plan, source, before, now_ms)?;
    let mut notes = this.notes;
    if month.end_ms > now_ms {
        let so_far = Past {
            from_ms: month.begin_ms,
            to_ms: now_ms,
        };
        notes.push(format!(
            "{} is not over: amounts are those of its first {} h; what was used in the last {} s may not be in them yet",
            month.name,
            (now_ms - month.begin_ms) / 3_600_000,
            so_far.step_s()
        ));
    }
    let has_last = !last.is_empty;
    if !has_last {
        notes.push(format!(
            "nothing was recorded in {}: there is no month before",
            before.name
        ));
    }
    let amounts = |rows: &[Row]| -> BTreeMap<String, Money> {
        let of = |row: &Row| Some((row.name.clone(), row.amount?));
        rows.iter().filter_map(of).collect()
    };
    Ok(Made {
        bill: Bill {
            month: month.name.clone(),
            currency: plan.cost.currency.as_str().to_owned(),
            before: if has_last {
                amounts(&last.rows)
            } else {
                BTreeMap::new()
            },
            rows: this.rows,
            measures,
            // The rows are amounts already.
            prices: Prices::default(),
            sla: sla(api, before, month)?,
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

fn costs<A: Ask>(
    api: &A,
    plan: &Plan,
    source: &str,
    month: &Period,
    now_ms: i64,
) -> Result<Costs, A::Error> {
    let past = Past {
        from_ms: month.begin_ms,
        to_ms: month.end_ms.min(now_ms),
    };
    let Recorded { input, mut notes } = past.recorded(api, plan)?;
    let is_empty = input.calls.is_empty() && input.servers.is_empty() && input.own.is_none();
    if input.calls.is_empty() {
        notes.push(format!(
            "no call was recorded in {}: zero traffic costs what is paid whatever is used",
            month.name
        ));
    }
    if input.prices.is_placeholder {
        notes.push(format!(
            "CPU and memory are priced by those {source}: say your own in `cost`"
        ));
    }
    let paid = paid(&input).map_err(|problem| Refused::new(problem.to_string()))?;
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

/// How service levels stood in both months.
fn sla<A: Ask>(api: &A, before: &Period, month: &Period) -> Result<Option<Sla>, A::Error> {
    let (last, this) = (levels(api, before)?, levels(api, month)?);
    if last.is_none() && this.is_none() {
        return Ok(None);
    }
    let text = |levels: Option<String>, month: &Period| match levels {
        Some(levels) => format!("{levels} in {}", month.name),
        None => format!("nothing was counted in {}", month.name),
    };
    Ok(Some(Sla {
        promise: "Good events by objective, the month".to_owned(),
        before: text(last, before),
        after: text(this, month),
    }))
}

fn levels<A: Ask>(api: &A, month: &Period) -> Result<Option<String>, A::Error> {
    let params = Params::new().with("month", &month.name);
    let answer = api.json("/api/pilothouse/slos/report", &params)?;
    let rows = answer["slos"].as_array();
    let rows = rows.ok_or_else(|| Refused::new("the answer has an unknown form"))?;
    let level = |row: &Json| {
        let month = &row["month"];
        let (name, good) = (month["name"].as_str()?, month["good_percent"].as_f64()?);
        let target = &month["target_percent"];
        Some(format!("{name} {good:.3} % (of {target} %)"))
    };
    let levels: Vec<String> = rows.iter().filter_map(level).collect();
    Ok((!levels.is_empty()).then(|| levels.join(", ")))
}
