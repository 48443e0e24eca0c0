//! What is asked of Redis for a call: one script, with everything that the call costs. Pure.

use crate::resp::{self, Reply};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ph_policy::{Allowance, Charge, Charges, ClientId, Kind, Subject};
use std::time::Duration;

/// The script that takes.
pub const TAKE: &str = include_str!("take.lua");

/// The script that renews leases.
pub(crate) const RENEW: &str = include_str!("renew.lua");

/// How long a call at the same time counts when nobody renews it: its process was killed, or cannot reach
/// Redis.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// What a call costs, as the script wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The parts of the command behind the script, as they are sent.
    tail: Vec<u8>,
    /// How many parts these are.
    parts: usize,
    /// The charges that are leases: key and group.
    leases: Vec<(Box<str>, usize)>,
    /// The group of each charge, in order.
    groups: Vec<usize>,
    enforced: usize,
}

/// What Redis said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All that is enforced was taken.
    Taken {
        /// Keys at which the call holds a place.
        leases: Vec<Box<str>>,
        /// Charges on trial, by their place, that had nothing left.
        would_refuse: Vec<usize>,
    },
    /// Nothing was.
    Refused {
        /// Which charge had nothing left.
        charge: usize,
        /// For how long.
        wait: Duration,
    },
}

impl Question {
    /// - `prefix`: what all keys begin with.
    /// - `lease`: the name that the call's places get.
    pub fn new(charges: &Charges<'_>, prefix: &str, lease: &str) -> Self {
        let enforced = charges.enforced.iter().map(|charge| (0, charge));
        let dry = charges
            .dry
            .chunk_by(|a, b| a.limit.name == b.limit.name)
            .zip(1..)
            .flat_map(|(of_one, group)| of_one.iter().map(move |charge| (group, charge)));
        let all: Vec<_> = enforced.chain(dry).collect();
        let mut tail = Vec::with_capacity(64 * (all.len() + 1));
        resp::part(all.len().to_string(), &mut tail);
        let mut leases = Vec::new();
        for (group, charge) in &all {
            let key = key(prefix, &charge.subject);
            resp::part(&key, &mut tail);
            if charge.allowance.kind() == Kind::Concurrent {
                leases.push((key.into(), *group));
            }
        }
        resp::part(lease, &mut tail);
        resp::part(LEASE.as_micros().to_string(), &mut tail);
        for (group, charge) in &all {
            resp::part(words(*group, charge), &mut tail);
        }
        Self {
            tail,
            parts: 2 * all.len() + 3,
            leases,
            groups: all.iter().map(|(group, _)| *group).collect(),
            enforced: charges.enforced.len(),
        }
    }

    /// Appends the command that runs the script by its digest (`EVALSHA`), or as a text (`EVAL`).
    pub fn write(&self, command: &str, script: &str, out: &mut Vec<u8>) {
        resp::begin(self.parts + 2, out);
        resp::part(command, out);
        resp::part(script, out);
        out.extend_from_slice(&self.tail);
    }

    /// Reads what the script returned; `None` when it is nothing that it returns.
    pub fn answer(&self, reply: &Reply) -> Option<Answer> {
        let Reply::List(list) = reply else {
            return None;
        };
        let numbers: Option<Vec<u64>> = list.iter().map(number).collect();
        let numbers = numbers?;
        match *numbers.as_slice() {
            [1, charge, s, ns] => {
                let charge = usize::try_from(charge).ok()?;
                let ns = u32::try_from(ns).ok().filter(|ns| *ns < 1_000_000_000)?;
                let wait = Duration::new(s, ns);
                (charge < self.enforced).then_some(Answer::Refused { charge, wait })
            }
            [0, ref lacking @ ..] => {
                let lacking: Vec<usize> = lacking
                    .iter()
                    .filter_map(|nth| usize::try_from(*nth).ok())
                    .collect();
                let groups: Option<Vec<_>> = lacking.iter().map(|n| self.groups.get(*n)).collect();
                let groups = groups?;
                let is_held = |group: &usize| !groups.contains(&group);
                let held = self.leases.iter().filter(|(_, group)| is_held(group));
                let would_refuse: Option<Vec<_>> = lacking
                    .iter()
                    .map(|nth| nth.checked_sub(self.enforced))
                    .collect();
                Some(Answer::Taken {
                    leases: held.map(|(key, _)| key.clone()).collect(),
                    would_refuse: would_refuse?,
                })
            }
            _ => None,
        }
    }
}

fn number(reply: &Reply) -> Option<u64> {
    match reply {
        Reply::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// A charge in the words of the script.
fn words(group: usize, charge: &Charge<'_>) -> String {
    const NS: u64 = 1_000_000_000;
    match charge.allowance {
        Allowance::Rate { interval_ns, burst } => {
            let burst_ns = interval_ns.saturating_mul(u64::from(burst));
            format!(
                "{group} r {} {} {} {}",
                interval_ns / NS,
                interval_ns % NS,
                burst_ns / NS,
                burst_ns % NS
            )
        }
        Allowance::Daily(quota) => format!("{group} d {quota} 0 0 0"),
        Allowance::Concurrent(most) => format!("{group} c {most} 0 0 0"),
    }
}

/// Where a subject is remembered: its limit in words, and the rest as a digest, so that no name of a client
/// stands in Redis and all keys are short.
fn key(prefix: &str, subject: &Subject<'_>) -> String {
    let mut text = Vec::with_capacity(96);
    let mut field = |value: Option<&[u8]>| match value {
        None => text.push(0),
        Some(value) => {
            text.push(1);
            text.extend_from_slice(&(value.len() as u64).to_le_bytes());
            text.extend_from_slice(value);
        }
    };
    let mut network = [0; 17];
    match &subject.client {
        None => field(None),
        Some(ClientId::Shown(name)) => {
            field(Some(b"principal"));
            field(Some(name.as_bytes()));
        }
        Some(ClientId::Named(name)) => {
            field(Some(b"named"));
            field(Some(name.as_bytes()));
        }
        Some(ClientId::V4(bits)) => field(Some(&bits.to_be_bytes())),
        Some(ClientId::V6 { network: n, prefix }) => {
            network[..16].copy_from_slice(&n.to_be_bytes());
            network[16] = *prefix;
            field(Some(&network));
        }
    }
    field(subject.server.map(str::as_bytes));
    field(subject.method.map(str::as_bytes));
    field(subject.tool.map(str::as_bytes));
    let digest = ring::digest::digest(&ring::digest::SHA256, &text);
    let kind = match subject.kind {
        Kind::Rate => "rate",
        Kind::Daily => "daily",
        Kind::Concurrent => "concurrency",
    };
    let digest = URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]);
    format!("{prefix}:{}:{kind}:{digest}", subject.limit)
}
