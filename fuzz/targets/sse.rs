//! Event streams: how the bytes were cut never shows in the items, the items are those that the grammar
//! asks for, and what the writer writes the parser reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_wire::sse::{SseItem, SseParser, write_event};

/// Small enough that inputs go beyond it.
const SMALL_BYTES_MAX: usize = 48;
const LARGE_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, PartialEq)]
enum Item {
    Event {
        id: Option<Vec<u8>>,
        event: Option<Vec<u8>>,
        data: Vec<u8>,
        retry_ms: Option<u64>,
    },
    Comment(Vec<u8>),
    Oversize,
}

fuzz_target!(|input: &[u8]| {
    let (whole, chunks) = ph_fuzz::cut(input);
    let items = parse(&chunks, LARGE_BYTES_MAX);
    assert_eq!(items, parse(&[whole], LARGE_BYTES_MAX));
    assert_eq!(items, by_the_grammar(whole));
    assert_eq!(
        parse(&chunks, SMALL_BYTES_MAX),
        parse(&[whole], SMALL_BYTES_MAX)
    );

    let mut written = Vec::new();
    write_event(&mut written, Some("7"), whole);
    let data = lines(whole).collect::<Vec<_>>().join(&b'\n');
    let wanted = Item::Event {
        id: Some(b"7".to_vec()),
        event: None,
        data,
        retry_ms: None,
    };
    assert_eq!(parse(&[&written], LARGE_BYTES_MAX), [wanted]);
});

fn parse(chunks: &[&[u8]], event_bytes_max: usize) -> Vec<Item> {
    let mut parser = SseParser::new(event_bytes_max);
    let mut items = Vec::new();
    for chunk in chunks {
        parser.push(chunk, &mut |item| {
            items.push(match item {
                SseItem::Event(event) => Item::Event {
                    id: event.id.map(<[u8]>::to_vec),
                    event: event.event.map(<[u8]>::to_vec),
                    data: event.data.to_vec(),
                    retry_ms: event.retry_ms,
                },
                SseItem::Comment(text) => Item::Comment(text.to_vec()),
                SseItem::Oversize => Item::Oversize,
            });
        });
    }
    items
}

/// The grammar in the shortest code that can be trusted, over the whole stream at once.
fn by_the_grammar(whole: &[u8]) -> Vec<Item> {
    let whole = whole.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(whole);
    let mut items = Vec::new();
    let (mut id, mut event, mut data, mut retry_ms) = (None, None, Vec::new(), None);
    let mut lines: Vec<&[u8]> = lines(whole).collect();
    // The last piece has no line end, so it is no line.
    lines.pop();
    for line in lines {
        if line.is_empty() {
            if id.is_some() || event.is_some() || !data.is_empty() || retry_ms.is_some() {
                items.push(Item::Event {
                    id: id.take(),
                    event: event.take(),
                    data: std::mem::take(&mut data).join(&b'\n'),
                    retry_ms: retry_ms.take(),
                });
            }
            continue;
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value).to_vec();
        match name {
            b"" => items.push(Item::Comment(value)),
            b"id" if !value.contains(&0) => id = Some(value),
            b"event" => event = Some(value),
            b"data" => data.push(value),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let number = String::from_utf8_lossy(&value).parse().ok();
                retry_ms = number.or(retry_ms);
            }
            _ => {}
        }
    }
    items
}

/// The pieces between `\n`, `\r` and `\r\n`.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            rest = None;
            return Some(bytes);
        };
        let width = if bytes[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = Some(&bytes[end + width..]);
        Some(&bytes[..end])
    })
}
