//! Roles, and what is written down of changes.

use crate::given::{Given, with};
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use ph_api::{
    Admission, Attempt, Caller, KeyInfo, KeyRefusal, Keys, MadeSecret, NewKey, NewSecret,
};
use ph_api::{NotAdmitted, Peer, Step};
use ph_policy::{HeadRules, Role};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tower::ServiceExt as _;

/// Whoever asks without a key is an admin, unless `for_keys`; a key is the word of its role.
#[derive(Default)]
pub(crate) struct Anybody {
    for_keys: bool,
    is_full: AtomicBool,
    written: Mutex<Vec<Attempt>>,
    refused: Mutex<Vec<NotAdmitted>>,
}

impl Admission for Anybody {
    fn head_rules(&self) -> Arc<HeadRules> {
        Arc::new(HeadRules::loopback())
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, &'static str> {
        let shown = headers
            .get("authorization")
            .map(|value| value.to_str().unwrap());
        let caller = |name: &str, role| Caller {
            name: name.into(),
            role,
        };
        match shown {
            None if self.for_keys => Err("a key, please"),
            None => Ok(caller("anonymous", Some(Role::Admin))),
            Some("none") => Ok(caller("key:none", None)),
            Some(word) => match Role::parse(word) {
                Some(role) => Ok(caller(&format!("key:{word}"), Some(role))),
                None => Err("no such key"),
            },
        }
    }

    fn refused(&self, why: NotAdmitted) {
        self.refused.lock().unwrap().push(why);
    }

    fn write(&self, attempt: &Attempt) -> io::Result<()> {
        if self.is_full.load(Relaxed) {
            return Err(io::Error::other("no space"));
        }
        self.written.lock().unwrap().push(attempt.clone());
        Ok(())
    }
}

/// One key, `alice`, until it is taken back.
#[derive(Default)]
struct OneKey {
    revoked: AtomicBool,
    made: AtomicBool,
}

impl Keys for OneKey {
    fn list(&self) -> Vec<KeyInfo> {
        vec![KeyInfo {
            name: "alice".into(),
            role: None,
            groups: Vec::new(),
            created: 1,
            revoked: self.revoked.load(Relaxed).then_some(2),
            secrets: Vec::new(),
        }]
    }

    fn create(&self, _key: NewKey) -> Result<MadeSecret, KeyRefusal> {
        self.made.store(true, Relaxed);
        Ok(MadeSecret {
            key: "ph_secret".into(),
            id: "id".into(),
            expires: None,
        })
    }

    fn rotate(&self, _name: &str, _secret: NewSecret) -> Result<MadeSecret, KeyRefusal> {
        Err(KeyRefusal::Unknown("none".into()))
    }

    fn revoke(&self, _name: &str) -> Result<(), KeyRefusal> {
        self.revoked.store(true, Relaxed);
        Ok(())
    }
}

struct World {
    given: Given,
    admission: Arc<Anybody>,
    keys: Arc<OneKey>,
}

fn world() -> World {
    let admission = Arc::new(Anybody {
        for_keys: true,
        ..Anybody::default()
    });
    let keys = Arc::new(OneKey::default());
    let (at, held) = (Arc::clone(&admission), Arc::clone(&keys));
    let given = with(move |sources| {
        sources.admission = at;
        sources.keys = Some(held);
    });
    World {
        given,
        admission,
        keys,
    }
}

impl World {
    async fn asks(&self, method: Method, path: &str, key: Option<&str>, peer: &str) -> StatusCode {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("host", "localhost");
        if let Some(key) = key {
            request = request.header("authorization", key);
        }
        let mut request = request.body(Body::from(r#"{"name":"bob"}"#)).unwrap();
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        let answer = self.given.router.clone().oneshot(request).await.unwrap();
        answer.status()
    }
}

const LOCAL: &str = "127.0.0.1:1";
const FAR: &str = "192.0.2.1:1";

#[tokio::test]
async fn some_of_what_can_be_read_is_not_for_viewers() {
    let world = world();
    let audit = "/api/pilothouse/audit";
    // Nobody keeps one here; who may read is decided before that.
    for (key, want) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("viewer"), StatusCode::FORBIDDEN),
        (Some("operator"), StatusCode::SERVICE_UNAVAILABLE),
        (Some("admin"), StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let got = world.asks(Method::GET, audit, key, LOCAL).await;
        assert_eq!(got, want, "{key:?}");
    }
    let head = world.asks(Method::HEAD, audit, Some("viewer"), LOCAL).await;
    assert_eq!(head, StatusCode::FORBIDDEN);
    let refused = world.admission.refused.lock().unwrap();
    let forbidden = refused.iter().filter(|why| **why == NotAdmitted::Forbidden);
    assert_eq!(forbidden.count(), 2);
    assert!(world.admission.written.lock().unwrap().is_empty());
}

#[tokio::test]
async fn each_role_may_do_what_it_may() {
    let world = world();
    let (keys, one) = ("/api/pilothouse/keys", "/api/pilothouse/keys/alice");
    let cases = [
        (Method::GET, keys, None, StatusCode::UNAUTHORIZED),
        (Method::GET, keys, Some("wrong"), StatusCode::UNAUTHORIZED),
        (Method::GET, keys, Some("none"), StatusCode::FORBIDDEN),
        (Method::GET, keys, Some("viewer"), StatusCode::OK),
        (Method::POST, keys, Some("viewer"), StatusCode::FORBIDDEN),
        (Method::POST, keys, Some("operator"), StatusCode::FORBIDDEN),
        (Method::DELETE, one, Some("operator"), StatusCode::FORBIDDEN),
        (
            Method::POST,
            "/api/v2/silences",
            Some("viewer"),
            StatusCode::FORBIDDEN,
        ),
        // It may; nobody holds silences here.
        (
            Method::POST,
            "/api/v2/silences",
            Some("operator"),
            StatusCode::BAD_REQUEST,
        ),
        (
            Method::GET,
            "/api/pilothouse/openapi.json",
            None,
            StatusCode::UNAUTHORIZED,
        ),
        (Method::GET, "/nothing", None, StatusCode::UNAUTHORIZED),
    ];
    for (method, path, key, want) in cases {
        let got = world.asks(method.clone(), path, key, LOCAL).await;
        assert_eq!(got, want, "{method} {path} {key:?}");
    }
    assert!(!world.keys.made.load(Relaxed) && !world.keys.revoked.load(Relaxed));
    let refused = world.admission.refused.lock().unwrap().clone();
    let of = |why| refused.iter().filter(|other| **other == why).count();
    assert_eq!(of(NotAdmitted::Unauthenticated), 4);
    assert_eq!(of(NotAdmitted::Forbidden), 5);
}

#[tokio::test]
async fn a_change_is_written_down_before_and_after() {
    let world = world();
    let one = "/api/pilothouse/keys/alice";
    let status = world.asks(Method::DELETE, one, Some("admin"), FAR).await;
    assert_eq!(status, StatusCode::OK);
    let written = world.admission.written.lock().unwrap().clone();
    let [begun, ended] = &written[..] else {
        panic!("{written:?}")
    };
    assert_eq!((begun.step, ended.step), (Step::Begun, Step::Ended(200)));
    assert_eq!(begun.id, ended.id);
    assert_eq!(begun.action, "key.revoke");
    assert_eq!(&*begun.caller.name, "key:admin");
    assert_eq!(begun.peer, Some(FAR.parse().unwrap()));
    assert_eq!(begun.target, "DELETE /api/pilothouse/keys/alice");
    let state = |attempt: &Attempt| attempt.state.clone().unwrap();
    assert!(state(begun).contains(r#""name":"alice""#), "{begun:?}");
    assert!(!state(begun).contains("revoked\":2") && state(ended).contains("revoked\":2"));
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let world = world();
    world.admission.is_full.store(true, Relaxed);
    let status = world
        .asks(Method::POST, "/api/pilothouse/keys", Some("admin"), LOCAL)
        .await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!world.keys.made.load(Relaxed));
    assert_eq!(
        world.admission.refused.lock().unwrap()[..],
        [NotAdmitted::Unaudited]
    );
}

#[tokio::test]
async fn a_refused_change_is_written_down_and_what_is_sent_has_no_secret() {
    let world = world();
    let keys = "/api/pilothouse/keys";
    world.asks(Method::POST, keys, Some("viewer"), LOCAL).await;
    let written = world.admission.written.lock().unwrap().clone();
    assert_eq!(written[0].step, Step::Refused);
    assert_eq!(written.len(), 1);
}

#[tokio::test]
async fn children_on_this_machine_need_no_key_for_their_spans() {
    let world = world();
    let traces = "/v1/traces";
    let local = world.asks(Method::POST, traces, None, LOCAL).await;
    assert_ne!(local, StatusCode::UNAUTHORIZED);
    let far = world.asks(Method::POST, traces, None, FAR).await;
    assert_eq!(far, StatusCode::UNAUTHORIZED);
}

/// The files of the console are the same for everybody; whatever they show is not.
#[tokio::test]
async fn the_console_is_for_everybody_and_what_it_shows_is_not() {
    let world = world();
    let ask = async |path: &str, host: &str, key: Option<&str>| {
        let mut request = Request::get(path)
            .header("host", host)
            .header("accept", "text/html,*/*;q=0.8");
        if let Some(key) = key {
            request = request.header("authorization", key);
        }
        world.given.send(request.body(Body::empty()).unwrap()).await
    };
    for path in [
        "/",
        "/server?name=files",
        "/calls",
        "/trace",
        "/explore",
        "/alerts",
        "/vulnerabilities",
    ] {
        let page = ask(path, "localhost", None).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(
            page.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
        assert_eq!(
            ask(path, "rebound.example.com", None).await.status,
            StatusCode::FORBIDDEN
        );
    }
    assert_eq!(
        ask("/assets/none.js", "localhost", None).await.status,
        StatusCode::NOT_FOUND
    );
    for path in [
        "/api/pilothouse/me",
        "/api/pilothouse/live",
        "/api/pilothouse/servers",
        "/metrics",
        "/server/x",
    ] {
        assert_eq!(
            ask(path, "localhost", None).await.status,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
    let me = ask("/api/pilothouse/me", "localhost", Some("viewer"))
        .await
        .json();
    assert_eq!(
        (&me["name"], &me["role"]),
        (&"key:viewer".into(), &"viewer".into())
    );
}
