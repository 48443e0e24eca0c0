//! What follows when a call is taken back, by whom and in which era. Pure.

use ph_base::Era;
use ph_record::Ending;

/// Why a call is given up before its answer. One per call; the first wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CancelCause {
    /// The client closed its side of the exchange.
    ClientGone,
    /// The client sent `notifications/cancelled`.
    Cancelled,
    /// A deadline passed.
    Deadline,
    /// The session ended.
    SessionEnded,
    /// Pilothouse stops.
    Stopping,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Consequence {
    /// The call is over now, and this is how; `None`: it goes on without the client.
    pub ending: Option<Ending>,
    /// The exchange with an HTTP upstream is cut.
    pub abort_exchange: bool,
    /// A stdio server is told by `notifications/cancelled`.
    pub notify: bool,
}

/// In the modern era closing the stream is the cancellation; in the legacy era a
/// disconnect is none, and the answer is waited for.
pub(crate) fn on_cancel(era: Era, cause: CancelCause) -> Consequence {
    let over = |ending, abort_exchange, notify| Consequence {
        ending: Some(ending),
        abort_exchange,
        notify,
    };
    match (cause, era) {
        (CancelCause::ClientGone, Era::Modern) => over(Ending::ClientGone, true, true),
        (CancelCause::ClientGone, Era::Legacy) => Consequence {
            ending: None,
            abort_exchange: false,
            notify: false,
        },
        // The client's own notification goes on to the server as it came.
        (CancelCause::Cancelled, _) => over(Ending::Cancelled, false, false),
        (CancelCause::Deadline, _) => over(Ending::Deadline, true, true),
        (CancelCause::SessionEnded, _) => over(Ending::SessionEnded, true, false),
        (CancelCause::Stopping, _) => over(Ending::Stopping, true, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disconnect_cancels_in_the_modern_era_only() {
        assert_eq!(
            on_cancel(Era::Modern, CancelCause::ClientGone).ending,
            Some(Ending::ClientGone)
        );
        assert_eq!(on_cancel(Era::Legacy, CancelCause::ClientGone).ending, None);
        assert!(!on_cancel(Era::Legacy, CancelCause::ClientGone).abort_exchange);
        assert!(!on_cancel(Era::Legacy, CancelCause::Cancelled).abort_exchange);
        assert!(on_cancel(Era::Legacy, CancelCause::Deadline).notify);
    }
}
