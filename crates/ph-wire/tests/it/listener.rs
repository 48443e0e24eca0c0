//! The listener against clients that mean no good: each is turned away in its time, and counted.

use crate::support::DEADLINE;
use http::{Request, Response};
use hyper::body::Incoming;
use ph_wire::body::{Body, Piece};
use ph_wire::listener::{self, Door, Limits, Place, Service, Stop, Trusted, TurnedAway};
use ph_wire::tls::{IdentityFiles, client_config};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Short enough for a test that waits for it, long enough for what has to happen before it.
const SHORT: Duration = Duration::from_millis(400);

/// `/endless` never ends, anything else is a word.
#[derive(Clone)]
struct Talks;

impl Service for Talks {
    type Body = Body;

    async fn answer(&self, request: Request<Incoming>, _peer: SocketAddr) -> Response<Body> {
        if request.uri().path() != "/endless" {
            return Response::new(Body::from("hello".to_owned()));
        }
        let (pieces, body) = Body::pieces(None);
        tokio::spawn(async move {
            let piece = bytes::Bytes::from(vec![b'x'; 64 << 10]);
            while pieces.send(Piece::Data(piece.clone())).await.is_ok() {}
        });
        Response::new(body)
    }
}

struct Listening {
    address: SocketAddr,
    door: Arc<Door>,
    stop: Stop,
    _runtime: Runtime,
}

fn limits() -> Limits {
    Limits {
        head_bytes_max: 8192,
        headers_max: 20,
        head_timeout: SHORT,
        write_timeout: SHORT,
        streams_max: 16,
        connections_max: 100,
        per_peer_max: 50,
        trusted: Trusted::nobody(),
    }
}

impl Listening {
    fn with(limits: Limits) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let door = Door::new(limits);
        let stop = Stop {
            accept: CancellationToken::new(),
            abort: CancellationToken::new(),
            connections: TaskTracker::new(),
        };
        let listener = runtime
            .block_on(listener::bind("127.0.0.1:0".parse().unwrap()))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (at, ends) = (Arc::clone(&door), stop.clone());
        runtime.spawn(listener::serve(listener, Place::Here, Talks, at, ends));
        Self {
            address,
            door,
            stop,
            _runtime: runtime,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Sends `bytes` on a connection of their own, and reads until that ends.
    fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        read_all(&mut stream)
    }

    #[track_caller]
    fn is_counted(&self, why: TurnedAway, count: u64) {
        let give_up = Instant::now() + DEADLINE;
        while self.door.turned_away(why) < count && Instant::now() < give_up {
            std::thread::yield_now();
        }
        for reason in TurnedAway::ALL {
            let want = if reason == why { count } else { 0 };
            assert_eq!(self.door.turned_away(reason), want, "{reason:?}");
        }
    }

    /// It still answers those that ask as they should.
    #[track_caller]
    fn is_well(&self) {
        let answer = self.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"),
            "{answer}"
        );
    }
}

/// What comes until the other end closes, cleanly or not.
fn read_all(stream: &mut impl Read) -> Vec<u8> {
    let (mut all, mut some) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut some) {
            Ok(0) => return all,
            Ok(n) => all.extend_from_slice(&some[..n]),
            Err(error) => {
                assert!(
                    !matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ),
                    "the connection stays open"
                );
                return all;
            }
        }
    }
}

#[test]
fn whoever_says_nothing_or_too_little_is_closed() {
    for said in [
        &b""[..],
        b"PRI * HT",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Half:",
    ] {
        let listening = Listening::with(limits());
        assert_eq!(listening.exchange(said), b"", "{said:?}");
        listening.is_counted(TurnedAway::SlowHead, 1);
        listening.is_well();
    }
}

#[test]
fn a_kept_connection_is_closed_when_no_more_comes() {
    let listening = Listening::with(limits());
    let answer = listening.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.ends_with(b"hello"));
    listening.is_counted(TurnedAway::Idle, 1);
}

#[test]
fn an_address_has_so_many_connections() {
    let listening = Listening::with(Limits {
        per_peer_max: 2,
        head_timeout: DEADLINE,
        ..limits()
    });
    let held = [listening.connect(), listening.connect()];
    assert_eq!(read_all(&mut listening.connect()), b"");
    listening.is_counted(TurnedAway::Crowd, 1);
    drop(held);
    // Their places are free as soon as their ends were seen.
    let give_up = Instant::now() + DEADLINE;
    let asks = || {
        let mut stream = listening.connect();
        let sent = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        sent.is_ok() && read_all(&mut stream).ends_with(b"hello")
    };
    while !asks() {
        assert!(Instant::now() < give_up, "no place is free");
    }
}

#[test]
fn a_proxy_has_as_many_as_there_are() {
    let listening = Listening::with(Limits {
        per_peer_max: 1,
        head_timeout: DEADLINE,
        trusted: Trusted(Arc::new(|address| address.is_loopback())),
        ..limits()
    });
    let _held = [listening.connect(), listening.connect()];
    listening.is_well();
}

#[test]
fn whoever_does_not_read_is_closed() {
    let listening = Listening::with(limits());
    let mut stream = listening.connect();
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    listening.is_counted(TurnedAway::SlowReader, 1);
    listening.is_well();
}

#[test]
fn a_head_is_bounded_in_bytes_and_in_headers() {
    let listening = Listening::with(limits());
    let many = "X-A: b\r\n".repeat(21);
    let answer = listening.exchange(format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 431"), "{answer:?}");
    let long = "x".repeat(20_000);
    let answer = listening.exchange(format!("GET / HTTP/1.1\r\nX-A: {long}\r\n\r\n").as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 431"), "{answer:?}");
    listening.is_counted(TurnedAway::LongHead, 2);
    listening.is_well();
}

#[test]
fn what_is_no_http_is_refused() {
    let listening = Listening::with(limits());
    let answer = listening.exchange(b"\x16\x03\x01 this is no HTTP\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    listening.is_counted(TurnedAway::BadHead, 1);
}

mod h2 {
    //! Frames of HTTP/2, made by hand: no client would send them so.

    pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const GOAWAY: u8 = 7;
    /// The headers are complete, and there is no body.
    pub(super) const WHOLE: u8 = 0x5;
    /// `GET http://localhost/`, in HPACK.
    pub(super) const GET: &[u8] = b"\x82\x86\x84\x41\x09localhost";

    pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// The kinds and payloads of the frames in `bytes`.
    pub(super) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut frames = Vec::new();
        while let Some((head, rest)) = bytes.split_at_checked(9) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some((payload, rest)) = rest.split_at_checked(length) else {
                break;
            };
            frames.push((head[3], payload.to_vec()));
            bytes = rest;
        }
        frames
    }
}

#[test]
fn streams_that_are_opened_and_reset_end_their_connection() {
    let listening = Listening::with(limits());
    let mut attack = [h2::PREFACE, &h2::frame(h2::SETTINGS, 0, 0, b"")].concat();
    for stream in (1..4000).step_by(2) {
        attack.extend(h2::frame(h2::HEADERS, h2::WHOLE, stream, h2::GET));
        attack.extend(h2::frame(h2::RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let mut stream = listening.connect();
    // It may be closed while this is written.
    let _written = stream.write_all(&attack);
    let frames = h2::frames(&read_all(&mut stream));
    if let Some((_, goaway)) = frames.iter().find(|(kind, _)| *kind == h2::GOAWAY) {
        // ENHANCE_YOUR_CALM
        assert_eq!(goaway[4..8], 11_u32.to_be_bytes());
    }
    listening.is_counted(TurnedAway::Protocol, 1);
    listening.is_well();
}

#[test]
fn answers_of_http_2_that_are_not_taken_end_their_connection() {
    let listening = Listening::with(limits());
    // SETTINGS_INITIAL_WINDOW_SIZE: 0
    let settings = h2::frame(h2::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let get = h2::frame(h2::HEADERS, h2::WHOLE, 1, h2::GET);
    let said = listening.exchange(&[h2::PREFACE, &settings, &get].concat());
    let kinds: Vec<_> = h2::frames(&said)
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert!(kinds.contains(&h2::HEADERS), "{kinds:?}");
    listening.is_counted(TurnedAway::SlowReader, 1);
}

#[test]
fn a_connection_of_http_2_that_asks_nothing_more_is_closed() {
    let listening = Listening::with(limits());
    let settings = h2::frame(h2::SETTINGS, 0, 0, b"");
    let get = h2::frame(h2::HEADERS, h2::WHOLE, 1, h2::GET);
    listening.exchange(&[h2::PREFACE, &settings, &get].concat());
    listening.is_counted(TurnedAway::Idle, 1);
}

#[test]
fn headers_of_http_2_are_counted_too() {
    let listening = Listening::with(limits());
    let settings = h2::frame(h2::SETTINGS, 0, 0, b"");
    let mut headers = h2::GET.to_vec();
    for _ in 0..30 {
        headers.extend(b"\x00\x03x-a\x01b");
    }
    let get = h2::frame(h2::HEADERS, h2::WHOLE, 1, &headers);
    let said = listening.exchange(&[h2::PREFACE, &settings, &get].concat());
    let frames = h2::frames(&said);
    let (_, head) = frames
        .iter()
        .find(|(kind, _)| *kind == h2::HEADERS)
        .unwrap();
    // `:status` with a literal value, perhaps in Huffman's code: 431 is none of those with a number of their own.
    assert!(!(0x88..=0x8e).contains(&head[0]), "{head:?}");
    assert_eq!(listening.door.turned_away(TurnedAway::LongHead), 1);
}

/// A certificate for localhost and its key, in files, and a client that trusts it.
fn certificate(dir: &tempfile::TempDir, name: &str) -> (IdentityFiles, Arc<rustls::ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cert = dir.path().join(format!("{name}.crt"));
    let key = dir.path().join(format!("{name}.key"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let trusting = client_config(Some(&cert)).unwrap();
    let files = IdentityFiles {
        cert,
        key,
        client_ca: None,
    };
    (files, trusting)
}

type Secured = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

fn secured(listening: &Listening, config: &Arc<rustls::ClientConfig>) -> Secured {
    let name = "localhost".try_into().unwrap();
    let session = rustls::ClientConnection::new(Arc::clone(config), name).unwrap();
    rustls::StreamOwned::new(session, listening.connect())
}

fn ask(stream: &mut Secured) -> std::io::Result<bool> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let (mut all, mut some) = (Vec::new(), [0; 1024]);
    while !all.ends_with(b"hello") {
        match stream.read(&mut some)? {
            0 => return Ok(false),
            n => all.extend_from_slice(&some[..n]),
        }
    }
    Ok(true)
}

#[test]
fn a_new_certificate_is_shown_to_those_that_come_and_ends_no_connection() {
    let dir = tempfile::tempdir().unwrap();
    let listening = Listening::with(Limits {
        head_timeout: DEADLINE,
        ..limits()
    });
    let (files, trusting) = certificate(&dir, "old");
    let (new_files, trusting_new) = certificate(&dir, "new");
    let show = |files: &IdentityFiles| {
        let identity = files.read().unwrap().identity().unwrap();
        listening.door.set_tls(Some(identity.config));
    };
    show(&files);
    let mut old = secured(&listening, &trusting);
    assert!(ask(&mut old).unwrap());
    assert_eq!(old.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    show(&new_files);
    assert!(ask(&mut secured(&listening, &trusting_new)).unwrap());
    assert!(ask(&mut secured(&listening, &trusting)).is_err());
    assert!(ask(&mut old).unwrap(), "a connection that is open goes on");
    listening.is_counted(TurnedAway::Handshake, 1);
}

#[test]
fn without_tls_and_without_a_certificate_of_its_own_a_client_is_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let listening = Listening::with(limits());
    let (files, trusting) = certificate(&dir, "server");
    let files = IdentityFiles {
        client_ca: Some(files.cert.clone()),
        ..files
    };
    let identity = files.read().unwrap().identity().unwrap();
    listening.door.set_tls(Some(identity.config));
    let said = listening.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    listening.is_counted(TurnedAway::Handshake, 1);
    assert!(ask(&mut secured(&listening, &trusting)).is_err());
    listening.is_counted(TurnedAway::Handshake, 2);
    // And one that never begins.
    listening.exchange(b"");
    listening.is_counted(TurnedAway::Handshake, 3);
}

#[test]
fn a_listener_that_stops_lets_what_it_began_end() {
    let listening = Listening::with(limits());
    let mut stream = listening.connect();
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut some = [0; 16];
    assert!(stream.read(&mut some).unwrap() > 0);
    listening.stop.accept.cancel();
    assert!(stream.read(&mut some).unwrap() > 0);
    listening.stop.abort.cancel();
    read_all(&mut stream);
}
