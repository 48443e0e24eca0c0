//! The web console: its files as they were built, and its pages.
//!
//! Files hold nothing of the operator, so whoever may reach the listener may have them; what they show they ask
//! of the API like everybody else, with a key where one is needed. A page's address is one word (`calls?query=…`),
//! so that the files beside it are found under any prefix that a proxy puts in front.

use crate::endpoint::{Answer, Endpoint, Kind, Methods, Param};
use crate::reply::{self, ApiError};
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use flate2::read::GzDecoder;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG,
    HeaderMap, HeaderName, IF_NONE_MATCH, REFERRER_POLICY, VARY,
};
use http::{HeaderValue, Method, StatusCode};
use std::io::Read as _;

/// The addresses of pages beside `/`, and what each is about.
const PAGES: &[(&str, &str)] = &[
    ("/server", "The console: one server."),
    ("/calls", "The console: calls, found by a query."),
    ("/trace", "The console: a trace."),
    ("/explore", "The console: PromQL."),
    ("/alerts", "The console: alerts and service levels."),
    ("/vulnerabilities", "The console: cases of vulnerabilities."),
    ("/cost", "The console: the bill, recommendations, replays."),
    (
        "/settings",
        "The console: configuration, sinks, own health, audit log.",
    ),
];

/// The files of the console, in the order of their names; empty when it was not built.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/console_files.rs"));

/// How many files of the console are in this binary; none when it was not built.
#[must_use]
pub fn console_files() -> usize {
    FILES.len()
}

/// One file.
struct File {
    /// `index.html`, `assets/NAME`.
    name: &'static str,
    /// Its `ETag`.
    tag: &'static str,
    gzip: &'static [u8],
}

/// The page of all pages.
const INDEX: &str = "index.html";
/// Nothing of another origin, nothing inline, no evaluation, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";
/// Names of files below `assets` have their content's hash.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

/// What a browser gets when the console was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Pilothouse</title>\
<main><h1>Pilothouse runs. Its console was not built into this binary.</h1>\
<p>With Node 20 or later, in the source tree:</p><pre>make console &amp;&amp; cargo build</pre>\
<p>Everything that the console shows can be asked for without it: \
<a href=\"api/pilothouse/openapi.json\">the API</a>, <a href=\"metrics\">metrics</a>, \
<a href=\"runbooks\">runbooks</a>, and <code>pilothouse logs</code>, <code>pilothouse slo</code>, \
<code>pilothouse trace</code> in a terminal.</p></main></html>\n";

/// The endpoints of this module; `/` is [`page`] too, for browsers.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let file = |path, summary, params, route| Endpoint {
        path,
        methods: Methods::Get,
        summary,
        params,
        answer: Answer::Other("text/html"),
        route,
    };
    let mut all = vec![
        file(
            "/assets/{name}",
            "A file of the console.",
            const { &[Param::of("name", Kind::InPath, "The file's name.")] },
            get(asset),
        ),
        file(
            "/favicon.svg",
            "The console's icon.",
            &[],
            get(async |headers: HeaderMap| found(FILES, "favicon.svg", &headers)),
        ),
    ];
    all.extend(
        PAGES
            .iter()
            .map(|(path, about)| file(path, about, &[], get(page))),
    );
    all
}

/// Whether what is asked for is the same for everybody, so that nobody has to say who he is.
pub(crate) fn is_open(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let is_page = || PAGES.iter().any(|(page, _)| *page == path);
    matches!(*method, Method::GET | Method::HEAD)
        && (path.starts_with("/assets/")
            || path == "/favicon.svg"
            || is_page()
            || (path == "/" && is_wanted(headers)))
}

/// Whether it is a browser that asks, which wants a page.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    has(headers, ACCEPT, "text/html")
}

/// A page: which one, the console finds in the address.
pub(crate) async fn page(headers: HeaderMap) -> Response {
    index(FILES, &headers)
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    found(FILES, &format!("assets/{name}"), &headers)
}

fn index(files: &[File], headers: &HeaderMap) -> Response {
    found(files, INDEX, headers).unwrap_or_else(|_| {
        let mut response = reply::typed(StatusCode::OK, "text/html; charset=utf-8", NOT_BUILT);
        protect(response.headers_mut(), ASK_AGAIN);
        response
    })
}

fn found(files: &[File], name: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let file = files.iter().find(|file| file.name == name).ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND, "the console has no such file")
            .hint("load the page anew: it may be of another version")
    })?;
    let is_known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| matches!(tag.trim().trim_start_matches("W/"), tag if tag == file.tag || tag == "*"));
    let kind = kind(name);
    let mut response = if is_known {
        reply::typed(StatusCode::NOT_MODIFIED, kind, "")
    } else if has(headers, ACCEPT_ENCODING, "gzip") {
        let mut response = reply::typed(StatusCode::OK, kind, file.gzip);
        let gzip = HeaderValue::from_static("gzip");
        response.headers_mut().insert(CONTENT_ENCODING, gzip);
        response
    } else {
        reply::typed(StatusCode::OK, kind, unpacked(file.gzip)?)
    };
    let keep = if name.starts_with("assets/") {
        FOR_EVER
    } else {
        ASK_AGAIN
    };
    let headers = response.headers_mut();
    protect(headers, keep);
    headers.insert(ETAG, HeaderValue::from_static(file.tag));
    Ok(response)
}

/// Our own file, so its size is no surprise.
fn unpacked(gzip: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    GzDecoder::new(gzip).read_to_end(&mut bytes).map_err(|_| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the file is damaged in this binary",
        )
    })?;
    Ok(bytes)
}

fn protect(headers: &mut HeaderMap, keep: &'static str) {
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (VARY, "Accept, Accept-Encoding"),
        (CACHE_CONTROL, keep),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Whether a list of a header names `word` and does not refuse it.
fn has(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let lists = headers.get_all(name);
    let mut entries = lists
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    entries.any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let is_it = parts.next().is_some_and(|it| it.eq_ignore_ascii_case(word));
        is_it && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "webmanifest" => "application/json",
        "woff2" => "font/woff2",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http_body_util::BodyExt as _;
    use std::io::Write as _;

    fn packed(text: &str) -> &'static [u8] {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap().leak()
    }

    fn files() -> Vec<File> {
        vec![
            File {
                name: "assets/index-a1.js",
                tag: "\"1\"",
                gzip: packed("let a = 1;"),
            },
            File {
                name: INDEX,
                tag: "\"2\"",
                gzip: packed("<!doctype html>"),
            },
        ]
    }

    fn asked(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    async fn body(response: Response) -> Vec<u8> {
        let body = response.into_body().collect().await;
        body.unwrap().to_bytes().to_vec()
    }

    #[tokio::test]
    async fn a_file_comes_packed_plain_or_not_at_all() {
        let files = files();
        let plain = found(&files, "assets/index-a1.js", &asked(&[])).unwrap();
        assert_eq!(plain.headers()[CACHE_CONTROL], FOR_EVER);
        assert_eq!(body(plain).await, b"let a = 1;");
        let zipped = asked(&[(ACCEPT_ENCODING, "br, gzip;q=0.8")]);
        let zipped = found(&files, "assets/index-a1.js", &zipped).unwrap();
        assert_eq!(zipped.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(body(zipped).await, files[0].gzip);
        let refused = asked(&[(ACCEPT_ENCODING, "gzip;q=0")]);
        let refused = found(&files, "assets/index-a1.js", &refused).unwrap();
        assert!(refused.headers().get(CONTENT_ENCODING).is_none());
        let known = asked(&[(IF_NONE_MATCH, "\"0\", W/\"1\"")]);
        let known = found(&files, "assets/index-a1.js", &known).unwrap();
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        assert!(body(known).await.is_empty());
        assert!(found(&files, "assets/../index.html", &asked(&[])).is_err());
    }

    #[tokio::test]
    async fn a_page_is_the_index_or_says_how_to_build_it() {
        let page = index(&files(), &asked(&[]));
        assert_eq!(page.headers()[CACHE_CONTROL], ASK_AGAIN);
        assert_eq!(page.headers()[CONTENT_SECURITY_POLICY], POLICY);
        assert_eq!(body(page).await, b"<!doctype html>");
        let page = index(&[], &asked(&[]));
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()[CONTENT_SECURITY_POLICY], POLICY);
        let text = String::from_utf8(body(page).await).unwrap();
        assert!(text.contains("make console"), "{text}");
    }

    #[test]
    fn only_what_is_the_same_for_everybody_is_open() {
        let browser = asked(&[(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")]);
        let check = |path: &str, headers: &HeaderMap, want: bool| {
            assert_eq!(is_open(&Method::GET, path, headers), want, "{path}");
        };
        check("/", &browser, true);
        check("/", &asked(&[]), false);
        check("/assets/index-a1.js", &asked(&[]), true);
        check("/api/pilothouse/servers", &browser, false);
        check("/metrics", &browser, false);
        assert!(!is_open(&Method::POST, "/", &browser));
    }
}
