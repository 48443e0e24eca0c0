//! A mirror on loopback that can misbehave in each way that matters.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What is at a path.
#[derive(Clone, Default)]
pub(crate) struct Page {
    pub(crate) body: Vec<u8>,
    pub(crate) tag: Option<String>,
    pub(crate) fault: Fault,
}

#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// The first so many answers end after so many bytes.
    Cut { times: usize, after: usize },
    /// The first so many answers have this status.
    Status { times: usize, status: u16 },
    /// The checksum is of something else.
    WrongHash,
    /// A redirect to this place.
    Redirect(String),
    /// The head comes, and then nothing.
    Silence,
    /// More than anybody wants.
    Endless,
}

#[derive(Default)]
struct Shared {
    pages: BTreeMap<String, Page>,
    /// Method, path, and the conditions that were asked with.
    asked: Vec<String>,
}

/// The server, until the process ends.
pub(crate) struct Server {
    shared: Arc<Mutex<Shared>>,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback works");
        let url = format!("http://{}", listener.local_addr().expect("loopback works"));
        let shared = Arc::new(Mutex::new(Shared::default()));
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { shared, url }
    }

    /// Puts something at a path; its entity tag is made of its bytes.
    pub(crate) fn put(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.put_with(path, body, Fault::None);
    }

    pub(crate) fn put_with(&self, path: &str, body: impl Into<Vec<u8>>, fault: Fault) {
        let body = body.into();
        let tag = Some(format!("\"{:08x}\"", crc32c::crc32c(&body)));
        let page = Page { body, tag, fault };
        self.shared
            .lock()
            .expect("nobody panics")
            .pages
            .insert(path.to_owned(), page);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.shared
            .lock()
            .expect("nobody panics")
            .pages
            .remove(path);
    }

    /// What was asked for since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().expect("nobody panics").asked)
    }
}

fn serve(stream: TcpStream, shared: &Mutex<Shared>) {
    let mut lines = BufReader::new(stream.try_clone().expect("loopback works")).lines();
    let Some(Ok(first)) = lines.next() else {
        return;
    };
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers: BTreeMap<String, String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_lowercase(), value.to_owned()))
        })
        .collect();
    let page = {
        let mut shared = shared.lock().expect("nobody panics");
        let mut asked = path.clone();
        for name in ["if-none-match", "range"] {
            if let Some(value) = headers.get(name) {
                asked.push_str(&format!(" {name}={value}"));
            }
        }
        shared.asked.push(asked);
        let page = shared.pages.get_mut(&path);
        let answered = page.as_ref().map(|page| (**page).clone());
        if let Some(Page {
            fault: Fault::Cut { times, .. } | Fault::Status { times, .. },
            ..
        }) = page
        {
            *times = times.saturating_sub(1);
        }
        answered
    };
    let mut stream = stream;
    // The other side may have gone: that is what some tests are about.
    let _ = answer(&mut stream, page.as_ref(), &headers);
    let _ = stream.shutdown(Shutdown::Both);
}

fn answer(
    stream: &mut TcpStream,
    page: Option<&Page>,
    headers: &BTreeMap<String, String>,
) -> std::io::Result<()> {
    let Some(page) = page else {
        return stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
        );
    };
    let tag = page.tag.as_deref().unwrap_or_default();
    match &page.fault {
        Fault::Status { times, status } if *times > 0 => {
            let head =
                format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return stream.write_all(head.as_bytes());
        }
        Fault::Redirect(to) => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            return stream.write_all(head.as_bytes());
        }
        Fault::Silence => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")?;
            // Until the other side has had enough.
            let mut rest = String::new();
            BufReader::new(stream).read_line(&mut rest)?;
            return Ok(());
        }
        Fault::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[b'x'; 65_536])?;
            }
        }
        _ => {}
    }
    if headers
        .get("if-none-match")
        .is_some_and(|known| known == tag)
    {
        let head = format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\nConnection: close\r\n\r\n");
        return stream.write_all(head.as_bytes());
    }
    let hashed = if page.fault == Fault::WrongHash {
        crc32c::crc32c(b"another")
    } else {
        crc32c::crc32c(&page.body)
    };
    let hash = BASE64_STANDARD.encode(hashed.to_be_bytes());
    let from = headers.get("range").and_then(|range| {
        let fits = headers.get("if-range").is_some_and(|known| known == tag);
        let from: usize = range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()?;
        (fits && from < page.body.len()).then_some(from)
    });
    let (status, rest) = match from {
        Some(from) => ("206 Partial Content", &page.body[from..]),
        None => ("200 OK", &page.body[..]),
    };
    let mut head = format!(
        "HTTP/1.1 {status}\r\nETag: {tag}\r\nX-Goog-Hash: crc32c={hash}\r\nX-Goog-Hash: md5=AAAA\r\nContent-Length: {}\r\n",
        rest.len()
    );
    if let Some(from) = from {
        let len = page.body.len();
        head.push_str(&format!(
            "Content-Range: bytes {from}-{}/{len}\r\n",
            len - 1
        ));
    }
    head.push_str("Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let rest = match page.fault {
        Fault::Cut { times, after } if times > 0 => &rest[..after.min(rest.len())],
        _ => rest,
    };
    stream.write_all(rest)
}
