//! The bill of a month by rows, and what measures take off it: one after the other, each with its base said.
//!
//! A percentage without its base says nothing: a fifth of a row as it was is two fifths of what an earlier measure left of
//! it, and a tenth of the total. So each measure is given against all three.

mod show;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::price::{Money, Prices};

pub(crate) use show::percent;
pub use show::{html, markdown};

/// Rows and measures that are looked at, at most.
pub const ROWS_MAX: usize = 1000;

/// The bill of one month, as it is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bill {
    /// Which month, as it is to be shown.
    pub month: String,
    /// As in `USD`.
    pub currency: String,
    /// What it is made of.
    pub rows: Vec<Row>,
    /// What is done about it, in this order.
    #[serde(default)]
    pub measures: Vec<Measure>,
    /// What rows of pods are priced by.
    #[serde(default)]
    pub prices: Prices,
    /// The month before, by name of row.
    #[serde(default)]
    pub before: BTreeMap<String, Money>,
    /// The service level before and after the measures.
    #[serde(default)]
    pub sla: Option<Sla>,
}

/// One row of a bill: `amount`, or `pods`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What is paid for.
    pub name: String,
    /// What it costs in this month.
    #[serde(default)]
    pub amount: Option<Money>,
    /// What runs, where the amount is to be made of prices.
    #[serde(default)]
    pub pods: Option<Pods>,
    /// How much of it is used, in percent. What is not used is room.
    #[serde(default)]
    pub used_percent: Option<u32>,
}

/// Pods by what they request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pods {
    /// Thousandths of a pod, over the month.
    pub count_milli: u64,
    /// Of each, in thousandths of a core.
    pub cpu_milli: u64,
    /// Of each.
    pub memory_bytes: u64,
}

/// Something that takes money off a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// What is done.
    pub name: String,
    /// The row that it takes it off.
    pub row: String,
    /// How much.
    pub saves: Saves,
    /// Whether the money is only saved when nodes go: smaller pods on as many nodes cost what they did.
    #[serde(default)]
    pub needs_fewer_nodes: bool,
}

/// How much a measure takes off its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Saves {
    /// So much.
    Amount(Money),
    /// Thousandths of what earlier measures left of the row.
    PermilleOfRest(u64),
    /// Thousandths of the row as it was.
    PermilleOfRow(u64),
    /// From so many to so many, each costing alike; counts in thousandths. Of what earlier measures left.
    Count {
        /// Before.
        from_milli: u64,
        /// After.
        to_milli: u64,
    },
}

/// The share of what was promised that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BillSla")]
#[serde(deny_unknown_fields)]
pub struct Sla {
    /// What is promised, in words.
    pub promise: String,
    /// Before the measures, in words or numbers as they were measured.
    pub before: String,
    /// After them; or that nobody has measured it.
    pub after: String,
}

/// A bill that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBill {
    /// No rows at all.
    #[error("the bill has no rows")]
    NoRows,
    /// Too many of them.
    #[error("the bill has more than {ROWS_MAX} rows or measures")]
    TooMany,
    /// A row twice.
    #[error("the row `{0}` stands twice")]
    Twice(String),
    /// Neither amount nor pods, or both.
    #[error("the row `{0}` needs either `amount` or `pods`")]
    NoAmount(String),
    /// Less than nothing.
    #[error("`{0}` is less than nothing")]
    Negative(String),
    /// More than all of it.
    #[error("the row `{0}` is used to more than 100 percent")]
    Overused(String),
    /// No number that can be computed with.
    #[error("`{0}` is beyond all bounds")]
    Beyond(String),
    /// A measure of a row that is not there.
    #[error("`{measure}` is about the row `{row}`, which is not there")]
    NoSuchRow {
        /// The measure.
        measure: String,
        /// The row that it names.
        row: String,
    },
    /// A measure that takes more than there is.
    #[error("`{measure}` saves {saves} of `{row}`, of which {rest} is left")]
    TooMuch {
        /// The measure.
        measure: String,
        /// Its row.
        row: String,
        /// What it would save.
        saves: Money,
        /// What there is.
        rest: Money,
    },
    /// A measure after which there is more.
    #[error("`{0}` saves nothing: it goes from fewer to more, or from none")]
    NoSaving(String),
}

/// A bill after its measures, with all sums made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "SettledBill")]
pub struct Settled {
    /// Which month.
    pub month: String,
    /// As in `USD`.
    pub currency: String,
    /// Each row, in the order of the bill.
    pub rows: Vec<SettledRow>,
    /// Sum of the rows.
    pub total: Money,
    /// Each measure, in the order in which it was applied.
    pub steps: Vec<Step>,
    /// Sum of what is saved.
    pub saved: Money,
    /// That as thousandths of the total.
    pub saved_permille_of_total: Option<i64>,
    /// What remains.
    pub rest: Money,
    /// What of the saving is there only when nodes go.
    pub saved_with_fewer_nodes: Money,
    /// The total of the month before, where it was given.
    pub before: Option<Money>,
    /// Whether a row is priced by what nobody pays.
    pub has_placeholder_prices: bool,
    /// The service level.
    pub sla: Option<Sla>,
    /// How each number came about.
    pub arithmetic: Vec<String>,
}

/// A row with what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "BillRow")]
pub struct SettledRow {
    /// What is paid for.
    pub name: String,
    /// Before measures.
    pub amount: Money,
    /// Thousandths of the total.
    pub permille_of_total: Option<i64>,
    /// How much of it is used.
    pub used_percent: Option<u32>,
    /// What is not used, in money.
    pub room: Option<Money>,
    /// In the month before.
    pub before: Option<Money>,
    /// After measures.
    pub rest: Money,
}

/// One measure, applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "BillStep")]
pub struct Step {
    /// What is done.
    pub name: String,
    /// Its row.
    pub row: String,
    /// What it saves.
    pub saves: Money,
    /// Thousandths of the row as it was before all measures.
    pub permille_of_row: Option<i64>,
    /// Thousandths of what earlier measures had left of the row.
    pub permille_of_rest: Option<i64>,
    /// Thousandths of the total before all measures.
    pub permille_of_total: Option<i64>,
    /// What it leaves of its row.
    pub leaves: Money,
    /// Whether it takes fewer nodes.
    pub needs_fewer_nodes: bool,
}

/// Makes all sums.
///
/// # Errors
/// [`BadBill`]: nothing is guessed, and nothing is saved twice.
pub fn settle(bill: &Bill) -> Result<Settled, BadBill> {
    let mut arithmetic = Vec::new();
    let mut rows = rows(bill, &mut arithmetic)?;
    let total: Money = rows.iter().map(|row| row.amount).sum();
    let parts: Vec<_> = rows.iter().map(|row| row.amount.to_string()).collect();
    arithmetic.push(format!("total: {} = {total}", parts.join(" + ")));
    for row in &mut rows {
        row.permille_of_total = row.amount.permille_of(total);
    }
    let mut steps = Vec::new();
    for measure in &bill.measures {
        steps.push(apply(measure, &mut rows, total, &mut arithmetic)?);
    }
    let saved: Money = steps.iter().map(|step| step.saves).sum();
    let rest: Money = rows.iter().map(|row| row.rest).sum();
    let saved_permille_of_total = saved.permille_of(total);
    arithmetic.push(format!(
        "saved: {saved}, {} of the total; {total} − {saved} = {rest}",
        percent(saved_permille_of_total)
    ));
    let nodes = steps.iter().filter(|step| step.needs_fewer_nodes);
    Ok(Settled {
        month: bill.month.clone(),
        currency: bill.currency.clone(),
        total,
        saved,
        saved_permille_of_total,
        rest,
        saved_with_fewer_nodes: nodes.map(|step| step.saves).sum(),
        before: (!bill.before.is_empty()).then(|| bill.before.values().copied().sum()),
        has_placeholder_prices: bill.prices.is_placeholder
            && bill.rows.iter().any(|row| row.pods.is_some()),
        sla: bill.sla.clone(),
        rows,
        steps,
        arithmetic,
    })
}

fn rows(bill: &Bill, arithmetic: &mut Vec<String>) -> Result<Vec<SettledRow>, BadBill> {
    if bill.rows.is_empty() {
        return Err(BadBill::NoRows);
    }
    if bill
        .rows
        .len()
        .max(bill.measures.len())
        .max(bill.before.len())
        > ROWS_MAX
    {
        return Err(BadBill::TooMany);
    }
    for (what, price) in [
        ("cpu_hour", bill.prices.cpu_hour),
        ("gib_hour", bill.prices.gib_hour),
    ] {
        if price < Money::ZERO {
            return Err(BadBill::Negative(what.to_owned()));
        }
    }
    if let Some((name, _)) = bill
        .before
        .iter()
        .find(|(_, amount)| **amount < Money::ZERO)
    {
        return Err(BadBill::Negative(name.clone()));
    }
    let mut rows: Vec<SettledRow> = Vec::with_capacity(bill.rows.len());
    for row in &bill.rows {
        let name = &row.name;
        if rows.iter().any(|known| known.name == *name) {
            return Err(BadBill::Twice(name.clone()));
        }
        let amount = match (row.amount, row.pods) {
            (Some(amount), None) => amount,
            (None, Some(pods)) => {
                let priced = bill
                    .prices
                    .pods(pods.count_milli, pods.cpu_milli, pods.memory_bytes);
                let (amount, how) = priced.ok_or_else(|| BadBill::Beyond(name.clone()))?;
                arithmetic.push(format!("{name}: {how}"));
                amount
            }
            _ => return Err(BadBill::NoAmount(name.clone())),
        };
        if amount < Money::ZERO {
            return Err(BadBill::Negative(name.clone()));
        }
        if amount > Money::MAX {
            return Err(BadBill::Beyond(name.clone()));
        }
        let room = match row.used_percent {
            None => None,
            Some(used) => {
                let free = 100_u32
                    .checked_sub(used)
                    .ok_or_else(|| BadBill::Overused(name.clone()))?;
                amount.times(u64::from(free), 100)
            }
        };
        rows.push(SettledRow {
            name: name.clone(),
            amount,
            permille_of_total: None,
            used_percent: row.used_percent,
            room,
            before: bill.before.get(name).copied(),
            rest: amount,
        });
    }
    Ok(rows)
}

fn apply(
    measure: &Measure,
    rows: &mut [SettledRow],
    total: Money,
    arithmetic: &mut Vec<String>,
) -> Result<Step, BadBill> {
    let name = &measure.name;
    let found = rows.iter_mut().find(|row| row.name == measure.row);
    let row = found.ok_or_else(|| BadBill::NoSuchRow {
        measure: name.clone(),
        row: measure.row.clone(),
    })?;
    let rest = row.rest;
    let beyond = || BadBill::Beyond(name.clone());
    let (saves, how) = match measure.saves {
        Saves::Amount(amount) => (amount, "as given".to_owned()),
        Saves::PermilleOfRest(share) => (
            rest.times(share, 1000).ok_or_else(beyond)?,
            format!("{} of the {rest} that are left", show::permille(share)),
        ),
        Saves::PermilleOfRow(share) => (
            row.amount.times(share, 1000).ok_or_else(beyond)?,
            format!(
                "{} of the row as it was, {}",
                show::permille(share),
                row.amount
            ),
        ),
        Saves::Count {
            from_milli,
            to_milli,
        } => {
            let fewer = from_milli.checked_sub(to_milli).filter(|fewer| *fewer > 0);
            let fewer = fewer.ok_or_else(|| BadBill::NoSaving(name.clone()))?;
            (
                rest.times(fewer, from_milli).ok_or_else(beyond)?,
                format!(
                    "{} of {} fewer, of the {rest} that are left",
                    show::count(fewer),
                    show::count(from_milli)
                ),
            )
        }
    };
    if saves < Money::ZERO {
        return Err(BadBill::Negative(name.clone()));
    }
    if saves > rest {
        return Err(BadBill::TooMuch {
            measure: name.clone(),
            row: row.name.clone(),
            saves,
            rest,
        });
    }
    row.rest = rest - saves;
    arithmetic.push(format!(
        "{name}: {saves} ({how}); {} {rest} − {saves} = {}",
        row.name, row.rest
    ));
    Ok(Step {
        name: name.clone(),
        row: row.name.clone(),
        saves,
        permille_of_row: saves.permille_of(row.amount),
        permille_of_rest: saves.permille_of(rest),
        permille_of_total: saves.permille_of(total),
        leaves: row.rest,
        needs_fewer_nodes: measure.needs_fewer_nodes,
    })
}
