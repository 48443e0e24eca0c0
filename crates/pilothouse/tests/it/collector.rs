//! A collector of spans that only keeps what tells them apart.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// OTLP's number of the kind SERVER.
const SERVER: u64 = 2;

/// It listens until the test process ends.
#[derive(Clone)]
pub(crate) struct Collector {
    address: SocketAddr,
    /// How often each SERVER span came, by its id as hex.
    spans: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Text attributes of SERVER spans, by span id.
    attributes: Arc<Mutex<BTreeMap<String, BTreeMap<String, String>>>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            spans: Arc::default(),
            attributes: Arc::default(),
        };
        let serving = this.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.converse(stream));
            }
        });
        this
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often each SERVER span came, by its id.
    pub(crate) fn server_spans(&self) -> BTreeMap<String, u64> {
        self.spans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The text attributes of a SERVER span, once it came.
    pub(crate) fn attributes(&self, span: &str) -> Option<BTreeMap<String, String>> {
        let all = self.attributes.lock();
        let all = all.unwrap_or_else(PoisonError::into_inner);
        all.get(span).cloned()
    }

    fn converse(&self, mut stream: TcpStream) -> Option<()> {
        let mut seen = Vec::new();
        let mut chunk = vec![0; 64 << 10];
        loop {
            while let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|l| {
                    l.strip_prefix("content-length:")?
                        .trim()
                        .parse::<usize>()
                        .ok()
                })?;
                let begin = end + 4;
                if seen.len() < begin + length {
                    break;
                }
                if head.starts_with("post /v1/traces ") {
                    self.take(&seen[begin..begin + length])
                        .expect("an export that is protobuf");
                }
                seen.drain(..begin + length);
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer.as_bytes()).ok()?;
            }
            match stream.read(&mut chunk).ok()? {
                0 => return None,
                n => seen.extend_from_slice(&chunk[..n]),
            }
        }
    }

    /// Resource spans, in them scope spans, in them spans: id, and the kind.
    fn take(&self, export: &[u8]) -> Option<()> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in fields(export)?.into_iter().filter_map(|f| f.bytes(1)) {
            for scope in fields(resource)?.into_iter().filter_map(|f| f.bytes(2)) {
                for span in fields(scope)?.into_iter().filter_map(|f| f.bytes(2)) {
                    let fields = fields(span)?;
                    let is_server = fields.iter().any(|f| matches!(f, Field::Number(6, SERVER)));
                    let id = fields.iter().find_map(|f| f.bytes(2))?;
                    if is_server {
                        let hex: String = id.iter().map(|b| format!("{b:02x}")).collect();
                        let texts = fields.iter().filter_map(|f| text(f.bytes(9)?)).collect();
                        let all = self.attributes.lock();
                        let mut all = all.unwrap_or_else(PoisonError::into_inner);
                        all.insert(hex.clone(), texts);
                        *spans.entry(hex).or_default() += 1;
                    }
                }
            }
        }
        Some(())
    }
}

/// A key and its value, where that is a text.
fn text(attribute: &[u8]) -> Option<(String, String)> {
    let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pair = fields(attribute)?;
    let key = pair.iter().find_map(|f| f.bytes(1))?;
    let value = fields(pair.iter().find_map(|f| f.bytes(2))?)?;
    Some((owned(key), owned(value.iter().find_map(|f| f.bytes(1))?)))
}

/// A field of a protobuf message.
enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
    Other,
}

impl<'a> Field<'a> {
    fn bytes(&self, wanted: u64) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(number, bytes) if *number == wanted => Some(bytes),
            _ => None,
        }
    }
}

fn fields(mut message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        found.push(match tag & 7 {
            0 => Field::Number(tag >> 3, varint(&mut message)?),
            1 => {
                message = message.get(8..)?;
                Field::Other
            }
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                Field::Bytes(tag >> 3, bytes)
            }
            5 => {
                message = message.get(4..)?;
                Field::Other
            }
            _ => return None,
        });
    }
    Some(found)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
