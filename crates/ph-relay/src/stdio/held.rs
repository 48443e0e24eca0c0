//! A call that waits for its child, and whose client may leave meanwhile.

use crate::call::Call;
use crate::shared::Shared;
use ph_record::{Ending, Transport};
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A call of which the child knows nothing yet. Dropped, it ends as one whose client has left.
pub(super) struct Held<'s> {
    call: Option<Call>,
    shared: &'s Shared,
    /// Stopping waits for it.
    _counted: TaskTrackerToken,
}

impl<'s> Held<'s> {
    pub(super) fn new(mut call: Call, shared: &'s Shared) -> Self {
        call.set_transport(Transport::Stdio);
        Self {
            call: Some(call),
            shared,
            _counted: shared.parts.calls.token(),
        }
    }

    /// The wait is over.
    pub(super) fn release(mut self) -> Call {
        self.call
            .take()
            .expect("a held call is there until `release` consumes its holder")
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else {
            return;
        };
        // A connection that we cut ourselves is not the client's doing.
        let ending = if self.shared.parts.abort.is_cancelled() {
            Ending::Stopping
        } else {
            Ending::ClientGone
        };
        call.finish(ending, 0, false);
    }
}
