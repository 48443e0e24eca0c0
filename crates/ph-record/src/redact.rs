//! Takes secrets out of texts: by their form, by the word before them, because Pilothouse was given
//! them, or because a pattern of the operator finds them.
//!
//! The one place that knows what a secret looks like. Each is replaced by a mark that names its kind
//! (`[redacted:github_token]`) and counted. Linear in the text; a text without a secret is not copied.

mod card;
mod forms;
mod given;
mod kind;
mod pem;
mod scan;
mod words;

pub use kind::SecretKind;
pub use pem::KeyLines;

use crate::catalogue::{self, Metric};
use crate::{Reading, SampleSource};
use arc_swap::ArcSwap;
use given::Given;
use regex::Regex;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

/// What is redacted, besides what always is.
#[derive(Clone, Debug)]
pub struct RedactSettings {
    /// Parts of keys whose values are left out whole, whatever the case.
    pub keys: Vec<String>,
    /// Whether texts are searched for secrets by form.
    pub values: bool,
    /// Kinds that stay in texts.
    pub disabled: Vec<SecretKind>,
    /// Patterns of the operator by name; at most [`PATTERNS_MAX`] are used. The name stands in the mark.
    pub patterns: Vec<(String, Regex)>,
    /// Secrets that Pilothouse was given, to be found as they are. Short ones are left out: see
    /// [`GIVEN_BYTES_MIN`].
    pub given: Vec<String>,
}

/// Most patterns of an operator.
pub const PATTERNS_MAX: usize = 32;
/// A given secret that is shorter would be found everywhere.
pub const GIVEN_BYTES_MIN: usize = 6;

/// Names of values that are secret, as parts of a key in lower case.
pub const KEYS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "authorization",
    "cookie",
    "credential",
    "session_id",
];

impl Default for RedactSettings {
    /// Everything by form, and [`KEYS`].
    fn default() -> Self {
        Self {
            keys: KEYS.iter().map(|&key| key.to_owned()).collect(),
            values: true,
            disabled: Vec::new(),
            patterns: Vec::new(),
            given: Vec::new(),
        }
    }
}

/// Redacts by settings that a reload may change, and counts what it finds. Cheap to clone; all clones
/// are one.
#[derive(Clone, Debug)]
pub struct Redactor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rules: ArcSwap<Rules>,
    counts: [AtomicU64; SecretKind::COUNT],
}

#[derive(Debug)]
struct Rules {
    keys: Vec<String>,
    values: bool,
    disabled: [bool; SecretKind::COUNT],
    patterns: Vec<(String, Regex)>,
    given: Given,
}

/// A place in a text that is to be replaced.
#[derive(Clone, Debug)]
struct Span {
    from: usize,
    to: usize,
    kind: SecretKind,
    /// Which of the operator's patterns.
    name: Option<usize>,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new(RedactSettings::default())
    }
}

impl Redactor {
    /// A redactor with these settings.
    #[must_use]
    pub fn new(settings: RedactSettings) -> Self {
        Self(Arc::new(Shared {
            rules: ArcSwap::from_pointee(Rules::new(settings)),
            counts: [const { AtomicU64::new(0) }; SecretKind::COUNT],
        }))
    }

    /// Works by these settings from now on; counts go on.
    pub fn apply(&self, settings: RedactSettings) {
        self.0.rules.store(Arc::new(Rules::new(settings)));
    }

    /// `text` with a mark in the place of every secret.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redact(text, false)
    }

    /// The same for a text that was cut at its end: what is left of a secret there goes too.
    #[must_use]
    pub fn cut<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redact(text, true)
    }

    /// The mark for the value of `key`, if the key announces a secret; counted.
    #[must_use]
    pub fn keyed(&self, key: &str) -> Option<&'static str> {
        let is_secret = self.0.rules.load().has_key(key);
        is_secret.then(|| {
            self.count(SecretKind::Key);
            SecretKind::Key.mark()
        })
    }

    /// The mark for a number, given as its digits, if it is that of a card; counted.
    #[must_use]
    pub fn number(&self, digits: &str) -> Option<&'static str> {
        let rules = self.0.rules.load();
        let kind = SecretKind::Card;
        let is_card = rules.values && !rules.disabled[kind as usize] && card::is_number(digits);
        is_card.then(|| {
            self.count(kind);
            kind.mark()
        })
    }

    fn redact<'a>(&self, text: &'a str, open: bool) -> Cow<'a, str> {
        // No secret is shorter than the shortest that is looked for.
        if text.len() < GIVEN_BYTES_MIN {
            return Cow::Borrowed(text);
        }
        let rules = self.0.rules.load();
        let spans = rules.find(text, open);
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for span in spans {
            out.push_str(&text[done..span.from]);
            match span.name.and_then(|nth| rules.patterns.get(nth)) {
                Some((name, _)) => out.extend(["[redacted:", name, "]"]),
                None => out.push_str(span.kind.mark()),
            }
            done = span.to;
            self.count(span.kind);
        }
        out.push_str(&text[done..]);
        Cow::Owned(out)
    }

    fn count(&self, kind: SecretKind) {
        self.0.counts[kind as usize].fetch_add(1, Relaxed);
    }
}

/// By the settings of [`RedactSettings::default`]: for texts that no redactor is at hand for.
static BY_FORM: LazyLock<Redactor> = LazyLock::new(Redactor::default);

/// `text` with a mark in the place of what looks like a secret; `None` when nothing does.
pub fn mask(text: &str) -> Option<String> {
    match BY_FORM.text(text) {
        Cow::Owned(masked) => Some(masked),
        Cow::Borrowed(_) => None,
    }
}

/// `text` with `*` in the place of every byte of what looks like a secret, so that every place in it stays where it
/// is. References (`${NAME}`, `file:PATH`) are none.
pub fn hidden(text: &str) -> Cow<'_, str> {
    let spans = BY_FORM.0.rules.load().find(text, false);
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for span in spans {
        let secret = &text[span.from..span.to];
        out.push_str(&text[done..span.from]);
        if secret.contains("${") || secret.starts_with("file:") {
            out.push_str(secret);
        } else {
            out.extend(secret.bytes().map(|b| if b == b'\n' { '\n' } else { '*' }));
        }
        done = span.to;
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

/// Most redactions of one text; what comes after is left out whole.
const SPANS_MAX: usize = 4096;

impl Rules {
    fn new(settings: RedactSettings) -> Self {
        let mut disabled = [false; SecretKind::COUNT];
        for kind in settings.disabled {
            disabled[kind as usize] = true;
        }
        let keys = settings.keys.iter().map(|key| key.to_lowercase());
        Self {
            keys: keys.filter(|key| !key.is_empty()).collect(),
            values: settings.values,
            disabled,
            patterns: settings.patterns.into_iter().take(PATTERNS_MAX).collect(),
            given: Given::new(&settings.given),
        }
    }

    fn has_key(&self, key: &str) -> bool {
        let key = key.to_lowercase();
        self.keys.iter().any(|part| key.contains(part))
    }

    /// What to replace, in order, without overlaps.
    fn find(&self, text: &str, open: bool) -> Vec<Span> {
        let mut spans = Vec::new();
        if self.values {
            scan::find(text, open, &mut spans);
            card::find(text.as_bytes(), &mut spans);
        }
        self.given.find(text, open, &mut spans);
        for (nth, (_, pattern)) in self.patterns.iter().enumerate() {
            spans.extend(pattern.find_iter(text).map(|found| Span {
                from: found.start(),
                to: found.end(),
                kind: SecretKind::Pattern,
                name: Some(nth),
            }));
        }
        if spans.is_empty() {
            return spans;
        }
        spans.retain(|span| span.from < span.to && !self.disabled[span.kind as usize]);
        let mut spans = merged(spans);
        if spans.len() > SPANS_MAX {
            spans.truncate(SPANS_MAX);
            if let Some(last) = spans.last_mut() {
                last.to = text.len();
            }
        }
        spans
    }
}

/// Overlapping places become one, of the more exact kind.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.from, span.to));
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.from < last.to => {
                last.to = last.to.max(span.to);
                if span.kind < last.kind {
                    (last.kind, last.name) = (span.kind, span.name);
                }
            }
            _ => out.push(span),
        }
    }
    out
}

impl SampleSource for Redactor {
    fn samples(&self, out: &mut dyn FnMut(&'static Metric, &[&str], Reading<'_>)) {
        for (kind, count) in SecretKind::ALL.iter().zip(&self.0.counts) {
            #[expect(clippy::cast_precision_loss, reason = "a sample is a double")]
            let count = Reading::Value(count.load(Relaxed) as f64);
            out(&catalogue::REDACTIONS, &[kind.as_label()], count);
        }
    }
}

#[cfg(test)]
mod tests;
