//! The HTTP/1.1 client against upstreams that do as they like.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Uri};
use ph_wire::tls::client_config;
use ph_wire::upstream::{Address, Answer, AnswerError, Outgoing, SendError, Upstream};
use ph_wire::workers::Workers;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// An upstream whose n-th connection is served by `script`, and how many it has accepted.
fn fake(
    script: impl Fn(usize, TcpStream) + Send + Sync + 'static,
) -> (Arc<Upstream>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = Address {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
        tls: None,
    };
    let accepted = Arc::new(AtomicUsize::new(0));
    let (counter, script) = (Arc::clone(&accepted), Arc::new(script));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, script) = (stream.unwrap(), Arc::clone(&script));
            let number = counter.fetch_add(1, SeqCst);
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || script(number, stream));
        }
    });
    (Arc::new(Upstream::new(address, 1)), accepted)
}

/// Reads one request; its text is empty when the client has left.
fn request(stream: &mut impl Read) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => text.push(byte[0]),
            _ => return String::new(),
        }
    }
    let head = String::from_utf8(text).unwrap();
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |l| l.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn post(body: impl Into<Bytes>) -> Outgoing {
    let uri = Uri::from_static("/mcp");
    let mut outgoing = Outgoing::new(&Method::POST, &uri, &HeaderValue::from_static("fake"));
    outgoing.header(
        &HeaderName::from_static("x-mine"),
        &HeaderValue::from_static("1"),
    );
    outgoing.with_body(body.into())
}

/// Sends a body to an upstream that answers `text`, and reads all of the answer.
async fn ask(upstream: &Upstream, body: &'static str) -> Result<(u16, String), String> {
    let mut answer = send(upstream, post(body))
        .await
        .map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    while answer
        .body
        .append(&mut out)
        .await
        .map_err(|e| e.to_string())?
        > 0
    {}
    assert!(answer.body.is_complete());
    upstream.keep(answer.body);
    Ok((answer.status.as_u16(), String::from_utf8(out).unwrap()))
}

async fn send(upstream: &Upstream, request: Outgoing) -> Result<Answer, SendError> {
    upstream.send(request, Duration::from_secs(5)).await
}

/// Runs `work` on a worker, where connections are kept.
fn on_worker<F: Future<Output = ()> + Send + 'static>(work: F) {
    let workers = Workers::start(1).unwrap();
    let (done, waited) = mpsc::sync_channel(4);
    let task = workers.handle(0).spawn(async move {
        tokio::time::timeout(Duration::from_secs(20), work)
            .await
            .expect("it ends in time");
        done.send(()).unwrap();
    });
    let ended = waited.recv();
    if ended.is_err() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(task).unwrap();
    }
    workers.stop();
}

/// Everything that is under way on loopback has been seen by this thread's driver.
async fn settle() {
    let (upstream, _) = fake(|_, mut stream| {
        request(&mut stream);
        stream.write_all(b"HTTP/1.1 204 X\r\n\r\n").unwrap();
    });
    send(&upstream, post("")).await.unwrap();
}

/// An upstream that answers each request on a connection with `text`, in pieces of `cut` bytes.
fn answering(text: &'static str, cut: usize) -> (Arc<Upstream>, Arc<AtomicUsize>) {
    fake(move |_, mut stream| {
        while !request(&mut stream).is_empty() {
            for piece in text.as_bytes().chunks(cut) {
                stream.write_all(piece).unwrap();
            }
        }
    })
}

fn reads(text: &'static str, want: (u16, &'static str), connections: usize) {
    reads_cut(&[1, 11, usize::MAX], text, want, connections);
}

/// Asks three times, and counts the connections that this took.
fn reads_cut(cuts: &[usize], text: &'static str, want: (u16, &'static str), connections: usize) {
    for cut in cuts.iter().copied() {
        on_worker(async move {
            let (upstream, accepted) = answering(text, cut);
            for _ in 0..3 {
                let (status, body) = ask(&upstream, "{}").await.unwrap();
                assert_eq!((status, &body[..]), want, "cut into {cut}");
                settle().await;
            }
            assert_eq!(accepted.load(SeqCst), connections, "cut into {cut}");
        });
    }
}

#[test]
fn answers_are_read_however_they_are_cut_and_connections_are_kept() {
    reads(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        (200, "hello"),
        1,
    );
    reads(
        "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 202 A\r\nContent-Length: 0\r\n\r\n",
        (202, ""),
        1,
    );
    reads(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n6\r\n world\r\n0\r\nSum: 1\r\n\r\n",
        (200, "hello world"),
        1,
    );
    reads("HTTP/1.1 204 No Content\r\n\r\n", (204, ""), 1);
    reads(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        (200, "x"),
        3,
    );
    reads(
        "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        (200, "x"),
        3,
    );
}

#[test]
fn what_follows_an_answer_unasked_ends_its_connection() {
    reads_cut(
        &[usize::MAX],
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxMORE",
        (200, "x"),
        3,
    );
    reads_cut(
        &[usize::MAX],
        "HTTP/1.1 204 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny",
        (204, ""),
        3,
    );
}

#[test]
fn a_body_ends_with_its_connection_when_nothing_else_says_so() {
    on_worker(async {
        let (upstream, accepted) = fake(|_, mut stream| {
            request(&mut stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nall ").unwrap();
            stream.write_all(b"of this").unwrap();
        });
        for _ in 0..2 {
            let all = (200, "all of this".to_owned());
            assert_eq!(ask(&upstream, "{}").await.unwrap(), all);
        }
        assert_eq!(accepted.load(SeqCst), 2);
    });
}

#[test]
fn the_request_arrives_as_it_was_made() {
    on_worker(async {
        let (tx, rx) = mpsc::sync_channel(4);
        let (upstream, _) = fake(move |_, mut stream| {
            loop {
                let text = request(&mut stream);
                if text.is_empty() {
                    return;
                }
                tx.send(text).unwrap();
                stream.write_all(b"HTTP/1.1 204 X\r\n\r\n").unwrap();
            }
        });
        ask(&upstream, "{\"a\":1}").await.unwrap();
        let head = "POST /mcp HTTP/1.1\r\nhost: fake\r\nx-mine: 1\r\ncontent-length: ";
        assert_eq!(rx.recv().unwrap(), format!("{head}7\r\n\r\n{{\"a\":1}}"));
        let long = "x".repeat(3 << 20);
        let answer = send(&upstream, post(long.clone())).await.unwrap();
        assert_eq!(answer.status, 204);
        assert_eq!(
            rx.recv().unwrap(),
            format!("{head}{}\r\n\r\n{long}", long.len())
        );
    });
}

#[test]
fn long_bodies_come_whole() {
    on_worker(async {
        let body: String = (0..300_000)
            .map(|i| char::from(b'a' + (i % 26) as u8))
            .collect();
        let text = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (upstream, accepted) = fake(move |_, mut stream| {
            while !request(&mut stream).is_empty() {
                stream.write_all(text.as_bytes()).unwrap();
            }
        });
        assert_eq!(ask(&upstream, "{}").await.unwrap().1, body);
        let mut answer = send(&upstream, post("{}")).await.unwrap();
        let mut pieces = Vec::new();
        while let Some(piece) = answer.body.piece().await.unwrap() {
            assert!(!piece.is_empty());
            pieces.extend_from_slice(&piece);
        }
        assert_eq!(pieces, body.as_bytes());
        assert_eq!(accepted.load(SeqCst), 1);
    });
}

#[test]
fn an_answer_before_the_request_is_written_counts() {
    on_worker(async {
        let (read, held) = mpsc::sync_channel::<()>(1);
        let held = Mutex::new(held);
        let (upstream, _) = fake(move |_, mut stream| {
            stream.read_exact(&mut [0; 100]).unwrap();
            stream
                .write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
                .unwrap();
            // Open, and nothing more is read, until the answer has been.
            let _over = held.lock().unwrap().recv();
        });
        let long = Bytes::from(vec![b'x'; 16 << 20]);
        let mut answer = send(&upstream, post(long)).await.unwrap();
        assert_eq!(answer.status, 413);
        assert_eq!(answer.body.piece().await.unwrap().unwrap(), "no");
        assert!(answer.body.is_complete());
        drop(read);
    });
}

#[test]
fn a_request_is_written_on_while_its_answer_comes() {
    on_worker(async {
        let (upstream, _) = fake(|_, mut stream| {
            let mut some = [0; 100];
            stream.read_exact(&mut some).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                .unwrap();
            let mut left = vec![0; (16 << 20) - 100];
            stream.read_exact(&mut left).unwrap();
            stream.write_all(b"4\r\nread\r\n0\r\n\r\n").unwrap();
        });
        let mut answer = send(&upstream, post(vec![b'x'; 16 << 20])).await.unwrap();
        assert_eq!(answer.body.piece().await.unwrap().unwrap(), "read");
    });
}

#[test]
fn a_closed_connection_is_not_used_again() {
    on_worker(async {
        let (closed, waited) = mpsc::sync_channel(4);
        let (upstream, accepted) = fake(move |_, mut stream| {
            request(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
                .unwrap();
            drop(stream);
            closed.send(()).unwrap();
        });
        for connections in 1..4 {
            ask(&upstream, "{}").await.unwrap();
            assert_eq!(accepted.load(SeqCst), connections);
            waited.recv().unwrap();
            settle().await;
            if connections == 2 {
                upstream.sweep();
            }
        }
    });
}

#[test]
fn a_request_that_may_have_arrived_is_not_sent_again() {
    on_worker(async {
        let (upstream, accepted) = fake(|_, mut stream| {
            request(&mut stream);
            stream.write_all(b"HTTP/1.1 204 X\r\n\r\n").unwrap();
            request(&mut stream);
        });
        ask(&upstream, "{}").await.unwrap();
        let error = send(&upstream, post("{}")).await.err().unwrap();
        assert!(matches!(error, SendError::Broken(_)) && !error.is_unsent());
        assert_eq!(accepted.load(SeqCst), 1);
    });
}

#[test]
fn what_breaks_is_told() {
    on_worker(async {
        let (upstream, _) = fake(|number, mut stream| {
            if number == 0 {
                // Closed with bytes unread: a reset.
                return;
            }
            request(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                .unwrap();
        });
        let error = send(&upstream, post("{}")).await.err().unwrap();
        assert!(matches!(error, SendError::Broken(_)), "{error:?}");
        let mut answer = send(&upstream, post("{}")).await.unwrap();
        assert_eq!(answer.body.piece().await.unwrap().unwrap(), "half");
        let error = answer.body.piece().await.unwrap_err();
        assert!(
            matches!(error, AnswerError::Early | AnswerError::Broken(_)),
            "{error:?}"
        );
    });
}

#[test]
fn what_is_no_http_is_told() {
    on_worker(async {
        for text in [
            "SSH-2.0-OpenSSH_9\r\n\r\n",
            "{\"jsonrpc\":\"2.0\"}\n\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ] {
            let (upstream, _) = answering(text, usize::MAX);
            let error = send(&upstream, post("{}")).await.err().unwrap();
            assert!(matches!(error, SendError::NotHttp(_)), "{text}: {error:?}");
        }
        let (upstream, _) = fake(|_, mut stream| {
            // Ends when the client has had enough.
            while stream
                .write_all(b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyy")
                .is_ok()
            {}
        });
        let error = send(&upstream, post("{}")).await.err().unwrap();
        assert!(matches!(error, SendError::NotHttp(_)), "{error:?}");
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
        let (upstream, _) = answering(text, usize::MAX);
        let mut answer = send(&upstream, post("{}")).await.unwrap();
        let error = answer.body.piece().await.unwrap_err();
        assert!(matches!(error, AnswerError::NotHttp(_)), "{error:?}");
    });
}

#[test]
fn an_answer_given_up_closes_its_connection() {
    on_worker(async {
        let (tx, rx) = mpsc::sync_channel(4);
        let (upstream, _) = fake(move |_, mut stream| {
            request(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                .unwrap();
            tx.send(stream.read(&mut [0]).unwrap_or(0)).unwrap();
        });
        let answer = send(&upstream, post("{}")).await.unwrap();
        upstream.keep(answer.body);
        assert_eq!(rx.recv().unwrap(), 0);
    });
}

/// An upstream behind TLS that answers each request by its length, and a client that trusts it.
fn behind_tls() -> (Arc<Upstream>, Arc<AtomicUsize>) {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())
        .unwrap();
    let config = Arc::new(config);
    let (plain, accepted) = fake(move |_, stream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(session, stream);
        loop {
            let text = request(&mut stream);
            if text.is_empty() {
                return;
            }
            let length = text.len().to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                length.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(length.as_bytes()).unwrap();
            stream.flush().unwrap();
        }
    });
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certified.cert.pem().as_bytes()).unwrap();
    let address = Address {
        tls: Some(client_config(Some(file.path())).unwrap()),
        ..plain.address().clone()
    };
    (Arc::new(Upstream::new(address, 1)), accepted)
}

#[test]
fn the_same_holds_over_tls() {
    on_worker(async {
        let (upstream, accepted) = behind_tls();
        let (_, head) = ask(&upstream, "").await.unwrap();
        for length in [3, 5000, 4 << 20] {
            settle().await;
            let mut answer = send(&upstream, post(vec![b'x'; length])).await.unwrap();
            let mut text = Vec::new();
            while answer.body.append(&mut text).await.unwrap() > 0 {}
            upstream.keep(answer.body);
            let got: usize = String::from_utf8(text).unwrap().parse().unwrap();
            let digits = length.to_string().len() - 1;
            assert_eq!(got, head.parse::<usize>().unwrap() + length + digits);
        }
        assert_eq!(accepted.load(SeqCst), 1);
    });
}
