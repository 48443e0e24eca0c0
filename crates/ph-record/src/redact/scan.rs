//! One pass over a text for the words that announce a secret, and a closer look where one stands.
//!
//! Most texts have no such word and cost the pass alone. Each closer look reads the token at hand,
//! so the whole is linear but for tokens within tokens, which the pass skips.

use super::forms::{FORMS, Of};
use super::kind::SecretKind;
use super::{Span, pem, words};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::sync::LazyLock;

/// What a word announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Announces {
    Form,
    Jwt,
    PrivateKey,
    PrivateKeyEnd,
    UserInfo,
    Scheme(SecretKind),
    Value(SecretKind),
    Cookie,
    QueryKey,
    AzureSecret,
    AzureWord,
}

/// Words besides the prefixes of [`FORMS`], in lower case.
const WORDS: &[(&str, Announces)] = &[
    ("eyj", Announces::Jwt),
    ("-----begin ", Announces::PrivateKey),
    ("-----end ", Announces::PrivateKeyEnd),
    ("://", Announces::UserInfo),
    ("bearer", Announces::Scheme(SecretKind::Bearer)),
    ("basic", Announces::Scheme(SecretKind::Basic)),
    ("password", Announces::Value(SecretKind::Key)),
    ("passwd", Announces::Value(SecretKind::Key)),
    ("passphrase", Announces::Value(SecretKind::Key)),
    ("pwd", Announces::Value(SecretKind::Key)),
    ("secret", Announces::Value(SecretKind::Key)),
    ("token", Announces::Value(SecretKind::Key)),
    ("api_key", Announces::Value(SecretKind::Key)),
    ("apikey", Announces::Value(SecretKind::Key)),
    ("api-key", Announces::Value(SecretKind::Key)),
    ("access_key", Announces::Value(SecretKind::Key)),
    ("access-key", Announces::Value(SecretKind::Key)),
    ("accesskey", Announces::Value(SecretKind::Key)),
    ("accountkey", Announces::Value(SecretKind::Azure)),
    ("private_key", Announces::Value(SecretKind::Key)),
    ("private-key", Announces::Value(SecretKind::Key)),
    ("privatekey", Announces::Value(SecretKind::Key)),
    ("credential", Announces::Value(SecretKind::Key)),
    ("authorization", Announces::Value(SecretKind::Key)),
    ("cookie", Announces::Cookie),
    ("?key=", Announces::QueryKey),
    ("&key=", Announces::QueryKey),
    ("?sig=", Announces::QueryKey),
    ("&sig=", Announces::QueryKey),
    ("q~", Announces::AzureSecret),
    ("azdo", Announces::AzureWord),
    ("jqqj99", Announces::AzureWord),
];

struct Words {
    finder: AhoCorasick,
    announce: Vec<Announces>,
}

/// Built once: the words are constants.
static ALL: LazyLock<Option<Words>> = LazyLock::new(|| {
    // A prefix that goes on from another one is looked for by that.
    let forms = FORMS.iter().map(|form| form.prefix).filter(|prefix| {
        !FORMS
            .iter()
            .any(|f| f.prefix != *prefix && prefix.starts_with(f.prefix))
    });
    let forms = forms.map(|prefix| (prefix, Announces::Form));
    let words = WORDS.iter().copied();
    let (texts, announce): (Vec<_>, Vec<_>) = forms.chain(words).unzip();
    let finder = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(texts)
        .ok()?;
    Some(Words { finder, announce })
});

/// Finds what looks like a secret by its form.
///
/// - `open`: `text` was cut at its end, so that a secret may have lost its last part there.
pub(super) fn find(text: &str, open: bool, out: &mut Vec<Span>) {
    let Some(words) = &*ALL else {
        return;
    };
    let mut look = Look {
        bytes: text.as_bytes(),
        open,
        hopeless: 0,
    };
    // What a secret covers is not looked at again, but for the value of a key, which may be of a better
    // known kind.
    let (mut covered, mut covered_by_key) = (0, 0);
    for hit in words.finder.find_iter(text) {
        let announced = words.announce[hit.pattern().as_usize()];
        let seen = if announced.is_vague() {
            covered_by_key
        } else {
            covered
        };
        if hit.start() < seen {
            continue;
        }
        let Some((from, to, kind)) = look.closer(hit.start(), hit.end(), announced) else {
            continue;
        };
        if from >= to || look.bytes[from..].starts_with(words::MARK) {
            continue;
        }
        covered_by_key = to;
        if !announced.is_vague() {
            covered = to;
        }
        out.push(Span {
            from,
            to,
            kind,
            name: None,
        });
    }
}

impl Announces {
    /// Whether what follows is a secret by its place alone.
    fn is_vague(self) -> bool {
        match self {
            Self::Scheme(_) | Self::Value(_) | Self::Cookie | Self::QueryKey => true,
            Self::Form
            | Self::Jwt
            | Self::PrivateKey
            | Self::PrivateKeyEnd
            | Self::UserInfo
            | Self::AzureSecret
            | Self::AzureWord => false,
        }
    }
}

struct Look<'a> {
    bytes: &'a [u8],
    open: bool,
    /// Up to here a token goes on that is none: no later beginning within it makes one.
    hopeless: usize,
}

impl Look<'_> {
    /// Bounds fall on ASCII bytes, or on the text's ends.
    fn closer(
        &mut self,
        at: usize,
        end: usize,
        announced: Announces,
    ) -> Option<(usize, usize, SecretKind)> {
        let Self { bytes, open, .. } = *self;
        match announced {
            Announces::Form => self.form(at),
            Announces::Jwt => self.web_token(at),
            Announces::PrivateKey => {
                let (from, to) = pem::block(bytes, at)?;
                Some((from, to, SecretKind::PrivateKey))
            }
            Announces::PrivateKeyEnd => {
                let (from, to) = pem::tail(bytes, at)?;
                Some((from, to, SecretKind::PrivateKey))
            }
            Announces::UserInfo => {
                let (from, to) = words::userinfo(bytes, end, open)?;
                Some((from, to, SecretKind::Url))
            }
            Announces::Scheme(kind) => {
                let (from, to) = words::scheme(bytes, at, end)?;
                Some((from, to, kind))
            }
            Announces::Value(kind) => {
                let (from, to) = words::value(bytes, at, end)?;
                Some((from, to, kind))
            }
            Announces::Cookie => {
                let (from, to) = words::cookie(bytes, end)?;
                Some((from, to, SecretKind::Key))
            }
            Announces::QueryKey => {
                let to = words::end_of(bytes, end, |b| {
                    words::is_token(b) || matches!(b, b'%' | b'+' | b'/' | b'~')
                });
                (to - end >= 16).then_some((end, to, SecretKind::Key))
            }
            Announces::AzureSecret => self.azure_secret(at),
            Announces::AzureWord => self.azure_word(at),
        }
    }

    /// A token of a provider.
    fn form(&mut self, at: usize) -> Option<(usize, usize, SecretKind)> {
        let bytes = self.bytes;
        if !words::begins(bytes, at) {
            return None;
        }
        let hopeless = &mut self.hopeless;
        let open = self.open;
        FORMS
            .iter()
            .filter(|form| bytes[at..].starts_with(form.prefix.as_bytes()))
            .filter_map(|form| {
                let from = at + form.prefix.len();
                if form.of == Of::MixedToken && at < *hopeless {
                    return None;
                }
                let to = words::end_of(bytes, from, |b| form.of.has(b));
                let rest = &bytes[from..to];
                if form.of == Of::MixedToken && !form.of.takes(rest, form.least) {
                    *hopeless = to;
                }
                let cut = open && to == bytes.len() && rest.len() >= 2;
                (cut || form.of.takes(rest, form.least)).then_some((form, to))
            })
            .max_by_key(|(form, _)| form.prefix.len())
            .map(|(form, to)| (at, to, form.kind))
    }

    /// A JSON Web Token: at least two parts, the first of which is an object in base64.
    fn web_token(&mut self, at: usize) -> Option<(usize, usize, SecretKind)> {
        let bytes = self.bytes;
        let is_begun = words::begins(bytes, at) && bytes[at..].starts_with(b"eyJ");
        if !is_begun || at < self.hopeless {
            return None;
        }
        let to = words::end_of(bytes, at, words::is_token);
        let word = &bytes[at..to];
        let parts = word.split(|b| *b == b'.').filter(|part| part.len() > 3);
        let cut = self.open && to == bytes.len() && word.len() > 8;
        let is_token = cut || word.len() > 30 && parts.count() >= 2;
        if !is_token {
            self.hopeless = to;
        }
        is_token.then_some((at, to, SecretKind::Jwt))
    }

    /// A client secret of Entra ID: three characters, a digit, `Q~`, and 31 to 34 characters.
    fn azure_secret(&self, at: usize) -> Option<(usize, usize, SecretKind)> {
        let bytes = self.bytes;
        let has = |b: u8| words::is_token(b) || b == b'~';
        let from = at.checked_sub(4)?;
        let to = words::end_of(bytes, at, has);
        let fits = bytes[at - 1].is_ascii_digit()
            && bytes[from..at].iter().all(|b| has(*b))
            && words::begins(bytes, from)
            && bytes[at] == b'Q';
        (fits && to - at >= 30).then_some((from, to, SecretKind::Azure))
    }

    /// A key of Azure with a mark inside: 84 letters and digits (Azure DevOps, AI services).
    fn azure_word(&self, at: usize) -> Option<(usize, usize, SecretKind)> {
        let bytes = self.bytes;
        let not = |b: &u8| !b.is_ascii_alphanumeric();
        let reach = at.saturating_sub(AZURE_WORD_BYTES);
        let from = bytes[reach..at]
            .iter()
            .rposition(not)
            .map_or(reach, |n| reach + n + 1);
        let to = words::end_of(bytes, at, |b| b.is_ascii_alphanumeric());
        let is_marked = bytes[at..].starts_with(b"AZDO") || bytes[at..].starts_with(b"JQQJ99");
        (is_marked && to - from >= AZURE_WORD_BYTES - 4).then_some((from, to, SecretKind::Azure))
    }
}

const AZURE_WORD_BYTES: usize = 84;

#[cfg(test)]
mod tests {
    use super::*;

    /// The pass sees the word that ends first, so one inside another would hide it.
    #[test]
    fn no_word_hides_another() {
        let all: Vec<String> = FORMS
            .iter()
            .map(|f| f.prefix)
            .chain(WORDS.iter().map(|(word, _)| *word))
            .map(str::to_lowercase)
            .collect();
        for word in &all {
            for inside in &all {
                let hides = word.find(inside.as_str()).is_some_and(|at| at > 0);
                assert!(!hides, "`{inside}` hides `{word}`");
            }
        }
    }
}
