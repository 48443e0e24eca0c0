//! `_bulk`, with a receiver as strict as the real one about its form.

use crate::memory::Memory;
use crate::receiver::{Receiver, Request, until};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ph_sinks::{Auth, ElasticSettings, Feed, Handle, Sink, SinkSettings, Target, WhenFull};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Documents by id, as an index has them.
#[derive(Clone, Default)]
struct Index(Arc<Mutex<BTreeMap<String, serde_json::Value>>>);

impl Index {
    /// Takes a `_bulk` body; documents for which `refuse` gives a status are not taken.
    fn bulk(&self, request: &Request, refuse: impl Fn(u64) -> Option<u16>) -> Response {
        assert_eq!(request.path, "/mcp-logs/_bulk");
        assert_eq!(request.headers["content-type"], "application/x-ndjson");
        let text = std::str::from_utf8(&request.body).unwrap();
        assert!(text.ends_with('\n'), "the last line has an end");
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let mut items = Vec::new();
        for pair in lines.chunks(2) {
            let [action, document] = pair else {
                panic!("an action without a document")
            };
            let id = action["create"]["_id"].as_str().unwrap().to_owned();
            assert!(document["@timestamp"].is_string());
            let number = document["message"].as_str().unwrap().parse().unwrap();
            let mut documents = self.0.lock().unwrap();
            let status = match refuse(number) {
                Some(status) => status,
                None if documents.contains_key(&id) => 409,
                None => {
                    documents.insert(id.clone(), document.clone());
                    201
                }
            };
            items.push(serde_json::json!({"create": {"_id": id, "status": status,
                "error": {"type": "some_exception", "reason": "because"}}}));
        }
        serde_json::json!({"took": 1, "errors": true, "items": items})
            .to_string()
            .into_response()
    }

    fn numbers(&self) -> Vec<u64> {
        let documents = self.0.lock().unwrap();
        let mut numbers: Vec<u64> = documents
            .values()
            .map(|d| d["message"].as_str().unwrap().parse().unwrap())
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

fn settings(url: String) -> SinkSettings {
    SinkSettings {
        name: "es".to_owned(),
        target: Target::Elastic(Box::new(ElasticSettings {
            url,
            data_stream: "mcp-logs".to_owned(),
            auth: Auth::Basic {
                username: "u".to_owned(),
                password: "p".to_owned(),
            },
            headers: http::HeaderMap::new(),
            ca_file: None,
            template: false,
            timeout: Duration::from_secs(5),
        })),
        when_full: WhenFull::DropOldest,
        lag_bytes_max: 1 << 30,
        batch_entries_max: 100,
        batch_bytes_max: 1 << 20,
        batch_delay: Duration::from_millis(50),
        kinds: Vec::new(),
    }
}

fn start(settings: SinkSettings, feed: &Arc<Memory>, dir: &Path) -> Handle {
    let feed: Arc<dyn Feed> = Arc::<Memory>::clone(feed);
    Sink::start(
        settings,
        feed,
        dir,
        Arc::new(|_| {}),
        &tokio::runtime::Handle::current(),
    )
    .unwrap()
}

struct Scene {
    index: Index,
    receiver: Receiver,
    feed: Arc<Memory>,
    dir: tempfile::TempDir,
}

impl Scene {
    async fn new(entries: u64) -> Self {
        let index = Index::default();
        let taking = index.clone();
        let receiver = Receiver::start(move |request| taking.bulk(request, |_| None)).await;
        let feed = Arc::new(Memory::default());
        feed.add(entries);
        Self {
            index,
            receiver,
            feed,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn start(&self, change: impl FnOnce(&mut SinkSettings)) -> Handle {
        let mut settings = settings(self.receiver.url());
        change(&mut settings);
        start(settings, &self.feed, self.dir.path())
    }

    /// The next answer takes what `refuse` does not refuse.
    fn refuse_once(&self, refuse: impl Fn(u64) -> Option<u16> + Send + 'static) {
        let index = self.index.clone();
        self.receiver
            .once(move |request| index.bulk(request, &refuse));
    }
}

#[tokio::test]
async fn every_entry_arrives_once_across_failures_of_each_kind() {
    let scene = Scene::new(250).await;
    scene
        .receiver
        .once(|_| StatusCode::SERVICE_UNAVAILABLE.into_response());
    scene
        .receiver
        .once(|_| (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response());
    scene.refuse_once(|number| (number % 10 == 3).then_some(429));
    // An answer that breaks off after the documents were taken: they are sent again, and known.
    let index = scene.index.clone();
    scene.receiver.once(move |request| {
        let _taken = index.bulk(request, |_| None);
        let broken = broken_body();
        Response::new(broken)
    });
    let sink = scene.start(|_| {});
    until("all documents", || sink.counts().totals().delivered == 250).await;
    assert_eq!(scene.index.numbers(), (0..250).collect::<Vec<_>>());
    scene.feed.add(7);
    until("the new ones", || sink.counts().totals().delivered == 257).await;
    let totals = sink.counts().totals();
    assert_eq!(
        (
            totals.rejected,
            totals.dropped_lag,
            totals.dropped_retention
        ),
        (0, 0, 0)
    );
    assert!(
        totals.retries >= 4 && totals.up && totals.failure.is_none(),
        "{totals:?}"
    );
    assert_eq!(
        scene.receiver.requests()[0].headers["authorization"],
        "Basic dTpw"
    );
    sink.stop(Duration::from_secs(5)).await;
}

/// A body whose length is promised and not kept.
fn broken_body() -> Body {
    Body::new(Broken)
}

struct Broken;

impl http_body::Body for Broken {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(Some(Err(std::io::Error::other("cut"))))
    }
}

#[tokio::test]
async fn a_new_process_goes_on_where_the_last_one_ended() {
    let scene = Scene::new(150).await;
    let sink = scene.start(|_| {});
    until("the first ones", || sink.counts().totals().delivered == 150).await;
    sink.stop(Duration::from_secs(5)).await;
    let before = scene.receiver.requests().len();
    scene.feed.add(50);
    let sink = scene.start(|_| {});
    until("the others", || sink.counts().totals().delivered == 50).await;
    sink.stop(Duration::from_secs(5)).await;
    assert_eq!(scene.index.numbers(), (0..200).collect::<Vec<_>>());
    assert_eq!(
        scene.receiver.requests().len(),
        before + 1,
        "nothing was sent twice"
    );
}

#[tokio::test]
async fn kinds_that_nobody_asked_for_are_passed_over() {
    let scene = Scene::new(5).await;
    let sink = scene.start(|settings| {
        settings.kinds = vec!["span".to_owned()];
        settings.when_full = WhenFull::Block;
    });
    until("the end", || scene.feed.held("es") == Some(5)).await;
    assert_eq!(sink.counts().totals().delivered, 0);
    assert_eq!(scene.receiver.requests().len(), 0);
}

#[tokio::test]
async fn what_is_never_taken_is_counted_and_does_not_hold_up_the_rest() {
    let scene = Scene::new(40).await;
    scene.refuse_once(|number| (number == 7).then_some(400));
    let sink = scene.start(|_| {});
    until("the rest", || sink.counts().totals().delivered == 39).await;
    let totals = sink.counts().totals();
    assert_eq!(totals.rejected, 1);
    assert!(totals.failure.unwrap().contains("some_exception"));
}

#[tokio::test]
async fn a_request_that_is_too_large_is_divided() {
    let scene = Scene::new(64).await;
    let too_large = |request: &Request| request.body.len() > 4000;
    for _ in 0..20 {
        let index = scene.index.clone();
        scene.receiver.once(move |request| {
            if too_large(request) {
                StatusCode::PAYLOAD_TOO_LARGE.into_response()
            } else {
                index.bulk(request, |_| None)
            }
        });
    }
    let sink = scene.start(|_| {});
    until("all documents", || sink.counts().totals().delivered == 64).await;
    assert_eq!(sink.counts().totals().rejected, 0);
    assert_eq!(scene.index.numbers().len(), 64);
}

#[tokio::test]
async fn the_oldest_give_way_when_too_much_waits() {
    let scene = Scene::new(0).await;
    scene
        .receiver
        .once(|_| StatusCode::SERVICE_UNAVAILABLE.into_response());
    scene.feed.add(1000);
    let sink = scene.start(|settings| settings.lag_bytes_max = 100_000);
    until("the newest", || scene.index.numbers().last() == Some(&999)).await;
    until("the books", || sink.counts().totals().lag_entries == 0).await;
    let totals = sink.counts().totals();
    assert!(totals.dropped_lag > 0, "{totals:?}");
    assert_eq!(totals.delivered + totals.dropped_lag, 1000);
    assert_eq!(scene.index.numbers().len() as u64, totals.delivered);
}

#[tokio::test]
async fn the_newest_give_way_when_it_is_asked_for() {
    let scene = Scene::new(1000).await;
    let (feed, mut first) = (Arc::clone(&scene.feed), true);
    let index = scene.index.clone();
    // While the first batch is on its way, more comes: that is what gives way.
    scene.receiver.once(move |request| {
        if std::mem::take(&mut first) {
            feed.add(500);
        }
        index.bulk(request, |_| None)
    });
    let sink = scene.start(|settings| {
        settings.lag_bytes_max = 1000;
        settings.when_full = WhenFull::DropNewest;
    });
    until("the books", || {
        let totals = sink.counts().totals();
        totals.delivered + totals.dropped_lag == 1500 && totals.lag_entries == 0
    })
    .await;
    assert_eq!(scene.index.numbers(), (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sink_that_blocks_holds_the_store_and_what_is_gone_is_counted() {
    let scene = Scene::new(30).await;
    scene.feed.forget_below(10);
    let sink = scene.start(|settings| settings.when_full = WhenFull::Block);
    until("the rest", || sink.counts().totals().delivered == 20).await;
    assert_eq!(sink.counts().totals().dropped_retention, 10);
    until("the hold", || scene.feed.held("es") == Some(30)).await;
    sink.stop(Duration::from_secs(5)).await;
    assert_eq!(scene.feed.held("es"), None);
}

#[tokio::test]
async fn the_template_is_put_before_the_first_document() {
    let scene = Scene::new(1).await;
    scene
        .receiver
        .once(|_| r#"{"version":{"number":"9.1.0"}}"#.into_response());
    scene
        .receiver
        .once(|_| r#"{"acknowledged":true}"#.into_response());
    let sink = scene.start(|settings| {
        let Target::Elastic(elastic) = &mut settings.target else {
            panic!()
        };
        elastic.template = true;
    });
    until("the document", || sink.counts().totals().delivered == 1).await;
    let seen: Vec<String> = scene
        .receiver
        .requests()
        .iter()
        .map(|r| format!("{} {}", r.method, r.path))
        .collect();
    assert_eq!(
        seen,
        [
            "GET /",
            "PUT /_index_template/mcp-logs",
            "POST /mcp-logs/_bulk"
        ]
    );
}
