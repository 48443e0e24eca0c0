//! A client's request as it is read: head, then body, bounded in bytes and time.

use crate::crowd::Place;
use crate::guard::{Listing, Passed};
use crate::session::Session;
use crate::shared::unix_ns;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use ph_base::{Era, Revision};
use ph_mcp::params::Field;
use ph_mcp::{Envelope, MessageId, headers};
use ph_policy::Principal;
use ph_record::{CallRecord, Caller, SessionTag};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::time::sleep_until;

/// Who asks, and what its head said.
pub(crate) struct Client {
    pub peer: SocketAddr,
    /// Who it was shown to be.
    pub principal: Option<Arc<Principal>>,
    /// The same, or what else is known of it, while somebody watches for what is abnormal.
    pub caller: Option<Caller>,
    pub headers: HeaderMap,
    /// When the head was read.
    pub received: Instant,
    pub received_unix_ns: u64,
    /// Nanoseconds it took to send its body.
    pub waited_ns: u64,
    /// The session it named, when it is one we know.
    pub session: Option<Arc<Session>>,
    /// Calls of it that the guard has something to remember of, by id.
    pub passed: Vec<(Option<MessageId>, Arc<Passed>)>,
    /// Its place among its sessions, while it opens one.
    pub place: Option<Place>,
    /// What is to be done with lists on the stream that it opens.
    pub listing: Option<Listing>,
    /// What its head said that every call asks for.
    said: Said,
}

/// Headers that every call asks for, found in one walk over the head.
#[derive(Default)]
struct Said {
    session_id: Option<HeaderValue>,
    version: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
}

impl Said {
    fn by(head: &HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in head {
            let slot = match name.as_str() {
                headers::SESSION_ID => &mut said.session_id,
                headers::PROTOCOL_VERSION => &mut said.version,
                "traceparent" => &mut said.traceparent,
                _ => continue,
            };
            // The first of a name counts.
            slot.get_or_insert_with(|| value.clone());
        }
        said
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value?.to_str().ok()
}

impl Client {
    /// A client whose head was read now. Boxed: it is handed on from one future to the next, which would each have
    /// room for it.
    pub(crate) fn new(peer: SocketAddr, headers: HeaderMap) -> Box<Self> {
        Box::new(Self {
            said: Said::by(&headers),
            peer,
            principal: None,
            caller: None,
            headers,
            received: Instant::now(),
            received_unix_ns: unix_ns(),
            waited_ns: 0,
            session: None,
            passed: Vec::new(),
            place: None,
            listing: None,
        })
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// A header that must not be there twice.
    pub(crate) fn field(&self, name: &str) -> Field<'_> {
        let mut all = self.headers.get_all(name).iter();
        match (all.next().map(|v| v.to_str()), all.next()) {
            (None, _) => Field::Absent,
            (Some(Ok(text)), None) => Field::Text(text),
            _ => Field::Unclear,
        }
    }

    /// What the guard remembers of the call with this id.
    pub(crate) fn passed(&self, id: Option<&MessageId>) -> Option<Arc<Passed>> {
        let mut all = self.passed.iter();
        let found = all.find(|(of, _)| of.as_ref() == id);
        found.map(|(_, passed)| Arc::clone(passed))
    }

    pub(crate) fn session_id(&self) -> Option<&str> {
        text(self.said.session_id.as_ref())
    }

    pub(crate) fn session_tag(&self) -> Option<SessionTag> {
        self.session_id().map(tag)
    }

    /// The revision that the head names.
    pub(crate) fn version(&self) -> Option<&str> {
        text(self.said.version.as_ref()).map(str::trim)
    }

    pub(crate) fn traceparent(&self) -> Option<&str> {
        text(self.said.traceparent.as_ref())
    }

    /// The era of a message: its body's word, else the version header's.
    pub(crate) fn era(&self, envelope: &Envelope<'_>) -> Era {
        envelope.era().unwrap_or_else(|| self.era_of_head())
    }

    /// The era that the head alone speaks.
    pub(crate) fn era_of_head(&self) -> Era {
        // A version that is no legacy one is for the modern side to accept or refuse.
        self.version().map_or(Era::Legacy, |v| {
            Revision::parse(v).map_or(Era::Modern, Revision::era)
        })
    }

    /// The revision spoken, as far as it is a published one.
    pub(crate) fn revision(&self, envelope: &Envelope<'_>) -> Option<Revision> {
        let body = envelope
            .meta_version
            .as_deref()
            .or(envelope.initialize_version.as_deref());
        Revision::parse(body.or_else(|| self.version())?)
    }

    /// What the client calls itself: in this message, else when its session began.
    pub(crate) fn name(&self, envelope: &Envelope<'_>, text: &str) -> Option<Arc<str>> {
        match envelope.client(text) {
            Some(mut name) => {
                while name.len() > CallRecord::TEXT_BYTES_MAX {
                    name.pop();
                }
                Some(name.into())
            }
            None => self.session.as_ref().and_then(|s| s.client()),
        }
    }
}

/// Six bytes that tell sessions apart in logs and cannot be turned back into an id.
pub(crate) fn tag(session_id: &str) -> SessionTag {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    session_id.hash(&mut hasher);
    let [_, _, tag @ ..] = hasher.finish().to_be_bytes();
    SessionTag(tag)
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    TooLarge,
    Slow,
    /// The client broke off, or its framing is wrong; nobody is left to answer.
    Broken,
}

/// Bounds on a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    pub bytes_max: usize,
    pub time_max: Duration,
}

/// Reads a whole body.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: Incoming,
    limits: BodyLimits,
) -> Result<Bytes, BodyFault> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|n| n > limits.bytes_max) {
        return Err(BodyFault::TooLarge);
    }
    let mut read = pin!(collect(body, limits.bytes_max));
    let mut late = pin!(None);
    let deadline = Instant::now() + limits.time_max;
    let mut has_looked = false;
    poll_fn(|cx| {
        if let Poll::Ready(read) = read.as_mut().poll(cx) {
            return Poll::Ready(read);
        }
        // A body that came with its head is handed out only once it was asked for. So it is asked twice before a
        // timer is made.
        if !std::mem::replace(&mut has_looked, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if late.is_none() {
            late.set(Some(sleep_until(deadline.into())));
        }
        let late = late.as_mut().as_pin_mut();
        let is_late = late.is_some_and(|late| late.poll(cx).is_ready());
        if is_late {
            Poll::Ready(Err(BodyFault::Slow))
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Bodies up to this size are copied: a handle on them would keep the connection's
/// whole read buffer, and a new one would be made for every request.
const COPY_BYTES_MAX: usize = 4096;

/// A long body in one frame is passed on without a copy.
async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Bytes, BodyFault> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data() else {
            continue;
        };
        length += data.len();
        if length > bytes_max {
            return Err(BodyFault::TooLarge);
        }
        match &first {
            None => first = Some(data),
            Some(head) => {
                if rest.is_empty() {
                    rest.extend_from_slice(head);
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(match first {
        Some(one) if rest.is_empty() && one.len() <= COPY_BYTES_MAX => Bytes::copy_from_slice(&one),
        Some(one) if rest.is_empty() => one,
        _ => rest.freeze(),
    })
}
