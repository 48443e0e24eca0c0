//! Targets on loopback, scraped.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

use ph_jobs::{OwnedScrape, Scraped, Scraper, Target};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Keeps what is offered.
#[derive(Default)]
struct Kept {
    all: Mutex<Vec<OwnedScrape>>,
    more: Notify,
    is_full: std::sync::atomic::AtomicBool,
}

impl Scraped for Kept {
    fn offer(&self, scrape: OwnedScrape) -> bool {
        if self.is_full.load(std::sync::atomic::Ordering::Relaxed) {
            self.more.notify_one();
            return false;
        }
        self.all.lock().unwrap().push(scrape);
        self.more.notify_one();
        true
    }
}

impl Kept {
    /// Waits until the last scrape is as wanted.
    async fn until(&self, is_wanted: impl Fn(&OwnedScrape) -> bool) -> OwnedScrape {
        let found = async {
            loop {
                if let Some(last) = self.all.lock().unwrap().last()
                    && is_wanted(last)
                {
                    return last.clone();
                }
                self.more.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found)
            .await
            .unwrap()
    }
}

fn value(scrape: &OwnedScrape, name: &str) -> Option<f64> {
    let mut samples = scrape.samples.iter();
    samples
        .find(|one| one.labels.metric_name() == Some(name))
        .map(|one| one.v)
}

/// Answers each request with what is there at that time; gives its requests' heads.
async fn serve(answer: Arc<Mutex<String>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metrics?format=x", listener.local_addr().unwrap());
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match socket.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            seen.lock().unwrap().push(String::from_utf8(head).unwrap());
            let text = answer.lock().unwrap().clone();
            socket.write_all(text.as_bytes()).await.unwrap();
        }
    });
    (url, heads)
}

fn answer(status: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn target(url: &str) -> Target {
    Target {
        job: "tools".to_owned(),
        url: url.to_owned(),
        interval: Duration::from_millis(100),
        timeout: Duration::from_secs(5),
        labels: vec![("site".to_owned(), "here".to_owned())],
        headers: vec![(
            http::HeaderName::from_static("authorization"),
            http::HeaderValue::from_static("Bearer x"),
        )],
        ca_file: None,
        samples_max: 100,
    }
}

#[tokio::test]
async fn a_target_comes_fails_and_goes() {
    let page = Arc::new(Mutex::new(answer(
        "200 OK",
        "text/plain; version=0.0.4",
        "m 1\nn 2\n",
    )));
    let (url, heads) = serve(page.clone()).await;
    let kept = Arc::new(Kept::default());
    let mut scraper = Scraper::new(kept.clone());
    assert!(scraper.replace(vec![target(&url)]).is_empty());

    let first = kept.until(|one| value(one, "m") == Some(1.0)).await;
    assert_eq!(value(&first, "up"), Some(1.0));
    assert_eq!(value(&first, "scrape_samples_scraped"), Some(2.0));
    assert!(value(&first, "scrape_duration_seconds").unwrap() > 0.0);
    let m = &first.samples[0].labels;
    assert_eq!((m.get("job"), m.get("site")), (Some("tools"), Some("here")));
    assert!(url.contains(m.get("instance").unwrap()));
    let head = heads.lock().unwrap()[0].clone();
    assert!(
        head.starts_with("GET /metrics?format=x HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("application/openmetrics-text") && head.contains("Bearer x"),
        "{head}"
    );

    let failing = [
        (answer("503 Busy", "text/plain", "m 1\n"), "HTTP status 503"),
        (answer("200 OK", "text/plain", "m 1\nm{\n"), "line 2: "),
        (
            answer("200 OK", "text/html", "<p>"),
            "content type `text/html`",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nm 1\n".to_owned(),
            "ended before",
        ),
    ];
    for (text, error) in failing {
        *page.lock().unwrap() = text;
        let down = kept.until(|one| value(one, "up") == Some(0.0)).await;
        assert_eq!(down.samples.len(), 3);
        let said = || scraper.targets()[0].error.clone().unwrap_or_default();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !said().contains(error) {
            assert!(
                std::time::Instant::now() < deadline,
                "{} for {error}",
                said()
            );
            kept.more.notified().await;
        }
    }

    // OpenMetrics, with an exemplar.
    let body = "# TYPE m counter\nm_total 4 # {trace_id=\"abc\"} 1\n# EOF\n";
    *page.lock().unwrap() = answer(
        "200 OK",
        "application/openmetrics-text; version=1.0.0",
        body,
    );
    let up = kept.until(|one| value(one, "m_total") == Some(4.0)).await;
    assert_eq!(up.exemplars[0].t_ms, up.t_ms);
    assert_eq!(&*up.metadata[0].kind, "counter");
    let status = scraper.targets().remove(0);
    assert!(
        status.failed >= 4 && status.scrapes > status.failed,
        "{status:?}"
    );

    // Taken out of the configuration: its series end.
    scraper.replace(Vec::new());
    let last = kept.until(|one| one.samples.is_empty()).await;
    assert_eq!(last.target, up.target);
    assert!(last.t_ms > up.t_ms);
    scraper.stop().await;
    assert!(kept.all.lock().unwrap().last().unwrap().samples.is_empty());
}

#[tokio::test]
async fn nobody_there_and_nobody_who_takes_it() {
    let kept = Arc::new(Kept::default());
    let mut scraper = Scraper::new(kept.clone());
    // Nobody listens on a port that was just given up.
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    scraper.replace(vec![target(&format!("http://127.0.0.1:{port}/"))]);
    kept.until(|one| value(one, "up") == Some(0.0)).await;
    kept.is_full
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while scraper.targets()[0].dropped == 0 {
        assert!(std::time::Instant::now() < deadline);
        kept.more.notified().await;
    }
    let error = scraper.targets()[0].error.clone().unwrap();
    assert!(error.contains("cannot connect"), "{error}");
    scraper.stop().await;
}

#[tokio::test]
async fn a_target_that_stays_goes_on_and_a_wrong_one_is_refused() {
    let page = Arc::new(Mutex::new(answer("200 OK", "text/plain", "m 1\n")));
    let (url, _) = serve(page).await;
    let kept = Arc::new(Kept::default());
    let mut scraper = Scraper::new(kept.clone());
    scraper.replace(vec![target(&url)]);
    kept.until(|one| value(one, "m").is_some()).await;
    let before = scraper.targets()[0].scrapes;
    let refused = scraper.replace(vec![target(&url), target("ftp://x/")]);
    assert_eq!(refused.len(), 1);
    assert!(refused[0].1.to_string().contains("`ftp://x/`"));
    assert!(scraper.targets()[0].scrapes >= before.max(1));
    scraper.stop().await;
    // Stopped is not gone: no series has ended.
    assert!(
        kept.all
            .lock()
            .unwrap()
            .iter()
            .all(|one| !one.samples.is_empty())
    );
}
