//! The runbooks, as pages: what alerts link to.

mod markdown;
mod pages;

use crate::endpoint::{Answer, Endpoint, Kind, Methods, Param};
use crate::reply::{self, ApiError};
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use http::header::{ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderMap};
use http::{HeaderValue, StatusCode, Uri};

/// A page is text and links, and nothing else is let in.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A language of the runbooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    English,
    Japanese,
}

const LANGUAGE: Param = Param::text("lang", "`en` or `ja`; without it what the browser prefers.");

pub(crate) fn endpoints() -> Vec<Endpoint> {
    let page = |path, summary, params, route| Endpoint {
        path,
        methods: Methods::Get,
        summary,
        params,
        answer: Answer::Other("text/html"),
        route,
    };
    vec![
        page(
            "/runbooks",
            "What to do about alerts: all runbooks.",
            &[LANGUAGE],
            get(all),
        ),
        page(
            "/runbooks/{alert}",
            "What to do about an alert.",
            const {
                &[
                    Param::of("alert", Kind::InPath, "The name of the alert."),
                    LANGUAGE,
                ]
            },
            get(one),
        ),
    ]
}

async fn all(uri: Uri, headers: HeaderMap) -> Response {
    let language = Language::of(&uri, &headers);
    let texts = pages::ALL.iter().map(|page| language.of_page(page));
    page(language, "Runbooks", &texts.collect::<Vec<_>>().join("\n"))
}

async fn one(
    Path(alert): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let language = Language::of(&uri, &headers);
    let found = pages::ALL.iter().find(|page| page.alert == alert);
    found
        .map(|found| page(language, &alert, language.of_page(found)))
        .ok_or_else(|| {
            let alert: String = alert.chars().take(100).collect();
            ApiError::new(
                StatusCode::NOT_FOUND,
                format!("there is no runbook for `{alert}`"),
            )
            .hint("/runbooks has all of them; a rule of your own may name a page of yours as `runbook_url`")
        })
}

impl Language {
    fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let mut asked = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let asked = asked.find(|(name, _)| name == "lang");
        let preferred = || {
            let header = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
            header.split([',', ';', '-']).next().map(str::trim)
        };
        match asked.as_ref().map(|(_, tag)| &**tag).or_else(preferred) {
            Some(tag) if tag.eq_ignore_ascii_case("ja") => Self::Japanese,
            _ => Self::English,
        }
    }

    fn of_page(self, page: &pages::Page) -> &'static str {
        match self {
            Self::English => page.english,
            Self::Japanese => page.japanese,
        }
    }

    fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Japanese => "ja",
        }
    }
}

fn page(language: Language, title: &str, text: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{} - Pilothouse</title>\n</head>\n\
         <body>\n<p><a href=\"/runbooks?lang=en\">English</a> <a href=\"/runbooks?lang=ja\">日本語</a></p>\n\
         {}</body>\n</html>\n",
        language.tag(),
        markdown::escaped(title),
        markdown::html(text),
    );
    let mut response = reply::typed(StatusCode::OK, "text/html; charset=utf-8", html);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_plan::{Plan, StandardAlert};

    #[test]
    fn every_alert_that_is_shipped_has_a_runbook_in_both_languages() {
        let standard = StandardAlert::ALL
            .iter()
            .map(|alert| alert.as_str().to_owned());
        let slos = ph_rules::slo::compile(&Plan::default());
        let burning = slos
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- alert: "))
            .map(|name| name.trim_matches(['\'', '"']).to_owned());
        let alerts: Vec<String> = standard.chain(burning).collect();
        assert!(
            alerts.iter().any(|name| name == "ErrorBudgetBurn"),
            "{alerts:?}"
        );
        for alert in &alerts {
            let page = pages::ALL.iter().find(|page| page.alert == alert);
            let page = page.unwrap_or_else(|| panic!("{alert} has no page"));
            for text in [page.english, page.japanese] {
                assert!(text.starts_with(&format!("# {alert}\n")), "{text}");
                let bold = text.matches("\n**").count();
                assert_eq!(bold, 4, "{alert}: meaning, who, how, what");
            }
        }
        for page in pages::ALL {
            let is_known = alerts.iter().any(|alert| alert == page.alert);
            assert!(is_known, "{} is no alert", page.alert);
        }
    }

    #[test]
    fn the_language_is_the_one_that_is_asked_for_or_preferred() {
        let of = |lang: Option<&str>, accept: Option<&'static str>| {
            let uri = format!("/runbooks?{}", lang.unwrap_or_default())
                .parse()
                .unwrap();
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(accept));
            }
            Language::of(&uri, &headers)
        };
        assert_eq!(of(None, None), Language::English);
        assert_eq!(
            of(None, Some("ja-JP,ja;q=0.9,en;q=0.8")),
            Language::Japanese
        );
        assert_eq!(of(None, Some("en,ja;q=0.8")), Language::English);
        assert_eq!(of(Some("lang=en"), Some("ja")), Language::English);
        assert_eq!(of(Some("lang=ja"), None), Language::Japanese);
    }
}
