//! Tokens that are known by how they begin: each provider's documented prefixes and lengths.

use super::kind::SecretKind;

/// One form: what it begins with, and what has to follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) prefix: &'static str,
    /// Least characters after the prefix. At most the documented number; a longer token is whole.
    pub(super) least: usize,
    /// Characters of the token after the prefix.
    pub(super) of: Of,
    pub(super) kind: SecretKind,
}

/// The alphabet of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Letters, digits and `_`.
    Word,
    /// The same, `-` and `.`.
    Token,
    /// The same, with at least one digit or capital: prose and names with dashes look alike.
    MixedToken,
    /// Capitals and digits alone, exactly as many as `least`.
    CapitalsExactly,
    /// Base64: letters, digits, `+`, `/`, `=`, `-` and `_`.
    Base64,
    /// A path: what an address goes on with.
    Path,
}

const fn form(prefix: &'static str, least: usize, of: Of, kind: SecretKind) -> Form {
    Form {
        prefix,
        least,
        of,
        kind,
    }
}

use Of::{Base64, CapitalsExactly, MixedToken, Path, Token, Word};
use SecretKind::{
    Anthropic, Aws, Gcp, Github, Gitlab, Huggingface, Npm, Openai, Provider, Pypi, Slack, Stripe,
};

/// Every form. No prefix is inside another one but at its beginning: the scanner sees the one that
/// ends first, and then takes the longest.
pub(super) const FORMS: &[Form] = &[
    // Access key ids: 4 letters and 16 characters. Bedrock: `ABSK` and base64.
    form("AKIA", 16, CapitalsExactly, Aws),
    form("ASIA", 16, CapitalsExactly, Aws),
    form("ABIA", 16, CapitalsExactly, Aws),
    form("ACCA", 16, CapitalsExactly, Aws),
    form("ABSKQmVkcm9ja0FQSUtleS", 40, Base64, Aws),
    // API key: 39 characters; OAuth access token; OAuth client secret: 28 after the prefix.
    form("AIza", 30, Token, Gcp),
    form("ya29.", 20, Token, Gcp),
    form("GOCSPX-", 20, Token, Gcp),
    form("1//0", 30, Token, Gcp),
    // 36 after the prefix; fine-grained ones 82.
    form("ghp_", 20, Word, Github),
    form("gho_", 20, Word, Github),
    form("ghu_", 20, Word, Github),
    form("ghs_", 20, Token, Github),
    form("ghr_", 20, Word, Github),
    form("github_pat_", 20, Word, Github),
    // 20 after the prefix, routable ones longer.
    form("glpat-", 16, Token, Gitlab),
    form("gldt-", 16, Token, Gitlab),
    form("glrt-", 16, Token, Gitlab),
    form("glcbt-", 16, Token, Gitlab),
    form("glptt-", 16, Token, Gitlab),
    form("glft-", 16, Token, Gitlab),
    form("glsoat-", 16, Token, Gitlab),
    form("glimt-", 16, Token, Gitlab),
    form("glagent-", 16, Token, Gitlab),
    form("gloas-", 16, Token, Gitlab),
    form("glffct-", 16, Token, Gitlab),
    form("xoxb-", 10, Token, Slack),
    form("xoxp-", 10, Token, Slack),
    form("xoxa-", 10, Token, Slack),
    form("xoxr-", 10, Token, Slack),
    form("xoxs-", 10, Token, Slack),
    form("xoxc-", 10, Token, Slack),
    form("xoxd-", 10, Token, Slack),
    form("xoxe-", 10, Token, Slack),
    form("xoxe.xox", 10, Token, Slack),
    form("xapp-", 10, Token, Slack),
    form("hooks.slack.com/", 20, Path, Slack),
    form("sk_live_", 16, Word, Stripe),
    form("sk_test_", 16, Word, Stripe),
    form("rk_live_", 16, Word, Stripe),
    form("rk_test_", 16, Word, Stripe),
    form("whsec_", 24, Base64, Stripe),
    form("sk-ant-", 16, Token, Anthropic),
    form("sk-", 16, MixedToken, Openai),
    form("npm_", 30, Word, Npm),
    form("pypi-AgE", 40, Token, Pypi),
    form("hf_", 30, Word, Huggingface),
    form("api_org_", 30, Word, Huggingface),
    // Databricks, DigitalOcean, Docker, Doppler, Dynatrace, Figma, Firecrawl, Grafana, Groq, HashiCorp
    // Vault and Terraform, Linear, New Relic, Notion, Perplexity, PlanetScale, Postman, Replicate,
    // SendGrid, Sentry, Shopify, Supabase, Tailscale, Tavily, xAI; age.
    form("dapi", 32, Word, Provider),
    form("dop_v1_", 40, Word, Provider),
    form("doo_v1_", 40, Word, Provider),
    form("dckr_pat_", 20, Token, Provider),
    form("dckr_oat_", 20, Token, Provider),
    form("dp.pt.", 30, Word, Provider),
    form("dp.st.", 30, Token, Provider),
    form("dt0c01.", 40, Token, Provider),
    form("figd_", 30, Token, Provider),
    form("fc-", 30, Word, Provider),
    form("glsa_", 30, Word, Provider),
    form("glc_", 30, Base64, Provider),
    form("gsk_", 40, Word, Provider),
    form("hvs.", 20, Token, Provider),
    form("hvb.", 20, Token, Provider),
    form("atlasv1.", 40, Token, Provider),
    form("lin_api_", 30, Word, Provider),
    form("NRAK-", 20, Word, Provider),
    form("ntn_", 30, Word, Provider),
    form("ph_", 40, Word, Provider),
    form("pplx-", 30, Word, Provider),
    form("pscale_tkn_", 30, Token, Provider),
    form("pscale_pw_", 30, Token, Provider),
    form("PMAK-", 30, Token, Provider),
    form("r8_", 30, Word, Provider),
    form("SG.", 40, Token, Provider),
    form("sntrys_", 30, Base64, Provider),
    form("sntryu_", 30, Word, Provider),
    form("shpat_", 30, Word, Provider),
    form("shpss_", 30, Word, Provider),
    form("shpca_", 30, Word, Provider),
    form("sbp_", 40, Word, Provider),
    form("tskey-", 16, Token, Provider),
    form("tvly-", 20, Token, Provider),
    form("xai-", 40, Word, Provider),
    form("ATATT3", 60, Base64, Provider),
    form("AGE-SEC", 58, Token, Provider),
];

impl Of {
    pub(super) fn has(self, b: u8) -> bool {
        let word = b.is_ascii_alphanumeric() || b == b'_';
        match self {
            Self::Word => word,
            Self::Token | Self::MixedToken => word || matches!(b, b'-' | b'.'),
            Self::CapitalsExactly => b.is_ascii_uppercase() || b.is_ascii_digit(),
            Self::Base64 => word || matches!(b, b'+' | b'/' | b'=' | b'-'),
            Self::Path => word || matches!(b, b'/' | b'-' | b'.' | b'%'),
        }
    }

    /// Whether `rest`, all characters of the token after its prefix, may be one of this form.
    pub(super) fn takes(self, rest: &[u8], least: usize) -> bool {
        match self {
            Self::CapitalsExactly => rest.len() == least,
            Self::MixedToken => {
                rest.len() >= least
                    && rest
                        .iter()
                        .any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
            }
            Self::Word | Self::Token | Self::Base64 | Self::Path => rest.len() >= least,
        }
    }
}
