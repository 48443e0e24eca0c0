//! An OpenTelemetry collector: log records, or spans, by OTLP.
//!
//! One sink carries one signal, so that each has an offset of its own.

mod line;
mod record;
mod spans;

use crate::feed::Entry;
use crate::sink::{Sent, Verdict};
use line::Line;
use ph_base::Chain;
use ph_otlp::encode::{self, Source};
use ph_otlp::{Collector, SendError, logs};
use std::io;
use std::time::Duration;

/// Which entries a sink carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Signal {
    /// Every entry but spans, as a log record.
    Logs,
    /// Calls as our two spans each, and the spans that servers sent.
    Traces {
        /// Share of traces that are carried for no other reason, 0 to 1.
        ratio: f64,
        /// A call of at least this length is always carried, as is one that failed.
        slow: Duration,
    },
}

/// Where records go.
#[derive(Clone, Debug)]
pub struct OtlpSettings {
    /// The collector; its signal is set by `signal`.
    pub collector: ph_otlp::Settings,
    /// What is carried.
    pub signal: Signal,
    /// `service.name` of what is ours.
    pub service: String,
    /// Our version.
    pub version: String,
}

/// The collector.
pub(crate) struct Otlp {
    collector: Collector,
    signal: Signal,
    source: Source,
}

const SCOPE: &str = "pilothouse";

impl Otlp {
    pub(crate) fn new(settings: &OtlpSettings) -> io::Result<Self> {
        let signal = match settings.signal {
            Signal::Logs => ph_otlp::Signal::Logs,
            Signal::Traces { .. } => ph_otlp::Signal::Traces,
        };
        Ok(Self {
            collector: Collector::new(settings.collector.clone().for_signal(signal))?,
            signal: settings.signal,
            source: Source::new(&settings.service, &settings.version, &[], SCOPE),
        })
    }

    /// Sends what this signal carries of `entries` in one request.
    pub(crate) async fn send(&mut self, entries: &[&Entry]) -> Sent {
        let (request, carried) = self.request(entries);
        let count = carried.iter().filter(|carried| **carried).count();
        if count == 0 {
            return Sent {
                failure: None,
                ..Sent::all(Verdict::Skipped, entries.len(), String::new())
            };
        }
        let sent = match self.collector.send(&request).await {
            Ok(accepted) => {
                // How many items were refused is said, which is not.
                let refused = usize::try_from(accepted.rejected)
                    .unwrap_or(count)
                    .min(count);
                let mut sent = Sent::all(Verdict::Delivered, count, accepted.message);
                sent.verdicts[count - refused..].fill(Verdict::Rejected);
                sent.failure = sent.failure.filter(|_| refused > 0);
                sent
            }
            Err(error) => {
                let divide = is_about_the_content(&error);
                let verdict = if divide {
                    Verdict::Rejected
                } else {
                    Verdict::Retry
                };
                Sent {
                    divide,
                    retry_after: error.retry_after(),
                    ..Sent::all(verdict, count, Chain(&error).to_string())
                }
            }
        };
        let mut verdicts = sent.verdicts.iter().copied();
        let verdicts = carried
            .iter()
            .map(|carried| {
                carried
                    .then(|| verdicts.next())
                    .flatten()
                    .unwrap_or(Verdict::Skipped)
            })
            .collect();
        Sent { verdicts, ..sent }
    }

    /// The bytes, and which entries are in them.
    fn request(&self, entries: &[&Entry]) -> (Vec<u8>, Vec<bool>) {
        let lines = entries.iter().map(|entry| Line::read(entry));
        match self.signal {
            Signal::Logs => {
                let mut batch = logs::Batch::default();
                let carried = lines
                    .map(|line| {
                        let record = line.and_then(|line| record::of(&line));
                        record.inspect(|record| batch.push(record)).is_some()
                    })
                    .collect();
                (batch.finish(&self.source), carried)
            }
            Signal::Traces { ratio, slow } => {
                let mut batch = encode::Batch::default();
                let carried = lines
                    .map(|line| {
                        let spans = line
                            .map(|line| spans::of(&line, ratio, slow))
                            .unwrap_or_default();
                        spans.iter().for_each(|span| batch.push(span));
                        !spans.is_empty()
                    })
                    .collect();
                (batch.finish(&self.source), carried)
            }
        }
    }
}

/// The collector will not take this whatever it is asked. A wrong password is not of this kind: it is
/// mended by an operator, and nothing need be lost until then.
fn is_about_the_content(error: &SendError) -> bool {
    const INVALID_ARGUMENT: u32 = 3;
    const OUT_OF_RANGE: u32 = 11;
    match error {
        SendError::TooLarge => true,
        SendError::Status { status, .. } => matches!(status.as_u16(), 400 | 413 | 422),
        SendError::Grpc { code, .. } => matches!(code.0, Some(INVALID_ARGUMENT | OUT_OF_RANGE)),
        _ => false,
    }
}
