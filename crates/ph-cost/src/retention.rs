//! How long logs are kept where, and what that costs: hot, warm, gone.
//!
//! Audit logs are kept as long as the law or a contract says, not as long as it is cheap: they are priced, and no plan
//! saves anything on them.

use serde::{Deserialize, Serialize};

use crate::price::Money;

/// Kinds that are looked at, at most.
pub const KINDS_MAX: usize = 1000;

/// Longest time that is planned for, in days.
pub const DAYS_MAX: u32 = 36_500;

/// One kind of logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// As in `calls`, `stderr`, `audit`.
    pub name: String,
    /// As they are written, before compression.
    pub bytes_per_day: u64,
    /// Whether they are kept whatever it costs.
    #[serde(default)]
    pub is_audit: bool,
}

/// When logs move and when they go. Ages are counted from rollover, which is when an index is full or `rollover_days` old:
/// what is deleted is up to so much older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Age of an index at which a new one is begun.
    pub rollover_days: u32,
    /// Age from which on they are warm; no smaller than `delete_days`: never.
    pub warm_days: u32,
    /// Age at which they go.
    pub delete_days: u32,
    /// Copies while hot, besides the first.
    pub hot_replicas: u32,
    /// Copies while warm, besides the first.
    pub warm_replicas: u32,
}

/// What keeping costs, and how much is kept of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// 10^9 bytes for a month.
    pub hot_gb_month: Money,
    /// The same while warm.
    pub warm_gb_month: Money,
    /// Bytes on disk for 1,000 bytes written: compression as it was measured, and the index with it.
    pub stored_permille: u64,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// As in `USD`.
    pub currency: String,
    /// What is written.
    pub kinds: Vec<Kind>,
    /// How it is kept now.
    pub now: Plan,
    /// How it is to be kept.
    pub then: Plan,
    /// Prices.
    pub storage: Storage,
}

/// What cannot be computed with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLogs {
    /// Nothing is written.
    #[error("no kind of logs is written: there is nothing to plan")]
    Nothing,
    /// Too many kinds.
    #[error("there are more than {KINDS_MAX} kinds")]
    TooMany,
    /// A kind twice.
    #[error("the kind `{0}` stands twice")]
    Twice(String),
    /// Times that contradict each other.
    #[error("`{which}`: {what}")]
    Times {
        /// `now` or `then`.
        which: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// A price below nothing.
    #[error("a price is less than nothing")]
    Negative,
    /// Numbers too large.
    #[error("the cost of `{0}` is beyond all bounds")]
    Beyond(String),
    /// Less is stored than nothing.
    #[error("`stored_permille` is 0: nothing would be stored")]
    NothingStored,
}

/// Both plans, by kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// As in `USD`.
    pub currency: String,
    /// Each kind.
    pub kinds: Vec<Row>,
    /// A month as it is kept now.
    pub now: Money,
    /// A month as it is to be kept.
    pub then: Money,
    /// The difference; below nothing where the new plan costs more.
    pub saved: Money,
    /// That as thousandths of what it costs now.
    pub saved_permille: Option<i64>,
    /// How each number came about.
    pub arithmetic: Vec<String>,
}

/// One kind under both plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Whether it stays as it is.
    pub is_audit: bool,
    /// A month now.
    pub now: Money,
    /// A month then.
    pub then: Money,
}

/// What both plans cost in a month, once they have run as long as they keep.
///
/// # Errors
/// [`BadLogs`], where a number is missing or makes no sense.
pub fn compare(logs: &Logs) -> Result<Compared, BadLogs> {
    check(logs)?;
    let mut arithmetic = Vec::new();
    let mut kinds = Vec::with_capacity(logs.kinds.len());
    for kind in &logs.kinds {
        let now = month(kind, &logs.now, &logs.storage, &mut arithmetic)?;
        let then = if kind.is_audit {
            arithmetic.push(format!("{}: audit, stays as it is", kind.name));
            now
        } else {
            month(kind, &logs.then, &logs.storage, &mut arithmetic)?
        };
        kinds.push(Row {
            name: kind.name.clone(),
            is_audit: kind.is_audit,
            now,
            then,
        });
    }
    let now: Money = kinds.iter().map(|row| row.now).sum();
    let then: Money = kinds.iter().map(|row| row.then).sum();
    let saved = now - then;
    arithmetic.push(format!("saved: {now} − {then} = {saved}"));
    Ok(Compared {
        currency: logs.currency.clone(),
        kinds,
        now,
        then,
        saved,
        saved_permille: saved.permille_of(now),
        arithmetic,
    })
}

fn check(logs: &Logs) -> Result<(), BadLogs> {
    if logs.kinds.iter().all(|kind| kind.bytes_per_day == 0) {
        return Err(BadLogs::Nothing);
    }
    if logs.kinds.len() > KINDS_MAX {
        return Err(BadLogs::TooMany);
    }
    for (nth, kind) in logs.kinds.iter().enumerate() {
        if logs.kinds[..nth]
            .iter()
            .any(|known| known.name == kind.name)
        {
            return Err(BadLogs::Twice(kind.name.clone()));
        }
    }
    check_plan("now", &logs.now)?;
    check_plan("then", &logs.then)?;
    if logs.storage.hot_gb_month.min(logs.storage.warm_gb_month) < Money::ZERO {
        return Err(BadLogs::Negative);
    }
    if logs.storage.stored_permille == 0 {
        return Err(BadLogs::NothingStored);
    }
    Ok(())
}

/// Whether a plan can be carried out.
///
/// # Errors
/// [`BadLogs::Times`] with `which` and the reason.
pub fn check_plan(which: &'static str, plan: &Plan) -> Result<(), BadLogs> {
    let bad = |what| Err(BadLogs::Times { which, what });
    if plan.rollover_days == 0 || plan.delete_days == 0 {
        return bad("rollover and deletion take at least a day");
    }
    if plan.delete_days > DAYS_MAX {
        return bad("more than a hundred years are not planned for");
    }
    if plan.rollover_days > plan.delete_days {
        return bad("an index would be deleted before it is full");
    }
    Ok(())
}

/// One day's bytes are in each phase for as many days as it lasts; the time until rollover is hot, too, on average half
/// of it.
fn month(
    kind: &Kind,
    plan: &Plan,
    storage: &Storage,
    arithmetic: &mut Vec<String>,
) -> Result<Money, BadLogs> {
    let beyond = || BadLogs::Beyond(kind.name.clone());
    let warm_from = plan.warm_days.min(plan.delete_days);
    let hot_half_days = u64::from(warm_from) * 2 + u64::from(plan.rollover_days);
    let warm_half_days = u64::from(plan.delete_days - warm_from) * 2;
    let of = |price: Money, half_days: u64, replicas: u32| {
        let copies = half_days.checked_mul(u64::from(replicas) + 1)?;
        // What lies there at any time is a day's bytes for each day of a phase, and each of it is paid for the month.
        let daily = price
            .times(kind.bytes_per_day, 1_000_000_000)?
            .times(storage.stored_permille, 1000)?;
        daily.times(copies, 2)
    };
    let hot = of(storage.hot_gb_month, hot_half_days, plan.hot_replicas).ok_or_else(beyond)?;
    let warm = of(storage.warm_gb_month, warm_half_days, plan.warm_replicas).ok_or_else(beyond)?;
    if hot > Money::MAX || warm > Money::MAX {
        return Err(beyond());
    }
    let sum = hot + warm;
    arithmetic.push(format!(
        "{}: {} B a day × {}/1000 on disk; hot {} × {} d × {} copies = {hot}, warm {} × {} d × {} copies = {warm}; {sum} a month",
        kind.name,
        kind.bytes_per_day,
        storage.stored_permille,
        storage.hot_gb_month,
        halves(hot_half_days),
        plan.hot_replicas + 1,
        storage.warm_gb_month,
        halves(warm_half_days),
        plan.warm_replicas + 1,
    ));
    Ok(sum)
}

fn halves(count: u64) -> String {
    let end = if count % 2 == 1 { ".5" } else { "" };
    format!("{}{end}", count / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(warm_days: u32, delete_days: u32, warm_replicas: u32) -> Plan {
        Plan {
            rollover_days: 1,
            warm_days,
            delete_days,
            hot_replicas: 1,
            warm_replicas,
        }
    }

    fn logs() -> Logs {
        let kind = |name: &str, gb: u64, is_audit| Kind {
            name: name.into(),
            bytes_per_day: gb * 1_000_000_000,
            is_audit,
        };
        Logs {
            currency: "USD".into(),
            kinds: vec![kind("calls", 10, false), kind("audit", 1, true)],
            now: plan(90, 90, 1),
            then: plan(7, 30, 0),
            storage: Storage {
                hot_gb_month: Money::from_micro(100_000),
                warm_gb_month: Money::from_micro(40_000),
                stored_permille: 250,
            },
        }
    }

    #[test]
    fn a_plan_is_priced_by_days_copies_and_tiers() {
        let compared = compare(&logs()).expect("a plan");
        // 2.5 GB a day: 90.5 d × 2 copies × 0.1 each; 7.5 d × 2 × 0.1 and 23 d × 0.04.
        assert_eq!(compared.kinds[0].now.to_string(), "45.25");
        assert_eq!(compared.kinds[0].then.to_string(), "6.05");
        assert_eq!(compared.saved, compared.now - compared.then);
    }

    #[test]
    fn audit_logs_never_enter_a_saving() {
        let compared = compare(&logs()).expect("a plan");
        let audit = &compared.kinds[1];
        assert!(audit.is_audit && audit.now == audit.then && audit.now > Money::ZERO);
        let mut only = logs();
        only.kinds.remove(0);
        assert_eq!(compare(&only).expect("a plan").saved, Money::ZERO);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |change: fn(&mut Logs)| {
            let mut logs = logs();
            change(&mut logs);
            compare(&logs).expect_err("refused").to_string()
        };
        assert!(refused(|l| l.kinds.clear()).contains("nothing to plan"));
        assert!(
            refused(|l| l.kinds.iter_mut().for_each(|k| k.bytes_per_day = 0))
                .contains("nothing to plan")
        );
        assert!(refused(|l| l.kinds[1].name = "calls".into()).contains("twice"));
        assert!(refused(|l| l.then.rollover_days = 31).contains("before it is full"));
        assert!(refused(|l| l.then.delete_days = 0).contains("at least a day"));
        assert!(
            refused(|l| l.storage.hot_gb_month = Money::from_micro(-1))
                .contains("less than nothing")
        );
        assert!(refused(|l| l.kinds[0].bytes_per_day = u64::MAX).contains("beyond"));
        assert!(refused(|l| l.storage.stored_permille = 0).contains("nothing would be stored"));
    }

    proptest! {
        /// Whatever is planned, audit logs cost then what they cost now, and the sums are those of the kinds.
        #[test]
        fn sums_are_those_of_the_kinds(
            bytes in prop::collection::vec((1..1_000_000_000_000_u64, any::<bool>()), 1..6),
            (warm, delete) in (0..400_u32, 1..400_u32),
        ) {
            let mut logs = logs();
            logs.then = plan(warm, delete, 0);
            logs.kinds = bytes.iter().enumerate().map(|(nth, (bytes, is_audit))| Kind {
                name: nth.to_string(),
                bytes_per_day: *bytes,
                is_audit: *is_audit,
            }).collect();
            let compared = compare(&logs).expect("within bounds");
            let of_audit = compared.kinds.iter().filter(|row| row.is_audit);
            prop_assert!(of_audit.clone().all(|row| row.now == row.then));
            prop_assert_eq!(compared.kinds.iter().map(|row| row.then).sum::<Money>(), compared.then);
            prop_assert_eq!(compared.now - compared.then, compared.saved);
        }
    }
}
