//! Whose cost it is: what a time cost, by server, tool and client.
//!
//! CPU and memory are not added up: each is priced, and money is. A server's processes are measured, so what it cost is
//! known; which of its calls used how much of that is not, so its money goes to them by the time that it had each in
//! hand. Rows sum to the total, to the millionth: what was paid for and used by nobody is a row, too.

mod paid;
mod show;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::price::{Money, Prices};
use paid::{Used, held, idle, of_month, priced, transfer};

pub use paid::{Paid, paid};
pub use show::markdown;

/// A time, and all that was used and called in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// As in `USD`.
    pub currency: String,
    /// How long it was, in seconds.
    pub length_s: u64,
    /// What CPU and memory cost.
    pub prices: Prices,
    /// What is paid for, whatever is used of it.
    pub capacity: Option<Capacity>,
    /// What is paid in a month whatever is used. A row that is named as a server is that server's.
    pub fixed: BTreeMap<String, Money>,
    /// Price of 10^9 bytes that calls carried.
    pub transfer_gb: Option<Money>,
    /// What Pilothouse itself used.
    pub own: Option<Use>,
    /// What each server's processes used, where that was measured.
    pub servers: BTreeMap<String, Use>,
    /// What was called.
    pub calls: Vec<Calls>,
}

/// What is paid for, whatever is used of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Capacity {
    /// Thousandths of a core.
    pub cpu_milli: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

/// What processes used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Use {
    /// CPU time, in milliseconds.
    pub cpu_ms: u64,
    /// Memory held, in MiB times seconds.
    pub memory_mib_s: u64,
}

/// Calls of one client to one tool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Calls {
    /// Whose tool.
    pub server: String,
    /// The tool; for other methods the method.
    pub tool: String,
    /// Who called; empty where nobody said.
    pub client: String,
    /// How many.
    pub calls: u64,
    /// How long the server had them in hand, in microseconds.
    pub in_flight_us: u64,
    /// What they carried, there and back.
    pub bytes: u64,
}

/// What was paid, by whom it was for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Attributed {
    /// As in `USD`.
    pub currency: String,
    /// How long the time was, in seconds.
    pub length_s: u64,
    /// The sum of all rows.
    pub total: Money,
    /// Each with what it is for, the dearest first.
    pub rows: Vec<Row>,
    /// By server: those of rows that have one.
    pub servers: Vec<Sum>,
    /// By client: those of rows that have calls.
    pub clients: Vec<Sum>,
    /// Of the total, what was paid for and used by nobody.
    pub idle: Money,
    /// Calls in all.
    pub calls: u64,
    /// What of the total is for calls, divided by their number.
    pub per_call: Option<Money>,
    /// Whether prices of CPU and memory are ones that nobody pays.
    pub has_placeholder_prices: bool,
    /// How each number came about.
    pub arithmetic: Vec<String>,
}

/// Money, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "CostShare")]
pub struct Row {
    /// What it is for.
    pub what: What,
    /// Whose tool; empty where it is nobody's.
    pub server: String,
    /// The tool, or the method.
    pub tool: String,
    /// Who called.
    pub client: String,
    /// How many calls.
    pub calls: u64,
    /// How much.
    pub amount: Money,
}

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(rename = "CostOf")]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Calls of a server whose processes are measured: its CPU seconds and memory, shared out by time in flight.
    Measured,
    /// Calls of a server that is not measured: by time in flight alone.
    InFlight,
    /// A server that was not called and used something all the same.
    Uncalled,
    /// Pilothouse itself.
    Own,
    /// What is paid and nobody was there to share it.
    Unshared,
    /// What is paid for and was not used.
    Idle,
}

/// Rows put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "CostSum")]
pub struct Sum {
    /// The server or the client.
    pub name: String,
    /// How many calls.
    pub calls: u64,
    /// How much.
    pub amount: Money,
    /// Thousandths of the total.
    pub permille: Option<i64>,
}

/// What cannot be computed with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAttributed {
    /// No time at all.
    #[error("the time is 0 s long: nothing was paid")]
    NoTime,
    /// A price below nothing.
    #[error("the price of `{0}` is less than nothing")]
    Negative(String),
    /// Numbers too large.
    #[error("the cost of `{0}` is beyond all bounds")]
    Beyond(String),
}

/// Shares out what a time cost.
///
/// # Errors
/// [`NotAttributed`], where a number makes no sense.
pub fn attribute(input: &Input) -> Result<Attributed, NotAttributed> {
    check(input)?;
    let mut sharing = Sharing {
        input,
        weights: input.calls.iter().map(|calls| calls.in_flight_us).collect(),
        amounts: vec![Money::ZERO; input.calls.len()],
        rows: Vec::new(),
        arithmetic: Vec::new(),
    };
    let used = sharing.used()?;
    sharing.fixed()?;
    sharing.transfer()?;
    let idle = sharing.idle(used)?;
    Ok(sharing.attributed(idle))
}

fn check(input: &Input) -> Result<(), NotAttributed> {
    if input.length_s == 0 {
        return Err(NotAttributed::NoTime);
    }
    let given = [
        ("cpu_hour", input.prices.cpu_hour),
        ("gib_hour", input.prices.gib_hour),
        ("transfer_gb", input.transfer_gb.unwrap_or_default()),
    ];
    let fixed = input
        .fixed
        .iter()
        .map(|(name, price)| (name.as_str(), *price));
    for (name, price) in given.into_iter().chain(fixed) {
        if price < Money::ZERO {
            return Err(NotAttributed::Negative(name.to_owned()));
        }
    }
    Ok(())
}

struct Sharing<'a> {
    input: &'a Input,
    /// Of each of the calls, for sharing.
    weights: Vec<u64>,
    /// What each of the calls has so far.
    amounts: Vec<Money>,
    /// All that is for no calls.
    rows: Vec<Row>,
    arithmetic: Vec<String>,
}

impl Sharing<'_> {
    /// What processes used.
    fn used(&mut self) -> Result<Used, NotAttributed> {
        let mut all = Used::default();
        let input = self.input;
        for (name, used) in &input.servers {
            let priced = self.priced(name, *used)?;
            all.cpu = all.cpu + priced.cpu;
            all.memory = all.memory + priced.memory;
            let amount = priced.cpu + priced.memory;
            if !self.share(amount, |calls| calls.server == *name) {
                self.row(What::Uncalled, name, amount);
            }
        }
        if let Some(own) = input.own {
            let priced = self.priced("pilothouse", own)?;
            all.cpu = all.cpu + priced.cpu;
            all.memory = all.memory + priced.memory;
            self.row(What::Own, "", priced.cpu + priced.memory);
        }
        Ok(all)
    }

    fn priced(&mut self, name: &str, used: Use) -> Result<Used, NotAttributed> {
        let (priced, how) = priced(&self.input.prices, name, used)?;
        self.arithmetic.push(how);
        Ok(priced)
    }

    /// What is paid by the month, for as long as the time was.
    fn fixed(&mut self) -> Result<(), NotAttributed> {
        let input = self.input;
        for (name, price) in &input.fixed {
            let (amount, how) = of_month(input, name, *price)?;
            let is_servers = input.servers.contains_key(name)
                || input.calls.iter().any(|calls| calls.server == *name);
            let is_shared = self.share(amount, |calls| !is_servers || calls.server == *name);
            if !is_shared {
                self.row(What::Unshared, if is_servers { name } else { "" }, amount);
            }
            let whose = match (is_shared, is_servers) {
                (true, true) => "to its calls, by time in flight",
                (true, false) => "to all calls, by time in flight",
                (false, _) => "to nobody: there was no call",
            };
            self.arithmetic.push(format!("{how}, {whose}"));
        }
        Ok(())
    }

    /// What calls carried.
    fn transfer(&mut self) -> Result<(), NotAttributed> {
        let Some((amount, how)) = transfer(self.input)? else {
            return Ok(());
        };
        let bytes: Vec<u64> = self.input.calls.iter().map(|calls| calls.bytes).collect();
        let parts = amount.shares(&bytes).unwrap_or_default();
        for (sum, part) in self.amounts.iter_mut().zip(parts) {
            *sum = *sum + part;
        }
        self.arithmetic
            .push(format!("{how}, to those that carried it"));
        Ok(())
    }

    /// What is paid for and was not used.
    fn idle(&mut self, used: Used) -> Result<Money, NotAttributed> {
        let Some(capacity) = self.input.capacity else {
            self.arithmetic.push(
                "idle: nothing is said of what is paid for (`capacity_cores`, `capacity_memory`), so what is not used costs nothing here".to_owned(),
            );
            return Ok(Money::ZERO);
        };
        let paid = held(self.input, capacity)?;
        let Used { cpu, memory } = paid;
        let idle = idle(paid, used);
        self.arithmetic.push(format!(
            "idle: {cpu} paid for CPU − {} used; {memory} paid for memory − {} used; {idle}",
            used.cpu, used.memory
        ));
        for (what, paid, used) in [("CPU", cpu, used.cpu), ("memory", memory, used.memory)] {
            if used > paid {
                self.arithmetic.push(format!(
                    "idle: more {what} was used than is paid for ({used} of {paid}): is the capacity right?"
                ));
            }
        }
        self.row(What::Idle, "", idle);
        Ok(idle)
    }

    /// Shares `amount` out to calls, by time in flight; where none of them took any, by their number.
    ///
    /// - returns: whether there was a call.
    fn share(&mut self, amount: Money, is_for: impl Fn(&Calls) -> bool) -> bool {
        let of = |weights: &dyn Fn(usize, &Calls) -> u64| -> Vec<u64> {
            let calls = self.input.calls.iter().enumerate();
            calls
                .map(|(nth, calls)| {
                    if is_for(calls) {
                        weights(nth, calls)
                    } else {
                        0
                    }
                })
                .collect()
        };
        let parts = amount
            .shares(&of(&|nth, _| self.weights[nth]))
            .or_else(|| amount.shares(&of(&|_, calls| calls.calls)));
        let Some(parts) = parts else {
            return false;
        };
        for (sum, part) in self.amounts.iter_mut().zip(parts) {
            *sum = *sum + part;
        }
        true
    }

    fn row(&mut self, what: What, server: &str, amount: Money) {
        self.rows.push(Row {
            what,
            server: server.to_owned(),
            tool: String::new(),
            client: String::new(),
            calls: 0,
            amount,
        });
    }

    fn attributed(self, idle: Money) -> Attributed {
        let input = self.input;
        let of_calls: Money = self.amounts.iter().copied().sum();
        let mut rows = self.rows;
        for (calls, amount) in input.calls.iter().zip(self.amounts) {
            rows.push(Row {
                what: if input.servers.contains_key(&calls.server) {
                    What::Measured
                } else {
                    What::InFlight
                },
                server: calls.server.clone(),
                tool: calls.tool.clone(),
                client: calls.client.clone(),
                calls: calls.calls,
                amount,
            });
        }
        rows.sort_by(|a, b| {
            let key = |row: &Row| (row.server.clone(), row.tool.clone(), row.client.clone());
            (b.amount, a.what, key(a)).cmp(&(a.amount, b.what, key(b)))
        });
        let total: Money = rows.iter().map(|row| row.amount).sum();
        let calls: u64 = rows.iter().map(|row| row.calls).sum();
        let is_call = |row: &&Row| matches!(row.what, What::Measured | What::InFlight);
        let servers = sums(
            rows.iter().filter(|row| !row.server.is_empty()),
            total,
            |row| &row.server,
        );
        let clients = sums(rows.iter().filter(is_call), total, |row| &row.client);
        Attributed {
            currency: input.currency.clone(),
            length_s: input.length_s,
            total,
            servers,
            clients,
            idle,
            calls,
            per_call: of_calls.times(1, calls),
            has_placeholder_prices: input.prices.is_placeholder,
            rows,
            arithmetic: self.arithmetic,
        }
    }
}

/// Rows put together by a name, the dearest first.
fn sums<'a>(
    rows: impl Iterator<Item = &'a Row>,
    total: Money,
    name: impl Fn(&Row) -> &String,
) -> Vec<Sum> {
    let mut by_name: BTreeMap<String, (u64, Money)> = BTreeMap::new();
    for row in rows {
        let (calls, amount) = by_name.entry(name(row).clone()).or_default();
        *calls += row.calls;
        *amount = *amount + row.amount;
    }
    let mut sums: Vec<Sum> = by_name
        .into_iter()
        .map(|(name, (calls, amount))| Sum {
            name,
            calls,
            amount,
            permille: amount.permille_of(total),
        })
        .collect();
    sums.sort_by(|a, b| b.amount.cmp(&a.amount).then_with(|| a.name.cmp(&b.name)));
    sums
}
