//! What has been taken of limits, wherever it is remembered.

use ph_policy::{Charge, Now};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What has been taken of limits. The arithmetic is [`ph_policy::Allowance::charge`]'s, wherever it is done.
pub trait LimitStore: Send + Sync {
    /// Takes all of `charges`, or none.
    fn take<'a>(&'a self, charges: &'a [Charge<'a>], now: Now) -> Taking<'a>;

    /// Gives back what calls at the same time have taken.
    fn give_back(&self, held: &Held);
}

/// An answer of a store: one in this process has it at once, another one has to ask.
pub enum Taking<'a> {
    /// Decided.
    Done(Verdict),
    /// Still to be decided.
    Later(Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>),
}

impl Taking<'_> {
    /// The verdict, as soon as there is one.
    pub async fn verdict(self) -> Verdict {
        match self {
            Self::Done(verdict) => verdict,
            Self::Later(verdict) => verdict.await,
        }
    }
}

/// What became of charges.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All were taken.
    Taken(Held),
    /// None was.
    Refused {
        /// Which of them had nothing left; of several, the one to wait longest for.
        charge: usize,
        /// For how long.
        wait: Duration,
    },
}

/// What a call has to give back when it is over, in the words of its store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held(pub Vec<u64>);
