//! What is asked of a mirror: one GET after the other, bounded in bytes and time, never on another host.

mod part;

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use part::Part;
use ph_wire::tls::{TlsError, client_config};
use ph_wire::upstream::{Address, Answer, AnswerError, Outgoing, SendError, Upstream};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Time to connect, TLS included.
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// Redirects of one request, at most; each on the same host.
const REDIRECTS_MAX: u32 = 3;
/// How often a download is begun or gone on with.
const TRIES: u32 = 4;
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("pilothouse/", env!("CARGO_PKG_VERSION")));

/// Bounds on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Time in which nothing comes.
    pub quiet: Duration,
    /// Time of a whole request.
    pub total: Duration,
    /// Time between two tries.
    pub pause: Duration,
    /// Bytes of an archive.
    pub archive_bytes_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(60),
            total: Duration::from_secs(3_600),
            pause: Duration::from_secs(2),
            archive_bytes_max: 8 << 30,
        }
    }
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an address that advisories may come from.
    #[error("`{0}` is no `https` address, nor one of this machine")]
    Address(String),
    /// No TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Half an answer.
    #[error("the answer broke off")]
    Answer(#[from] AnswerError),
    /// Another status than 200.
    #[error("`{path}`: HTTP status {status}")]
    Status {
        /// What was asked for.
        path: String,
        /// The answer.
        status: StatusCode,
    },
    /// A redirect to somebody else.
    #[error(
        "`{path}` is redirected to `{to}`, and only redirects on the same host are followed; give the mirror's own address"
    )]
    Redirect {
        /// What was asked for.
        path: String,
        /// Where to.
        to: String,
    },
    /// Too much.
    #[error("`{path}` is longer than {max} bytes")]
    TooLong {
        /// What was asked for.
        path: String,
        /// The bound.
        max: u64,
    },
    /// Too slow.
    #[error("`{path}`: {what} within {limit:?}")]
    Timeout {
        /// What was asked for.
        path: String,
        /// What did not happen.
        what: &'static str,
        /// The bound.
        limit: Duration,
    },
    /// An answer that is packed, which was not asked for.
    #[error("`{path}` comes with `Content-Encoding: {encoding}`, which was not asked for")]
    Encoding {
        /// What was asked for.
        path: String,
        /// The encoding.
        encoding: String,
    },
    /// The piece that came is not the one that was asked for.
    #[error("`{0}`: the server sends another piece than the one that is missing")]
    Range(String),
    /// Other bytes than the server has.
    #[error(
        "`{path}`: the checksum of what came (crc32c {got:08x}) is not the one that the server gives ({want:08x})"
    )]
    Checksum {
        /// What was asked for.
        path: String,
        /// The server's.
        want: u32,
        /// Ours.
        got: u32,
    },
    /// The disk.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FetchError {
    /// The server has no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status, .. } if matches!(status.as_u16(), 403 | 404 | 410))
    }

    /// Whether trying again may help.
    fn is_passing(&self) -> bool {
        match self {
            Self::Send(_)
            | Self::Answer(_)
            | Self::Timeout { .. }
            | Self::Range(_)
            | Self::Checksum { .. } => true,
            Self::Status { status, .. } => status.is_server_error() || status.as_u16() == 429,
            _ => false,
        }
    }
}

/// One host.
pub(crate) struct Remote {
    upstream: Upstream,
    host: HeaderValue,
    /// Scheme and authority, to compare redirects with.
    origin: String,
    /// What all paths begin with; no `/` at the end.
    base: String,
    bounds: Bounds,
}

/// What came of asking for something that is known already.
pub(crate) enum Got<T> {
    /// It is as it was.
    Unchanged,
    /// Something else, with its entity tag.
    New(T, Option<String>),
}

impl Remote {
    /// - `url`: `https`, or `http` of this machine, without query.
    /// - `ca_file`: the authorities to trust instead of the system's.
    pub(crate) fn new(
        url: &str,
        ca_file: Option<&Path>,
        bounds: Bounds,
    ) -> Result<Self, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Address(shown(url)))?;
        if !is_trusted_way(&uri) {
            return Err(FetchError::Address(shown(url)));
        }
        let is_tls = uri.scheme_str() == Some("https");
        let tls = if is_tls {
            Some(client_config(ca_file)?)
        } else {
            None
        };
        let address = Address {
            host: bare_host(&uri).to_owned(),
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            tls,
        };
        let authority = uri.authority().map_or("", |a| a.as_str());
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        Ok(Self {
            upstream: Upstream::new(address, 1),
            host: HeaderValue::from_str(authority).map_err(|_| FetchError::Address(shown(url)))?,
            origin: format!("{}://{authority}", uri.scheme_str().unwrap_or_default()),
            base: path.trim_end_matches('/').to_owned(),
            bounds,
        })
    }

    /// The head of an answer with status 200, 206 or 304, redirects on the same host followed.
    async fn ask(&self, path: &str, headers: &HeaderMap) -> Result<Answer, FetchError> {
        let mut target = format!("{}{path}", self.base);
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.ask_once(&target, headers).await?;
            match answer.status {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => {
                    let encoding = answer.headers.get(CONTENT_ENCODING);
                    return match encoding
                        .filter(|e| !e.as_bytes().eq_ignore_ascii_case(b"identity"))
                    {
                        None => Ok(answer),
                        Some(encoding) => Err(FetchError::Encoding {
                            path: shown(&target),
                            encoding: shown(&String::from_utf8_lossy(encoding.as_bytes())),
                        }),
                    };
                }
                status if status.is_redirection() => {
                    target = self.redirected(&target, &answer.headers)?;
                }
                status => {
                    let path = shown(&target);
                    return Err(FetchError::Status { path, status });
                }
            }
        }
        let path = shown(&target);
        Err(FetchError::Status {
            path,
            status: StatusCode::LOOP_DETECTED,
        })
    }

    async fn ask_once(&self, target: &str, headers: &HeaderMap) -> Result<Answer, FetchError> {
        let uri: Uri = target
            .parse()
            .map_err(|_| FetchError::Address(shown(target)))?;
        let mut request = Outgoing::new(&Method::GET, &uri, &self.host);
        request.header(&USER_AGENT, &AGENT);
        for (name, value) in headers {
            request.header(name, value);
        }
        let limit = self.bounds.quiet;
        // Boxed: a TLS handshake would make the future large.
        let sent = Box::pin(
            self.upstream
                .send(request.with_body(Bytes::new()), CONNECT_MAX.min(limit)),
        );
        match timeout(limit, sent).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(self.too_slow(target, "no answer")),
        }
    }

    /// The path that a redirect leads to, if it stays here.
    fn redirected(&self, from: &str, headers: &HeaderMap) -> Result<String, FetchError> {
        let to = headers
            .get(LOCATION)
            .map(|to| String::from_utf8_lossy(to.as_bytes()));
        let to = to.unwrap_or_default();
        let path = match to.strip_prefix(&self.origin) {
            Some(path) => path,
            None => &to,
        };
        if path.starts_with('/') && !path.starts_with("//") {
            return Ok(path.to_owned());
        }
        Err(FetchError::Redirect {
            path: shown(from),
            to: shown(&to),
        })
    }

    fn too_slow(&self, path: &str, what: &'static str) -> FetchError {
        FetchError::Timeout {
            path: shown(path),
            what,
            limit: self.bounds.quiet,
        }
    }

    /// Reads a short answer, trying again when that may help.
    ///
    /// - `known`: the entity tag of what is here.
    pub(crate) async fn short(
        &self,
        path: &str,
        known: Option<&str>,
        max: u64,
    ) -> Result<Got<Vec<u8>>, FetchError> {
        let mut tries = 1;
        loop {
            match self.short_once(path, known, max).await {
                Err(error) if error.is_passing() && tries < TRIES => {
                    tries += 1;
                    sleep(self.bounds.pause).await;
                }
                done => return done,
            }
        }
    }

    async fn short_once(
        &self,
        path: &str,
        known: Option<&str>,
        max: u64,
    ) -> Result<Got<Vec<u8>>, FetchError> {
        let mut text = Vec::new();
        let mut take = |piece: &[u8]| {
            text.extend_from_slice(piece);
            text.len() as u64 <= max
        };
        match self.each_piece(path, known, &mut take).await? {
            Got::Unchanged => Ok(Got::Unchanged),
            Got::New(true, tag) => Ok(Got::New(text, tag)),
            Got::New(false, _) => Err(FetchError::TooLong {
                path: shown(path),
                max,
            }),
        }
    }

    /// Reads an answer piece by piece until `take` has enough (`false`); says whether it was read to its end.
    pub(crate) async fn each_piece(
        &self,
        path: &str,
        known: Option<&str>,
        take: &mut (dyn FnMut(&[u8]) -> bool + Send),
    ) -> Result<Got<bool>, FetchError> {
        let headers = known.and_then(tag_header).map(|tag| (IF_NONE_MATCH, tag));
        let deadline = Instant::now() + self.bounds.total;
        let mut answer = self.ask(path, &headers.into_iter().collect()).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(Got::Unchanged);
        }
        let tag = tag_of(&answer.headers);
        while let Some(piece) = self.piece(path, &mut answer, deadline).await? {
            if !take(&piece) {
                return Ok(Got::New(false, tag));
            }
        }
        Ok(Got::New(true, tag))
    }

    async fn piece(
        &self,
        path: &str,
        answer: &mut Answer,
        deadline: Instant,
    ) -> Result<Option<Bytes>, FetchError> {
        let limit = deadline.min(Instant::now() + self.bounds.quiet);
        match timeout_at(limit, answer.body.piece()).await {
            Ok(piece) => Ok(piece?),
            Err(_) => Err(self.too_slow(path, "nothing more came")),
        }
    }

    /// Downloads to a file, going on where an earlier try was broken off, also one of an earlier process.
    ///
    /// - `file`: where to; beside it is kept what an unfinished one is of.
    /// - `known`: the entity tag of what is here.
    pub(crate) async fn download(
        &self,
        path: &str,
        file: &Path,
        known: Option<&str>,
    ) -> Result<Got<()>, FetchError> {
        let mut tries = 1;
        loop {
            let part = Part::open(file, &format!("{}{}{path}", self.origin, self.base))?;
            match self.download_once(path, part, known).await {
                Err(error) if error.is_passing() && tries < TRIES => {
                    tries += 1;
                    sleep(self.bounds.pause).await;
                }
                done => return done,
            }
        }
    }

    async fn download_once(
        &self,
        path: &str,
        mut part: Part,
        known: Option<&str>,
    ) -> Result<Got<()>, FetchError> {
        let mut headers = HeaderMap::new();
        let have = part.len;
        match part
            .tag
            .as_deref()
            .filter(|_| have > 0)
            .and_then(tag_header)
        {
            Some(tag) => {
                let range = HeaderValue::from_str(&format!("bytes={have}-"));
                headers.extend(range.ok().map(|range| (RANGE, range)));
                headers.insert(IF_RANGE, tag);
            }
            None => headers.extend(known.and_then(tag_header).map(|tag| (IF_NONE_MATCH, tag))),
        }
        let deadline = Instant::now() + self.bounds.total;
        let asked = self.ask(path, &headers).await;
        let mut answer = match asked {
            Err(FetchError::Status { status, .. })
                if status == StatusCode::RANGE_NOT_SATISFIABLE =>
            {
                part.begin(None)?;
                return Err(FetchError::Range(shown(path)));
            }
            answer => answer?,
        };
        let tag = tag_of(&answer.headers);
        match answer.status {
            StatusCode::NOT_MODIFIED => return Ok(Got::Unchanged),
            StatusCode::PARTIAL_CONTENT if starts_at(&answer.headers, have) => {}
            StatusCode::PARTIAL_CONTENT => {
                part.begin(None)?;
                return Err(FetchError::Range(shown(path)));
            }
            _ => part.begin(tag.as_deref())?,
        }
        let max = self.bounds.archive_bytes_max;
        while let Some(piece) = self.piece(path, &mut answer, deadline).await? {
            part.append(&piece)?;
            if part.len > max {
                part.begin(None)?;
                let path = shown(path);
                return Err(FetchError::TooLong { path, max });
            }
        }
        part.check(path, &answer.headers)?;
        Ok(Got::New((), tag))
    }
}

fn starts_at(headers: &HeaderMap, at: u64) -> bool {
    let range = headers
        .get(CONTENT_RANGE)
        .and_then(|range| range.to_str().ok());
    let from = range.and_then(|range| {
        range
            .strip_prefix("bytes ")?
            .split('-')
            .next()?
            .parse()
            .ok()
    });
    from == Some(at)
}

fn tag_of(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG)?.to_str().ok()?;
    (tag.len() <= 256 && tag.is_ascii()).then(|| tag.to_owned())
}

fn tag_header(tag: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(tag).ok()
}

pub(crate) use part::remove_download;

/// `https`, or this machine.
fn is_trusted_way(uri: &Uri) -> bool {
    let host = bare_host(uri);
    let has_credentials = uri.authority().is_none_or(|a| a.as_str().contains('@'));
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let is_fit = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_here,
        _ => false,
    };
    is_fit && !host.is_empty() && !has_credentials
}

fn bare_host(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']')
}

/// What others say, cut.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn io_error(path: &Path, source: io::Error) -> FetchError {
    let path = path.to_owned();
    FetchError::Io { path, source }
}
