use super::*;
use proptest::prelude::*;

/// Head, body, whether the answer is complete, and how much of the text it took.
type Seen = (Head, Vec<u8>, bool, usize);

fn read(method: &Method, text: &[u8], cut: usize) -> Result<Option<(Seen, AnswerReader)>, Fault> {
    let mut reader = AnswerReader::new(method);
    let (mut head, mut body, mut used) = (None, Vec::new(), 0);
    for mut part in text.chunks(cut) {
        if head.is_none() {
            match reader.head(part)? {
                None => {
                    used += part.len();
                    continue;
                }
                Some((found, taken)) => {
                    head = Some(found);
                    used += taken;
                    part = &part[taken..];
                }
            }
        }
        used += reader.body(part, &mut body)?;
    }
    Ok(head.map(|h| ((h, body, reader.is_done(), used), reader)))
}

#[track_caller]
fn answer(text: &str) -> (Seen, AnswerReader) {
    read(&Method::POST, text.as_bytes(), usize::MAX)
        .unwrap()
        .unwrap()
}

#[track_caller]
fn refused(text: &str) {
    for cut in [1, 7, usize::MAX] {
        let seen = read(&Method::POST, text.as_bytes(), cut);
        assert!(seen.is_err(), "input {text:?} gave {seen:?}");
    }
}

#[test]
fn an_answer_with_a_length() {
    let text = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\nX: 1\r\nX: 2\r\n\r\nhelloREST";
    let ((head, body, done, used), reader) = answer(text);
    assert_eq!((head.status.as_u16(), head.length), (200, Some(5)));
    assert_eq!(head.headers.len(), 3, "the length is not among them");
    assert_eq!(head.headers.get_all("x").iter().count(), 2);
    assert_eq!(
        (&body[..], done, used),
        (&b"hello"[..], true, text.len() - 4)
    );
    assert_eq!(reader.keep_for(), Some(Duration::from_secs(4)));
}

#[test]
fn interim_answers_are_passed_over() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 202 A\r\nContent-Length: 0\r\n\r\n";
    let ((head, body, done, used), _) = answer(text);
    assert_eq!((head.status.as_u16(), head.headers.len()), (202, 0));
    assert!(body.is_empty() && done && used == text.len());
    refused(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(usize::from(INTERIMS_MAX) + 1));
    refused("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
}

#[test]
fn answers_without_a_body() {
    for status in ["204 No Content", "304 Not Modified"] {
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: 7\r\n\r\nREST");
        let ((_, body, done, used), reader) = answer(&text);
        assert!(body.is_empty() && done && used == text.len() - 4);
        assert!(reader.keep_for().is_some());
    }
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
    let ((head, _, done, _), _) = read(&Method::HEAD, text, usize::MAX).unwrap().unwrap();
    assert!(done && head.length == Some(7));
}

#[test]
fn a_body_that_ends_with_the_connection() {
    let ((head, body, done, _), mut reader) = answer("HTTP/1.1 200 OK\r\n\r\nall of this");
    assert_eq!(
        (head.length, &body[..], done),
        (None, &b"all of this"[..], false)
    );
    assert!(reader.ends_by_close() && reader.keep_for().is_none());
    let (_, mut cut) = answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    assert!(
        !cut.ends_by_close(),
        "a length that is not reached is a cut"
    );
    let (_, mut cut) = answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    assert!(!cut.ends_by_close(), "chunks without a last one are a cut");
}

#[test]
fn chunks_with_trailers() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: Sum\r\n\r\n4;x\r\nhell\r\n1\r\no\r\n0\r\nSum: 1\r\n\r\n";
    let ((head, body, done, used), reader) = answer(text);
    assert_eq!((head.headers.len(), head.length), (0, None));
    assert_eq!((&body[..], done, used), (&b"hello"[..], true, text.len()));
    assert!(reader.keep_for().is_some());
}

#[track_caller]
fn kept(head: &str, want_seconds: Option<u64>) {
    let (_, reader) = answer(&format!("{head}\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(
        reader.keep_for().map(|d| d.as_secs()),
        want_seconds,
        "{head}"
    );
}

#[test]
fn connections_are_kept_shorter_than_the_upstream_does() {
    kept("HTTP/1.1 200 OK", Some(4));
    kept("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=100", Some(4));
    kept("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1", None);
    kept("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=9999", Some(60));
    kept("HTTP/1.1 200 OK\r\nKeep-Alive: max=3", Some(4));
    kept("HTTP/1.1 200 OK\r\nConnection: x, CLOSE", None);
    kept("HTTP/1.0 200 OK", None);
    kept("HTTP/1.0 200 OK\r\nConnection: keep-alive", Some(4));
}

#[test]
fn what_connection_names_is_dropped() {
    let ((head, ..), _) = answer(
        "HTTP/1.1 200 OK\r\nX-Mine: 1\r\nConnection: x-mine\r\nY: 1\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(head.headers.keys().collect::<Vec<_>>(), ["y"]);
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Content-Length:",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "X: 1\r\n folded",
        "X",
        "X: a\u{0}b",
    ] {
        refused(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nhello"));
    }
    refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello");
}

#[test]
fn what_is_no_answer_is_refused() {
    for text in [
        "\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "{\"jsonrpc\":\n\n",
    ] {
        refused(text);
    }
}

#[test]
fn heads_are_bounded() {
    let line = format!("X: {}\r\n", "y".repeat(1000));
    refused(&format!("HTTP/1.1 200 OK\r\n{}", line.repeat(80)));
    refused(&format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "X: 1\r\n".repeat(HEADERS_MAX + 1)
    ));
    answer(&format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "X: 1\r\n".repeat(HEADERS_MAX)
    ));
}

proptest! {
    /// How the bytes are cut never shows.
    #[test]
    fn any_cut_gives_the_same_answer(
        text in "(HTTP/1.1 100 C\r\n\r\n)?HTTP/1.1 20[04] OK\r?\n(Content-Length: [0-9]\r\n|Transfer-Encoding: chunked\r\n|X: y\r?\n){0,3}\r?\n([0-3]\r\n[a-z]{0,4}(\r\n)?){0,4}",
        cut in 1_usize..30,
    ) {
        let whole = read(&Method::POST, text.as_bytes(), usize::MAX);
        let cut = read(&Method::POST, text.as_bytes(), cut);
        let of = |seen: Result<Option<(Seen, AnswerReader)>, Fault>| seen.map(|s| s.map(|(seen, _)| seen));
        prop_assert_eq!(of(whole), of(cut));
    }

    #[test]
    fn never_panics(text in prop::collection::vec(any::<u8>(), 0..300), cut in 1_usize..9) {
        let _ = read(&Method::POST, &text, cut);
        let text = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &text[..]].concat();
        let _ = read(&Method::POST, &text, cut);
    }
}
