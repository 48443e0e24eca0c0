//! An HTTP server that answers as it is told, request by request.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

type Answer = Box<dyn FnMut(&Request) -> Response + Send>;

#[derive(Clone)]
pub(crate) struct Receiver(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    requests: Mutex<Vec<Request>>,
    /// Used up one by one; then `otherwise`.
    first: Mutex<VecDeque<Answer>>,
    otherwise: Mutex<Answer>,
}

impl Receiver {
    pub(crate) async fn start(
        otherwise: impl FnMut(&Request) -> Response + Send + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self(Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            requests: Mutex::default(),
            first: Mutex::default(),
            otherwise: Mutex::new(Box::new(otherwise)),
        }));
        let app = Router::new().fallback(answer).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// The next request that has no answer yet is answered so.
    pub(crate) fn once(&self, answer: impl FnMut(&Request) -> Response + Send + 'static) {
        self.0.first.lock().unwrap().push_back(Box::new(answer));
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.0.requests.lock().unwrap().clone()
    }
}

async fn answer(
    State(Receiver(shared)): State<Receiver>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request {
        method,
        path: uri.path().to_owned(),
        headers,
        body,
    };
    let first = shared.first.lock().unwrap().pop_front();
    let response = match first {
        Some(mut answer) => answer(&request),
        None => (shared.otherwise.lock().unwrap())(&request),
    };
    shared.requests.lock().unwrap().push(request);
    response.into_response()
}

/// Waits until `is` holds; a test that waits for what never comes fails at once with its name.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if is() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("never came: {what}");
}
