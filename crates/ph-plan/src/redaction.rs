//! What is taken out of texts: by key, by form, by the operator's patterns, and because it was given.

use std::collections::BTreeMap;
use std::fmt;

use ph_record::redact::KEYS;
use ph_record::{RedactSettings, SecretKind};
use regex::{Regex, RegexBuilder};
use serde_json::{Value as Json, json};

use crate::checked::KeyPart;
use crate::choices::choice;
use crate::mapping::{Key, MapItem};
use crate::node::Node;
use crate::plan::Plan;
use crate::reader::Reader;
use crate::section::section;
use crate::server::Upstream;
use crate::text::{Secret, SecretUrl, Text};
use crate::value::{STRING, Value, not_as_expected};

section! {
    /// What is taken out of everything that is logged, kept, exported or shown.
    pub struct Redaction {
        /// Keys whose values are replaced in parameters and attributes: a key is meant when it
        /// contains one of these, in upper or lower case.
        keys: Vec<KeyPart> = redact_keys();
        /// Whether texts are searched for what looks like a secret: tokens of known providers,
        /// private keys, passwords in addresses and after `password=`, numbers of payment cards.
        values: bool = true;
        /// Kinds that stay in texts.
        disabled: Vec<RedactedKind> = Vec::new();
        /// Regular expressions of your own by name, at most 32. What they match is replaced by
        /// `[redacted:NAME]`.
        patterns: BTreeMap<PatternName, Pattern> = BTreeMap::new();
    }
}

choice! {
    /// Kinds of secrets.
    pub enum RedactedKind {
        /// Values that Pilothouse was given.
        Given = "given",
        /// What the operator's patterns find.
        Pattern = "pattern",
        /// Private keys in PEM.
        PrivateKey = "private_key",
        /// Amazon Web Services.
        Aws = "aws_key",
        /// Google Cloud.
        Gcp = "gcp_key",
        /// Microsoft Azure.
        Azure = "azure_key",
        /// GitHub.
        Github = "github_token",
        /// GitLab.
        Gitlab = "gitlab_token",
        /// Slack.
        Slack = "slack_token",
        /// Stripe.
        Stripe = "stripe_key",
        /// Anthropic.
        Anthropic = "anthropic_key",
        /// OpenAI.
        Openai = "openai_key",
        /// npm.
        Npm = "npm_token",
        /// PyPI.
        Pypi = "pypi_token",
        /// Hugging Face.
        Huggingface = "huggingface_token",
        /// Other providers.
        Provider = "provider_token",
        /// JSON Web Tokens.
        Jwt = "jwt",
        /// Payment cards.
        Card = "card_number",
        /// User and password in addresses.
        Url = "url_credentials",
        /// After `Bearer`.
        Bearer = "bearer",
        /// After `Basic`.
        Basic = "basic",
        /// Values of keys that announce a secret.
        Key = "key",
    }
}

/// The name of a pattern, which stands in its mark.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatternName(String);

impl PatternName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Key for PatternName {
    const MAPPING: &'static str = "a mapping of patterns by name";
    const EXPECTED: &'static str = "a name: 1 to 32 lower-case letters, digits or `_`";
    const PATTERN: &'static str = "[a-z0-9_]{1,32}";

    fn parse(text: &str) -> Option<Self> {
        let fits = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        fits.then(|| Self(text.to_owned()))
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

/// A regular expression of the operator: bounded in size, without backtracking, never empty.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads it; `None` for what is none, is too large, or matches nothing at all.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let regex = RegexBuilder::new(text)
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_BYTES_MAX)
            .build()
            .ok()?;
        (!text.is_empty() && !regex.is_match("")).then_some(Self(regex))
    }

    /// The expression.
    #[must_use]
    pub fn regex(&self) -> &Regex {
        &self.0
    }
}

/// A compiled expression takes at most so much.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.0.as_str()).finish()
    }
}

impl MapItem for Pattern {}

impl Value for Pattern {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        const EXPECTED: &str =
            "a regular expression that does not match the empty text and compiles to at most 1 MiB";
        let resolved = reader.resolved(node, STRING)?;
        let text = resolved.text.as_str();
        // An unquoted number is a slip.
        let is_number = resolved.plain && text.parse::<f64>().is_ok();
        Self::parse(text)
            .filter(|_| !is_number)
            .or_else(|| not_as_expected(node, &resolved, EXPECTED, reader))
    }

    fn schema(_limits: &()) -> Json {
        json!({"type": "string", "minLength": 1})
    }

    fn show(&self) -> Json {
        self.0.as_str().into()
    }
}

fn redact_keys() -> Vec<KeyPart> {
    KEYS.into_iter().filter_map(KeyPart::parse).collect()
}

impl Plan {
    /// What a redactor of this plan does, the plan's own secrets included.
    #[must_use]
    pub fn redact_settings(&self) -> RedactSettings {
        let Redaction {
            keys,
            values,
            disabled,
            patterns,
        } = &self.redaction;
        let keys = self.log.redact_keys.as_ref().unwrap_or(keys);
        let keys: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        RedactSettings {
            values: *values,
            disabled: disabled
                .iter()
                .filter_map(|kind| SecretKind::parse(kind.as_str()))
                .collect(),
            patterns: patterns
                .iter()
                .map(|(name, pattern)| (name.as_str().to_owned(), pattern.regex().clone()))
                .collect(),
            given: given(self, &keys),
            keys,
        }
    }
}

/// The secrets that the plan holds.
///
/// A variable or a header counts when its name contains one of `keys`, or when its value comes from a
/// file or from a variable of such a name: `NODE_ENV: production` is none.
fn given(plan: &Plan, keys: &[String]) -> Vec<String> {
    let mut given = Given {
        keys,
        all: Vec::new(),
    };
    for server in plan.servers.values() {
        match &server.upstream {
            Upstream::Stdio(stdio) => {
                for (name, value) in &stdio.env {
                    given.named(name.as_str(), value);
                }
                for arg in &stdio.args {
                    given.argument(arg);
                }
            }
            Upstream::Http(http) => given.headers(&http.headers),
        }
    }
    for scrape in plan.scrape.values() {
        given.headers(&scrape.headers);
    }
    for sink in plan.sinks.values() {
        if let Some(elastic) = &sink.elasticsearch {
            given.secrets(elastic.password.iter().chain(&elastic.api_key));
            given.headers(&elastic.headers);
        }
        if let Some(otlp) = &sink.otlp {
            given.headers(&otlp.headers);
        }
    }
    given.headers(&plan.otlp.headers);
    given.urls(&plan.notify.heartbeat.url);
    let redis = plan.redis.as_ref();
    given.secrets(redis.and_then(|redis| redis.password.as_ref()).into_iter());
    for receiver in plan.notify.receivers.values() {
        if let Some(webhook) = &receiver.webhook {
            given.headers(&webhook.headers);
            given.urls(&webhook.url);
        }
        if let Some(slack) = &receiver.slack {
            given.urls(&slack.url);
        }
    }
    given.all
}

struct Given<'a> {
    keys: &'a [String],
    all: Vec<String>,
}

impl Given<'_> {
    fn named(&mut self, name: &str, value: &Secret) {
        let shown = value.shown();
        // Names of variables stand in the text between `${` and `}`, and a file's path is none.
        let is_secret = self.announces(name)
            || shown.starts_with("file:")
            || shown.contains("${") && self.announces(shown);
        if is_secret {
            self.value(value.expose());
        }
    }

    fn headers(&mut self, headers: &BTreeMap<crate::HeaderKey, Secret>) {
        for (name, value) in headers {
            self.named(name.header_name().as_str(), value);
        }
    }

    fn secrets<'s>(&mut self, secrets: impl Iterator<Item = &'s Secret>) {
        secrets.for_each(|secret| self.value(secret.expose()));
    }

    /// `${TOKEN}` or `--token=${TOKEN}`.
    fn argument(&mut self, arg: &Text) {
        if arg.is_reference() && self.announces(arg.written()) {
            let value = arg.as_str();
            let value = value.split_once('=').map_or(value, |(_, value)| value);
            self.value(value);
        }
    }

    fn urls(&mut self, url: &Option<SecretUrl>) {
        if let Some(url) = url {
            let url = url.expose();
            self.all.push(url.as_str().to_owned());
            let path = url.uri().path_and_query().map_or("", |path| path.as_str());
            if path.len() >= PATH_MIN {
                self.all.push(path.to_owned());
            }
        }
    }

    /// A whole header, and its token alone.
    fn value(&mut self, value: &str) {
        let token = value.split_once(' ').filter(|(scheme, _)| {
            ["bearer", "basic", "apikey", "token"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
        });
        self.all
            .extend(token.map(|(_, token)| token.trim().to_owned()));
        self.all.push(value.to_owned());
    }

    fn announces(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        // Names of variables have `_` where headers have `-`.
        let alike = name.replace('-', "_");
        self.keys
            .iter()
            .any(|key| name.contains(key) || alike.contains(key))
    }
}

/// A shorter path of a webhook is a route that others have too.
const PATH_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoSecrets;

    #[test]
    fn kinds_are_those_of_the_redactor() {
        let ours: Vec<_> = RedactedKind::ALL.iter().map(|k| k.as_str()).collect();
        let theirs: Vec<_> = SecretKind::ALL.iter().map(|k| k.as_label()).collect();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn secrets_of_the_plan_are_given_and_settings_are_not() {
        let text = "
log: {redact_keys: [token, password, authorization]}
servers:
  a: {command: x, env: {NODE_ENV: production, DB_PASSWORD: hunter2hunter2, MODE: quiet-mode}}
  b: {url: http://127.0.0.1:1/mcp, headers: {Authorization: Bearer abcdefghij, X-Team: blue-team}}
sinks:
  s: {elasticsearch: {url: http://127.0.0.1:1, api_key: elastic-key}}
redaction:
  patterns: {employee: 'E-\\d{6}'}
  disabled: [card_number]
";
        let (plan, _) = Plan::from_yaml(text, &NoSecrets).unwrap();
        let settings = plan.redact_settings();
        assert_eq!(
            settings.given,
            [
                "hunter2hunter2",
                "abcdefghij",
                "Bearer abcdefghij",
                "elastic-key"
            ]
        );
        assert_eq!(settings.disabled, [SecretKind::Card]);
        assert_eq!(settings.patterns[0].0, "employee");
        assert_eq!(settings.keys, ["token", "password", "authorization"]);
    }

    #[test]
    fn patterns_are_bounded() {
        for bad in ["", "a*", "(", r"\w{1000}{1000}", "(?=a)"] {
            assert_eq!(Pattern::parse(bad), None, "{bad}");
        }
        assert!(Pattern::parse(r"\bE-\d{6}\b").is_some());
    }
}
