//! Answers that list something, held until they are whole: what their client may not see is left out.

use super::{Exchange, Over, is_event_stream, room_for};
use crate::guard::{LIST_BYTES_MAX, Lists, unreadable};
use crate::heard::Tee;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use ph_mcp::AnswerScan;
use ph_mcp::lists::ListFault;
use ph_record::Ending;
use ph_wire::body::Body;
use ph_wire::sse::{EventHold, data_of, with_data};
use ph_wire::upstream;

/// Events that are looked at before they go on.
pub(super) struct HeldEvents<'l> {
    lists: &'l Lists,
    hold: EventHold,
}

impl Exchange {
    /// The answer to calls of which one lists something that is to be looked at.
    pub(super) async fn listed(
        &mut self,
        answer: upstream::Answer,
        lists: &Lists,
    ) -> Result<(), Over> {
        if answer.status.is_success() && is_encoded(&answer.headers) {
            let fault = ListFault::Odd("it is compressed");
            return Err(self.unreadable(fault));
        }
        if is_event_stream(&answer.headers) {
            let hold = EventHold::new(LIST_BYTES_MAX);
            let mut held = Some(HeldEvents { lists, hold });
            return self.events(answer, &mut held).await;
        }
        let upstream::Answer {
            status,
            mut headers,
            length,
            mut body,
        } = answer;
        self.opened(status, &headers);
        let mut whole = Vec::with_capacity(room_for(length));
        loop {
            self.step_within(self.tuning.timeouts.idle);
            match self.append(&mut body, &mut whole).await? {
                Ok(0) => break,
                Ok(_) if whole.len() > LIST_BYTES_MAX => {
                    return Err(self.unreadable(ListFault::TooLong));
                }
                Ok(_) => {}
                Err(error) => return Err(self.broke_off(&error)),
            }
        }
        self.keep(body);
        let whole = Bytes::from(whole);
        let shown = match lists.pass(whole.clone()) {
            Ok(shown) => shown,
            // An error, or nothing at all, is no list.
            Err(_) if !status.is_success() || whole.trim_ascii().is_empty() => whole.clone(),
            Err(fault) => return Err(self.unreadable(fault)),
        };
        if shown != whole {
            mend(&mut headers);
        }
        self.heard_all(status, AnswerScan::read(&whole), whole.len() as u64);
        self.reply.whole(status, headers, Body::Full(shown));
        Err(Over)
    }

    /// Hands on the events that are whole with `piece`.
    pub(super) async fn pass_held(
        &mut self,
        held: &mut HeldEvents<'_>,
        tee: &mut Tee,
        piece: &[u8],
    ) -> Result<(), Over> {
        held.hold.push(piece);
        loop {
            let event = match held.hold.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(()),
                Err(_) => return Err(self.unreadable(ListFault::TooLong)),
            };
            let shown = match seen(&event, |data| held.lists.pass(data)) {
                Ok(shown) => shown,
                Err(fault) => return Err(self.unreadable(fault)),
            };
            let heard = tee.push(&event);
            let event = shown.unwrap_or_else(|| event.into());
            self.pass_heard(event, heard).await?;
        }
    }

    fn unreadable(&mut self, fault: ListFault) -> Over {
        let error = unreadable(self.server.server.name.as_str(), fault);
        self.failed(&error, Ending::BadAnswer)
    }
}

/// An event whose data `pass` changes, changed; `None` when it goes on as it is.
pub(in crate::http) fn seen(
    event: &[u8],
    pass: impl FnOnce(Bytes) -> Result<Bytes, ListFault>,
) -> Result<Option<Bytes>, ListFault> {
    let data = Bytes::from(data_of(event));
    if data.is_empty() {
        return Ok(None);
    }
    let shown = pass(data.clone())?;
    Ok((shown != data).then(|| with_data(event, &shown).into()))
}

/// Whether an answer has to be unpacked before it can be read.
pub(in crate::http) fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Takes out of the head what was said of other bytes.
fn mend(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(ETAG);
    for name in ["content-digest", "repr-digest", "digest", "content-md5"] {
        headers.remove(name);
    }
}
