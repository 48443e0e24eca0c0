//! What a time cost by what is paid, before anybody asks whose it is.

use std::collections::BTreeMap;

use super::{Capacity, Input, NotAttributed, Use};
use crate::price::{Money, Prices};

/// What is paid, by what for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paid {
    /// CPU and memory that processes used.
    pub used: Money,
    /// CPU and memory that are paid for, where that is known.
    pub capacity: Option<Money>,
    /// What is paid for and was not used, of CPU and of memory.
    pub idle: Money,
    /// What calls carried, where that has a price.
    pub transfer: Option<Money>,
    /// By name.
    pub fixed: BTreeMap<String, Money>,
    /// How each number came about.
    pub arithmetic: Vec<String>,
}

impl Paid {
    /// What CPU and memory cost: what is paid for, and what was used beyond it.
    #[must_use]
    pub fn compute(&self) -> Money {
        self.used + self.idle
    }

    /// Percent of what is paid for that was used, of the money for it.
    #[must_use]
    pub fn used_percent(&self) -> Option<u32> {
        let permille = self.used.permille_of(self.capacity?)?.clamp(0, 1_000);
        u32::try_from((permille + 5) / 10).ok()
    }
}

/// What a time cost.
///
/// # Errors
/// [`NotAttributed`], where a number makes no sense.
pub fn paid(input: &Input) -> Result<Paid, NotAttributed> {
    super::check(input)?;
    let mut paid = Paid::default();
    let own = input.own.iter().map(|own| ("pilothouse", *own));
    let servers = input
        .servers
        .iter()
        .map(|(name, used)| (name.as_str(), *used));
    let mut all = Used::default();
    for (name, used) in servers.chain(own) {
        let (priced, how) = priced(&input.prices, name, used)?;
        all.cpu = all.cpu + priced.cpu;
        all.memory = all.memory + priced.memory;
        paid.arithmetic.push(how);
    }
    paid.used = all.cpu + all.memory;
    for (name, price) in &input.fixed {
        let (amount, how) = of_month(input, name, *price)?;
        paid.fixed.insert(name.clone(), amount);
        paid.arithmetic.push(how);
    }
    if let Some((amount, how)) = transfer(input)? {
        paid.transfer = Some(amount);
        paid.arithmetic.push(how);
    }
    if let Some(capacity) = input.capacity {
        let held = held(input, capacity)?;
        let amount = held.cpu + held.memory;
        paid.capacity = Some(amount);
        paid.idle = idle(held, all);
        paid.arithmetic.push(format!(
            "capacity: {}m for {} s = {}; {} B for as long = {}; {amount}",
            capacity.cpu_milli, input.length_s, held.cpu, capacity.memory_bytes, held.memory
        ));
    }
    Ok(paid)
}

/// CPU and memory, each in money.
#[derive(Clone, Copy, Default)]
pub(super) struct Used {
    pub(super) cpu: Money,
    pub(super) memory: Money,
}

const MS_PER_HOUR: u64 = 3_600_000;
const S_PER_HOUR: u64 = 3_600;
const MIB_S_PER_GIB_HOUR: u64 = 1_024 * S_PER_HOUR;

/// What processes used, and how that came about.
pub(super) fn priced(
    prices: &Prices,
    name: &str,
    used: Use,
) -> Result<(Used, String), NotAttributed> {
    let beyond = || NotAttributed::Beyond(name.to_owned());
    let cpu = prices.cpu_hour.times(used.cpu_ms, MS_PER_HOUR);
    let memory = prices.gib_hour.times(used.memory_mib_s, MIB_S_PER_GIB_HOUR);
    let priced = Used {
        cpu: cpu.ok_or_else(beyond)?,
        memory: memory.ok_or_else(beyond)?,
    };
    let how = format!(
        "{name}: {}.{:03} CPU s ÷ 3600 × {} = {}; {} MiB·s ÷ 1024 ÷ 3600 × {} = {}",
        used.cpu_ms / 1_000,
        used.cpu_ms % 1_000,
        prices.cpu_hour,
        priced.cpu,
        used.memory_mib_s,
        prices.gib_hour,
        priced.memory,
    );
    Ok((priced, how))
}

/// What is paid by the month, for as long as the time was.
pub(super) fn of_month(
    input: &Input,
    name: &str,
    price: Money,
) -> Result<(Money, String), NotAttributed> {
    let month_s = u64::from(input.prices.hours_per_month.max(1)) * S_PER_HOUR;
    let amount = price.times(input.length_s, month_s);
    let amount = amount.ok_or_else(|| NotAttributed::Beyond(name.to_owned()))?;
    let how = format!(
        "{name}: {price} a month × {} s ÷ {month_s} s = {amount}",
        input.length_s
    );
    Ok((amount, how))
}

/// What calls carried.
pub(super) fn transfer(input: &Input) -> Result<Option<(Money, String)>, NotAttributed> {
    let Some(price) = input.transfer_gb else {
        return Ok(None);
    };
    let bytes = input.calls.iter().map(|calls| calls.bytes);
    let bytes = bytes.fold(0_u64, u64::saturating_add);
    let amount = price.times(bytes, 1_000_000_000);
    let amount = amount.ok_or_else(|| NotAttributed::Beyond("transfer_gb".to_owned()))?;
    let how = format!("transfer: {bytes} B ÷ 10^9 × {price} = {amount}");
    Ok(Some((amount, how)))
}

/// What is paid for and was not used: of CPU and of memory apart, since the one does not make up for the other.
pub(super) fn idle(held: Used, used: Used) -> Money {
    (held.cpu - used.cpu).max(Money::ZERO) + (held.memory - used.memory).max(Money::ZERO)
}

/// What is paid for, whatever is used of it.
pub(super) fn held(input: &Input, capacity: Capacity) -> Result<Used, NotAttributed> {
    let beyond = || NotAttributed::Beyond("capacity".to_owned());
    let of = |hour: Option<Money>| hour.and_then(|hour| hour.times(input.length_s, S_PER_HOUR));
    let prices = &input.prices;
    Ok(Used {
        cpu: of(prices.cpu_hour.times(capacity.cpu_milli, 1_000)).ok_or_else(beyond)?,
        memory: of(prices.gib_hour.times(capacity.memory_bytes, 1 << 30)).ok_or_else(beyond)?,
    })
}
