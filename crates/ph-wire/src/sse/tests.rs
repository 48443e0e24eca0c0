use super::*;
use proptest::prelude::*;

/// An item with its own bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Event {
        id: Option<String>,
        event: Option<String>,
        data: String,
        retry_ms: Option<u64>,
    },
    Comment(String),
    Oversize,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn parse(chunks: &[&[u8]], event_bytes_max: usize) -> Vec<Item> {
    let mut parser = SseParser::new(event_bytes_max);
    let mut items = Vec::new();
    for chunk in chunks {
        parser.push(chunk, &mut |item| {
            items.push(match item {
                SseItem::Event(event) => Item::Event {
                    id: event.id.map(text),
                    event: event.event.map(text),
                    data: text(event.data),
                    retry_ms: event.retry_ms,
                },
                SseItem::Comment(comment) => Item::Comment(text(comment)),
                SseItem::Oversize => Item::Oversize,
            });
        });
    }
    items
}

/// Whole, and byte by byte.
#[track_caller]
fn check(stream: &[u8], want: &[Item]) {
    assert_eq!(parse(&[stream], 64), want, "whole: {:?}", text(stream));
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(parse(&bytes, 64), want, "byte by byte: {:?}", text(stream));
}

fn data(data: &str) -> Item {
    Item::Event {
        id: None,
        event: None,
        data: data.into(),
        retry_ms: None,
    }
}

fn with_id(id: &str, data: &str) -> Item {
    Item::Event {
        id: Some(id.into()),
        event: None,
        data: data.into(),
        retry_ms: None,
    }
}

fn comment(text: &str) -> Item {
    Item::Comment(text.into())
}

#[test]
fn fields_are_read() {
    check(
        b"event: message\nid: 7\nretry: 1500\ndata: {}\n\n",
        &[Item::Event {
            id: Some("7".into()),
            event: Some("message".into()),
            data: "{}".into(),
            retry_ms: Some(1500),
        }],
    );
    check(b"data:x\n\n", &[data("x")]);
    check(b"data:  x\n\n", &[data(" x")]);
    check(b"data: a\ndata: b\ndata\n\n", &[data("a\nb\n")]);
    check(b"id: 1\ndata:\n\n", &[with_id("1", "")]);
    check(b"id: 1\n\n", &[with_id("1", "")]);
    check(b"id: a\0b\ndata: x\n\n", &[data("x")]);
    check(b"retry: soon\ndata: x\n\n", &[data("x")]);
    check(b"unknown: x\n\n", &[]);
    check(b"data: a:b\n\n", &[data("a:b")]);
}

#[test]
fn every_line_end_counts_once() {
    check(b"data: a\r\n\r\ndata: b\r\n\r\n", &[data("a"), data("b")]);
    check(b"data: a\r\rdata: b\n\n", &[data("a"), data("b")]);
    check(b"data: a\r\ndata: b\r\n\r\n", &[data("a\nb")]);
    check(b"\r\n\r\n\n\ndata: a\n\r\n", &[data("a")]);
}

#[test]
fn a_mark_at_the_start_is_skipped_and_half_a_mark_is_not() {
    check(b"\xEF\xBB\xBFdata: a\n\n", &[data("a")]);
    check(b"\xEF\xBBdata: a\n\ndata: b\n\n", &[data("b")]);
    check(b"\xEF", &[]);
    check(b"data: \xEF\xBB\xBFa\n\n", &[data("\u{feff}a")]);
}

#[test]
fn comments_are_items_of_their_own() {
    check(KEEP_ALIVE, &[comment("keepalive")]);
    check(
        b":\n:x\ndata: a\n:  y\n\n",
        &[comment(""), comment("x"), comment(" y"), data("a")],
    );
}

#[test]
fn comments_without_blank_lines_never_add_up_to_an_oversize_event() {
    let mut stream = b": quiet\n".repeat(100);
    stream.extend_from_slice(b"data: a\n\n");
    let items = parse(&[&stream], 64);
    assert_eq!((items.len(), items.last()), (101, Some(&data("a"))));
}

#[test]
fn an_unfinished_event_is_no_event() {
    check(b"data: a", &[]);
    check(b"data: a\n", &[]);
    let mut parser = SseParser::new(64);
    parser.push(b"data: a\n", &mut |_| {});
    assert!(parser.is_inside_event());
    parser.push(b"\n", &mut |_| {});
    assert!(!parser.is_inside_event());
}

#[test]
fn an_oversize_event_is_reported_once_and_the_next_one_is_read() {
    let long = "x".repeat(58);
    check(
        format!("data: {}\n\n", &long[1..]).as_bytes(),
        &[data(&long[1..])],
    );
    check(
        format!("data: {long}\n\ndata: b\n\n").as_bytes(),
        &[Item::Oversize, data("b")],
    );
    check(
        format!("data: {long}\ndata: {long}\r\n\r\ndata: b\n\n").as_bytes(),
        &[Item::Oversize, data("b")],
    );
    check("data: 1\n".repeat(9).as_bytes(), &[Item::Oversize]);
}

#[test]
fn an_endless_event_does_not_grow_the_parser() {
    let mut parser = SseParser::new(1024);
    let mut oversize = 0;
    for _ in 0..10_000 {
        parser.push(&[b'x'; 1000], &mut |item| {
            oversize += u32::from(item == SseItem::Oversize);
        });
        assert!(parser.carried.capacity() <= 4 * 1024);
    }
    assert_eq!(oversize, 1);
}

#[test]
fn a_whole_event_is_a_slice_of_its_chunk() {
    let chunk = b"id: 1\ndata: abc\n\n".to_vec();
    let mut parser = SseParser::new(1024);
    let mut seen = false;
    parser.push(&chunk, &mut |item| {
        let SseItem::Event(event) = item else {
            panic!("{item:?}")
        };
        assert!(chunk.as_ptr_range().contains(&event.data.as_ptr()));
        seen = true;
    });
    assert!(seen);
    assert_eq!(parser.carried.capacity(), 0);
}

#[test]
fn what_is_written_is_read() {
    let mut out = Vec::new();
    write_retry(&mut out, 3000);
    write_priming(&mut out, "s-0");
    write_event(&mut out, Some("s-1"), b"{}");
    write_event(&mut out, None, b"a\r\nb\rc\n");
    out.extend_from_slice(KEEP_ALIVE);
    let retry = Item::Event {
        id: None,
        event: None,
        data: String::new(),
        retry_ms: Some(3000),
    };
    assert_eq!(
        parse(&[&out], 1024),
        [
            retry,
            with_id("s-0", ""),
            with_id("s-1", "{}"),
            data("a\nb\nc\n"),
            comment("keepalive")
        ]
    );
}

/// The grammar by the shortest code that can be trusted: one string, whole lines, no bound.
fn model(stream: &str) -> Vec<Item> {
    let text = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    // What follows the last line end is an unfinished line.
    let lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let (mut items, mut event, mut lines_of_data) = (Vec::new(), None, Vec::new());
    for line in lines
        .split('\n')
        .take(if text.contains('\n') { usize::MAX } else { 0 })
    {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        let fields = |event: &mut Option<(_, _, _)>| event.take().unwrap_or((None, None, None));
        match name {
            "" if line.is_empty() => {
                if let Some((id, kind, retry_ms)) = event.take() {
                    let data = std::mem::take(&mut lines_of_data).join("\n");
                    items.push(Item::Event {
                        id,
                        event: kind,
                        data,
                        retry_ms,
                    });
                }
            }
            "" => items.push(Item::Comment(value)),
            "data" => {
                event = Some(fields(&mut event));
                lines_of_data.push(value);
            }
            "id" => {
                let (_, kind, retry) = fields(&mut event);
                event = Some((Some(value), kind, retry));
            }
            "event" => {
                let (id, _, retry) = fields(&mut event);
                event = Some((id, Some(value), retry));
            }
            "retry" => {
                if let Ok(retry) = value.parse() {
                    let (id, kind, _) = fields(&mut event);
                    event = Some((id, kind, Some(retry)));
                }
            }
            _ => {}
        }
    }
    items
}

/// Pieces that meet all branches of the grammar.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "data: a",
        "data",
        "data:",
        "id: 1",
        "event:e",
        "retry: 9",
        ":",
        ": c",
        "x",
        "\n",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        "\r\n\r\n",
        "\u{feff}",
        "dataaaaaaaaaaaaaaaaaaaaaa",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_items(
        stream in pieces(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        prop_assert_eq!(parse(&chunks, 24), parse(&[&stream], 24));
    }

    #[test]
    fn items_are_those_of_the_model(stream in pieces()) {
        prop_assert_eq!(parse(&[&stream], 4096), model(std::str::from_utf8(&stream).unwrap()));
    }

    #[test]
    fn any_data_survives_the_writer(body in "[a-z \r\n:]{0,40}", id in proptest::option::of("[a-z0-9]{1,8}")) {
        let mut out = Vec::new();
        write_event(&mut out, id.as_deref(), body.as_bytes());
        let joined = body.replace("\r\n", "\n").replace('\r', "\n");
        let want = Item::Event { id, event: None, data: joined, retry_ms: None };
        prop_assert_eq!(parse(&[&out], 4096), [want]);
    }

    #[test]
    fn garbage_is_tolerated(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..10)) {
        let mut parser = SseParser::new(16);
        for chunk in &chunks {
            parser.push(chunk, &mut |_| {});
        }
        prop_assert!(parser.carried.len() <= 32);
    }
}
