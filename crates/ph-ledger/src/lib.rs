//! What was recorded, put as `ph-cost` takes it: who used what in a time, the load that came, the rows of a bill.
//!
//! Everything is asked of the API, by whoever can ([`Ask`]): the command line over HTTP or in a data directory, the API of
//! itself. So a number is the same wherever it is shown. No clock and no I/O: times are arguments, Unix milliseconds.

mod bill;
mod drawn;
mod load;
mod params;
mod past;
mod service;
mod sizes;

pub use bill::{Made, Period, bill};
pub use drawn::{rates, replicas};
pub use load::{Load, load};
pub use params::Params;
pub use past::{Past, Recorded};
pub use service::{Seen, seen, service_of};
pub use sizes::{
    Calls, Compared, Grain, Observed, Price, Said, Series, Sized, WhatIf, instant, pod_price,
    quoted, range, risen, servers, sized, without_newcomers,
};

use serde_json::Value as Json;

/// Whoever answers questions of the API.
pub trait Ask {
    /// What goes wrong: what nobody answers, and what the answer refuses.
    type Error: From<Refused>;

    /// Asks for a path; every answer is one, whatever its status.
    ///
    /// # Errors
    /// When nobody answers.
    fn get(&self, path: &str, params: &Params) -> Result<Answer, Self::Error>;

    /// Asks for a path whose answers are JSON.
    ///
    /// # Errors
    /// What the answer says went wrong, too.
    fn json(&self, path: &str, params: &Params) -> Result<Json, Self::Error> {
        let Answer { status, body } = self.get(path, params)?;
        let read: Json = serde_json::from_slice(&body).map_err(|_| {
            Refused::new(format!(
                "status {status} and no JSON: is this an admin address?"
            ))
        })?;
        if (200..300).contains(&status) {
            return Ok(read);
        }
        let text = |key: &str| read[key].as_str().map(ToOwned::to_owned);
        Err(Refused {
            error: text("error").unwrap_or_else(|| format!("status {status}")),
            hint: text("hint"),
        }
        .into())
    }
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What is wrong with a question, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refused {
    fn new(error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Seconds with three decimals, as both APIs read them.
#[must_use]
pub fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1_000, ms % 1_000)
}
