//! Redis, in which several processes remember what was taken of limits.

use std::fmt;
use std::time::Duration;

use ph_base::diagnostic::Problem;
use serde_json::{Value as Json, json};

use crate::checked::FilePath;
use crate::choices::OnFailure;
use crate::node::Node;
use crate::plan::{ms, secs};
use crate::reader::Reader;
use crate::section::section;
use crate::text::{Secret, Text};
use crate::value::{REFERENCE, Value, anchored};

section! {
    /// Redis, in which all Pilothouse processes with the same `prefix` remember what was taken of
    /// limits, so that they hold for all of them together.
    pub struct Redis {
        /// Its address, `redis://HOST:PORT/DATABASE`, or `rediss://` with TLS; needed.
        url: Option<RedisUrl> = None;
        /// Name of the user, with `password`; without it Redis's default user.
        username: Option<Text> = None;
        /// Password. May be `${NAME}` or `file:PATH`.
        password: Option<Secret> = None;
        /// PEM file of the certificate authorities trusted instead of the system's.
        ca_file: Option<FilePath> = None;
        /// What becomes of calls while Redis cannot be asked: `open` lets them pass as if there were
        /// no limits, `closed` refuses them with 503.
        on_failure: OnFailure = OnFailure::Open;
        /// The longest that a call waits for Redis.
        timeout: Duration = ms(25), in ms(1)..=secs(5);
        /// What all keys begin with.
        prefix: Text = Text::from("pilothouse");
    }
}

/// A block that says nothing of where Redis is, or half of who asks.
pub(crate) fn check_redis(redis: Option<&Redis>, root: &Node, reader: &mut Reader<'_>) {
    let (Some(redis), Some(block)) = (redis, root.entry("redis")) else {
        return;
    };
    if reader.has_error() {
        return;
    }
    let (at, fields): (_, &'static [&'static str]) = match redis {
        Redis { url: None, .. } => (&block.key_at, &["url"]),
        Redis {
            username: Some(_),
            password: None,
            ..
        } => (&block.key_at, &["password"]),
        _ => return,
    };
    reader.within(block, |reader| {
        reader.report(at, Problem::MissingField { fields });
    });
}

/// Where a Redis is: `redis://HOST[:PORT][/DATABASE]` or `rediss://…`. Shown as written.
#[derive(Clone, Debug)]
pub struct RedisUrl {
    host: String,
    port: u16,
    database: u32,
    is_tls: bool,
    written: Text,
}

const URL: &str = "an address such as `redis://127.0.0.1:6379/0`, or `rediss://…` with TLS";

impl RedisUrl {
    /// The port without a written one.
    const PORT: u16 = 6379;

    fn parse(written: &Text) -> Result<Self, &'static str> {
        let uri: http::Uri = written.as_str().parse().map_err(|_| URL)?;
        let authority = uri.authority().ok_or(URL)?;
        let is_tls = match uri.scheme_str() {
            Some("redis") => false,
            Some("rediss") => true,
            _ => return Err(URL),
        };
        if authority.as_str().contains('@') {
            return Err("an address without user and password; they have keys of their own");
        }
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let database = match uri.path().trim_start_matches('/') {
            "" => 0,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| URL)?
            }
            _ => return Err(URL),
        };
        let port = match authority.as_str().strip_prefix(authority.host()) {
            None | Some("") => Self::PORT,
            Some(_) => authority.port_u16().ok_or(URL)?,
        };
        if host.is_empty() || uri.query().is_some() {
            return Err(URL);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            database,
            is_tls,
            written: written.clone(),
        })
    }

    /// Its name or address, IPv6 without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number of the database.
    #[must_use]
    pub fn database(&self) -> u32 {
        self.database
    }

    /// Whether it is spoken to by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

/// Two addresses are equal when they mean the same, however they are written.
impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        let of = |url: &Self| (url.host.clone(), url.port, url.database, url.is_tls);
        of(self) == of(other)
    }
}

impl Eq for RedisUrl {}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl Value for RedisUrl {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, URL)?;
        match Self::parse(&resolved.text) {
            Ok(url) => Some(url),
            Err(expected) => {
                // It may hold a password.
                let got = match resolved.text.written().rsplit_once('@') {
                    Some((_, rest)) => format!("***@{rest}"),
                    None => resolved.text.written().to_owned(),
                };
                let expected = expected.to_owned();
                reader.report(resolved.at, Problem::BadValue { got, expected });
                None
            }
        }
    }

    fn schema(_limits: &()) -> Json {
        json!({"type": "string", "pattern": anchored(&format!("rediss?://.+|{REFERENCE}"))})
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let read = |text: &str| {
            let url = RedisUrl::parse(&text.into()).ok()?;
            Some((url.host.clone(), url.port, url.database, url.is_tls))
        };
        let want = |host: &str, port, database, tls| Some((host.to_owned(), port, database, tls));
        assert_eq!(read("redis://r:7/2"), want("r", 7, 2, false));
        assert_eq!(read("rediss://r.example"), want("r.example", 6379, 0, true));
        assert_eq!(read("redis://[::1]:1/"), want("::1", 1, 0, false));
        for bad in [
            "redis://",
            "r:6379",
            "http://r",
            "redis://u:p@r",
            "redis://r/x",
            "redis://r/1?a=b",
            "redis://r:99999",
            "redis://r:",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
