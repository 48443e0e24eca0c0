//! What has been taken of limits, wherever it is remembered.

use ph_policy::{Charges, Now};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What has been taken of limits. The arithmetic is [`ph_policy::Allowance::charge`]'s, wherever it is done.
pub trait LimitStore: Send + Sync {
    /// Takes what a call costs, in one step: all that is enforced, or nothing at all; and, when the call may
    /// go on, all or none of each limit on trial.
    fn take<'a>(&'a self, charges: &'a Charges<'a>, now: Now) -> Taking<'a>;

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

/// What became of the charges of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All that is enforced was taken.
    Taken {
        /// What is to be given back.
        held: Held,
        /// Charges on trial, by their place in [`Charges::dry`], that had nothing left: one of each limit that
        /// would have refused.
        would_refuse: Vec<usize>,
    },
    /// Nothing was.
    Refused(Lacking),
    /// The store cannot be asked, and the call is to go on as if there were no limits.
    Unchecked,
    /// The store cannot be asked, and the call is to be refused.
    Unavailable,
}

/// A charge that could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Its place; of several, the one to wait longest for.
    pub charge: usize,
    /// For how long.
    pub wait: Duration,
}

/// What a call has to give back when it is over, in the words of its store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held(pub Vec<u64>);
