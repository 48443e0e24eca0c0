//! The client's side of an exchange: one head, then a body in one piece or many.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use ph_mcp::error;
use ph_wire::body::{Body, Piece};
use tokio::sync::{mpsc, oneshot};

/// Where an answer goes. Dropping it after the head without [`Reply::end`] cuts the answer.
pub(crate) struct Reply {
    head: Option<oneshot::Sender<Response<Body>>>,
    pieces: Option<mpsc::Sender<Piece>>,
    /// Status that was sent; 0 before.
    pub status: u16,
    /// The client has left.
    pub gone: bool,
}

impl Reply {
    /// A reply, and where its response comes out.
    pub(crate) fn new() -> (Self, oneshot::Receiver<Response<Body>>) {
        let (tx, rx) = oneshot::channel();
        (
            Self {
                head: Some(tx),
                pieces: None,
                status: 0,
                gone: false,
            },
            rx,
        )
    }

    pub(crate) fn has_head(&self) -> bool {
        self.head.is_none()
    }

    /// Returns when the client leaves; pends for ever once that is known or the reply is over.
    pub(crate) async fn closed(&mut self) {
        if self.gone {
            return std::future::pending().await;
        }
        match (&mut self.head, &self.pieces) {
            (Some(head), _) => head.closed().await,
            (None, Some(pieces)) => pieces.closed().await,
            (None, None) => std::future::pending().await,
        }
    }

    /// Sends the whole answer. `false` when the client has left.
    pub(crate) fn whole(&mut self, status: StatusCode, headers: HeaderMap, body: Body) -> bool {
        let Some(head) = self.head.take() else {
            return false;
        };
        self.status = status.as_u16();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        self.gone |= head.send(response).is_err();
        !self.gone
    }

    /// Sends the head of a streamed answer. `length`: its whole length, when known.
    pub(crate) fn begin(
        &mut self,
        status: StatusCode,
        headers: HeaderMap,
        length: Option<u64>,
    ) -> bool {
        let (tx, body) = Body::pieces(length);
        self.pieces = Some(tx);
        self.whole(status, headers, body)
    }

    /// Room for one piece, at the client's pace; `None` when the client has left.
    pub(crate) async fn room(&mut self) -> Option<mpsc::OwnedPermit<Piece>> {
        if self.gone {
            return None;
        }
        let permit = match &self.pieces {
            Some(pieces) => pieces.clone().reserve_owned().await.ok(),
            None => None,
        };
        self.gone |= permit.is_none();
        permit
    }

    /// Room for one piece, if there is some now.
    pub(crate) fn room_now(&self) -> Option<mpsc::OwnedPermit<Piece>> {
        self.pieces.clone()?.try_reserve_owned().ok()
    }

    /// Sends one piece. `false` when the client has left.
    pub(crate) async fn piece(&mut self, bytes: Bytes) -> bool {
        match self.room().await {
            Some(room) => {
                room.send(Piece::Data(bytes));
                true
            }
            None => false,
        }
    }

    /// Ends a streamed answer properly. Bounded by the client reading on or leaving.
    pub(crate) async fn end(&mut self) {
        if let Some(room) = self.room().await {
            room.send(Piece::End);
        }
        self.pieces = None;
    }

    /// Ends a streamed answer with `bytes`, if the client takes them at once; else it is cut.
    pub(crate) fn last_words(&mut self, bytes: Bytes) {
        if let Some(room) = self.room_now() {
            room.send(Piece::Data(bytes));
        }
        if let Some(room) = self.room_now() {
            room.send(Piece::End);
        }
        self.pieces = None;
    }

    /// Ends a streamed answer so that the client sees that it is incomplete.
    pub(crate) fn cut(&mut self) {
        self.pieces = None;
    }
}

/// Headers of a JSON answer.
pub(crate) fn json_headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

/// An error of our own.
#[derive(Clone, Debug)]
pub(crate) struct OwnError {
    pub status: u16,
    pub code: i64,
    pub message: String,
    /// JSON text of the error's `data`.
    pub data: Option<String>,
    pub retry_after_s: Option<u64>,
    /// The fields `RateLimit-Policy` and `RateLimit`.
    pub limit: Option<Box<(String, String)>>,
}

impl OwnError {
    pub(crate) fn new(status: u16, code: i64, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            data: None,
            retry_after_s: None,
            limit: None,
        }
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// As a JSON-RPC error response to `id`.
    pub(crate) fn body(&self, id: Option<&str>) -> String {
        error::body(id, self.code, &self.message, self.data.as_deref())
    }

    pub(crate) fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = json_headers();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some((policy, state)) = self.limit.as_deref() {
            let fields = [("ratelimit-policy", policy), ("ratelimit", state)];
            for (name, value) in fields {
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.insert(HeaderName::from_static(name), value);
                }
            }
        }
        headers
    }

    /// As a whole response.
    pub(crate) fn response(&self, id: Option<&str>) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body(id)));
        *response.status_mut() = self.status_code();
        *response.headers_mut() = self.headers();
        response
    }
}
