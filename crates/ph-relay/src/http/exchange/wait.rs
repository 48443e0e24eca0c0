//! Waiting for the upstream, and for everything else that can end an exchange meanwhile.

use super::{Exchange, Over};
use crate::call::Call;
use crate::cancel::{CancelCause, on_cancel};
use crate::reply::OwnError;
use crate::signal::Signal;
use bytes::Bytes;
use ph_base::Chain;
use ph_mcp::MessageId;
use ph_mcp::error::code;
use ph_record::Ending;
use ph_wire::body::Body;
use ph_wire::upstream::{AnswerBody, AnswerError};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep_until};

/// Why waiting ended.
pub(super) enum Wake<T> {
    Done(T),
    ClientGone,
    Word,
    Late,
    Stopping,
}

impl Exchange {
    pub(super) fn broke_off(&mut self, error: &AnswerError) -> Over {
        self.has_failed = Some(true);
        let text = Chain(error).to_string();
        self.calls.iter_mut().for_each(|c| c.set_error(&text));
        if self.reply.has_head() {
            self.reply.cut();
            self.end_all(Ending::ServerDied);
            return Over;
        }
        let name = &self.server.server.name;
        let told = OwnError::new(
            502,
            code::UNAVAILABLE,
            format!("the answer of server `{name}` broke off"),
        );
        self.refuse(&told, Ending::ServerDied)
    }

    /// Tells the client an error of ours and ends every call with `ending`.
    pub(super) fn refuse(&mut self, error: &OwnError, ending: Ending) -> Over {
        let id = self.calls.first().and_then(|c| c.id_raw.clone());
        let body = Body::from(error.body(id.as_deref()));
        let status = error.status_code();
        let is_heard = !self.reply.gone;
        self.reply.status = if is_heard { status.as_u16() } else { 0 };
        for call in &mut self.calls {
            if call.record().error.is_none() {
                call.set_error(&error.message);
            }
        }
        self.end_each(ending, is_heard);
        self.reply.whole(status, error.headers(), body);
        Over
    }

    pub(super) fn end_all(&mut self, ending: Ending) {
        self.end_each(ending, false);
    }

    pub(super) fn end_each(&mut self, ending: Ending, delivered: bool) {
        let status = self.reply.status;
        for call in self.calls.drain(..) {
            call.finish(ending, status, delivered);
        }
    }

    pub(super) fn step_within(&mut self, limit: Duration) {
        self.step = if self.is_stream {
            self.deadline
        } else {
            (Instant::now() + limit).min(self.deadline)
        };
    }

    /// The next piece of the body, minding whatever else happens.
    pub(super) async fn piece(
        &mut self,
        body: &mut AnswerBody,
    ) -> Result<Result<Option<Bytes>, AnswerError>, Over> {
        loop {
            let mut next = pin!(body.piece());
            match self.wait(next.as_mut()).await {
                Wake::Done(piece) => return Ok(piece),
                other => self.minded(&other)?,
            }
        }
    }

    /// More of the body at the end of `out`, minding whatever else happens; how many bytes.
    pub(super) async fn append(
        &mut self,
        body: &mut AnswerBody,
        out: &mut Vec<u8>,
    ) -> Result<Result<usize, AnswerError>, Over> {
        loop {
            let mut next = pin!(body.append(out));
            match self.wait(next.as_mut()).await {
                Wake::Done(count) => return Ok(count),
                other => self.minded(&other)?,
            }
        }
    }

    /// The next piece, or `None` at `until`.
    pub(super) async fn piece_or(
        &mut self,
        body: &mut AnswerBody,
        until: Instant,
    ) -> Result<Option<Result<Option<Bytes>, AnswerError>>, Over> {
        loop {
            let either = async {
                tokio::select! {
                    biased;
                    piece = body.piece() => Some(piece),
                    () = sleep_until(until.into()) => None,
                }
            };
            match self.wait(pin!(either)).await {
                Wake::Done(piece) => return Ok(piece),
                other => self.minded(&other)?,
            }
        }
    }

    /// Waits for `work`, or for anything else that concerns the exchange.
    ///
    /// What is done at once costs no timer and no place in a list of the whole process.
    pub(super) async fn wait<T>(&mut self, mut work: Pin<&mut impl Future<Output = T>>) -> Wake<T> {
        let parts = &self.server.shared.parts;
        // What is open without a call that will be answered must not hold up stopping.
        let waits_for_nothing = self.is_stream || self.calls.is_empty();
        let (step, mailbox) = (self.step, &self.mailbox);
        let mut closed = pin!(self.reply.closed());
        let mut abort = pin!(None);
        let mut end_streams = pin!(None);
        let mut late = pin!(None::<Sleep>);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Wake::Done(done));
            }
            if late.is_none() {
                abort.set(Some(parts.abort.cancelled()));
                end_streams.set(waits_for_nothing.then(|| parts.end_streams.cancelled()));
                late.set(Some(sleep_until(step.into())));
            }
            Poll::Ready(if mailbox.poll_filled(cx).is_ready() {
                Wake::Word
            } else if closed.as_mut().poll(cx).is_ready() {
                Wake::ClientGone
            } else if is_over(abort.as_mut().as_pin_mut(), cx)
                || is_over(end_streams.as_mut().as_pin_mut(), cx)
            {
                Wake::Stopping
            } else if is_over(late.as_mut().as_pin_mut(), cx) {
                Wake::Late
            } else {
                return Poll::Pending;
            })
        })
        .await
    }

    /// Does what follows from a wake-up that was not the work's end.
    pub(super) fn minded<T>(&mut self, wake: &Wake<T>) -> Result<(), Over> {
        match wake {
            Wake::Done(_) => Ok(()),
            // Its connection is cut by us together with the call.
            Wake::ClientGone if self.server.shared.parts.abort.is_cancelled() => {
                self.reply.gone = true;
                self.minded(&Wake::<T>::Stopping)
            }
            Wake::ClientGone => {
                self.reply.gone = true;
                match on_cancel(self.era, CancelCause::ClientGone).ending {
                    Some(ending) => {
                        self.end_all(ending);
                        Err(Over)
                    }
                    // Its calls were cancelled, and what the server still says is for nobody.
                    None if self.calls.is_empty() => Err(Over),
                    None => Ok(()),
                }
            }
            Wake::Word => self.words(),
            Wake::Stopping => Err(self.given_up(
                CancelCause::Stopping,
                503,
                code::UNAVAILABLE,
                "Pilothouse is stopping",
            )),
            Wake::Late => {
                self.has_failed = Some(true);
                let text = format!(
                    "server `{}` did not answer in time",
                    self.server.server.name
                );
                Err(self.given_up(CancelCause::Deadline, 504, code::TIMEOUT, &text))
            }
        }
    }

    pub(super) fn words(&mut self) -> Result<(), Over> {
        for word in self.mailbox.take() {
            match word {
                Signal::Cancelled(id) => self.finish_one(&id, false, |call| {
                    call.answered();
                    on_cancel(call.era, CancelCause::Cancelled)
                        .ending
                        .unwrap_or(Ending::Cancelled)
                }),
                Signal::Answered(id, message, bytes, delivered) => {
                    self.finish_one(&id, delivered, |call| call.answer(&message, bytes));
                }
                Signal::SessionEnded => {
                    let ended = on_cancel(self.era, CancelCause::SessionEnded);
                    self.end_all(ended.ending.unwrap_or(Ending::SessionEnded));
                }
            }
        }
        // The stream of a cancelled call stays open as the server leaves it.
        let over = self.calls.is_empty()
            && (self.reply.gone
                || !self.reply.has_head()
                    && self.reply.status == 0
                    && self.client.session.is_none());
        if over { Err(Over) } else { Ok(()) }
    }

    pub(super) fn finish_one(
        &mut self,
        id: &MessageId,
        delivered: bool,
        how: impl FnOnce(&mut Call) -> Ending,
    ) {
        if let Some(i) = self.calls.iter().position(|c| c.id.as_ref() == Some(id)) {
            let mut call = self.calls.swap_remove(i);
            let ending = how(&mut call);
            call.finish(ending, self.reply.status, delivered);
        }
    }

    /// Gives up on the server and tells the client, as far as it can still be told.
    pub(super) fn given_up(
        &mut self,
        cause: CancelCause,
        status: u16,
        code: i64,
        text: &str,
    ) -> Over {
        let ending = on_cancel(self.era, cause)
            .ending
            .unwrap_or(Ending::ServerDied);
        self.failed(&OwnError::new(status, code, text), ending)
    }

    /// Tells the client an error of ours, as far as it can still be told, and ends every call with `ending`.
    pub(super) fn failed(&mut self, error: &OwnError, ending: Ending) -> Over {
        if !self.reply.has_head() {
            return self.refuse(error, ending);
        }
        // A blank line ends whatever event the server was in the middle of.
        let mut events = b"\n\n".to_vec();
        for call in &mut self.calls {
            call.set_error(&error.message);
            ph_wire::sse::write_event(
                &mut events,
                None,
                error.body(call.id_raw.as_deref()).as_bytes(),
            );
        }
        self.end_all(ending);
        if self.in_events {
            self.reply.last_words(events.into());
        }
        Over
    }
}

fn is_over(future: Option<Pin<&mut impl Future<Output = ()>>>, cx: &mut Context<'_>) -> bool {
    future.is_some_and(|f| f.poll(cx).is_ready())
}
