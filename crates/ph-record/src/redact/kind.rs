//! What a secret can be. Closed: it is a metric label and stands in every mark.

/// Declares the kinds: each with its word and the mark that stands in a secret's place.
macro_rules! kinds {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $word:literal, )*) => {
        /// What a secret is, as far as its form or its place tells.
        ///
        /// In order of what is said where two overlap: the more exact one first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum SecretKind {
            $( $(#[doc = $doc])+ $variant, )*
        }

        impl SecretKind {
            /// Every kind, in index order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The value of the `kind` label, and the word in the configuration.
            #[must_use]
            pub const fn as_label(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }

            /// What stands in the place of such a secret.
            #[must_use]
            pub const fn mark(self) -> &'static str {
                match self { $( Self::$variant => concat!("[redacted:", $word, "]"), )* }
            }
        }
    };
}

kinds! {
    /// A value that Pilothouse was given: variables of children, headers, credentials of sinks.
    Given = "given",
    /// What a pattern of the operator finds.
    Pattern = "pattern",
    /// A private key in PEM.
    PrivateKey = "private_key",
    /// Amazon Web Services.
    Aws = "aws_key",
    /// Google Cloud and Google APIs.
    Gcp = "gcp_key",
    /// Microsoft Azure and Azure DevOps.
    Azure = "azure_key",
    /// GitHub.
    Github = "github_token",
    /// GitLab.
    Gitlab = "gitlab_token",
    /// Slack, its webhooks included.
    Slack = "slack_token",
    /// Stripe.
    Stripe = "stripe_key",
    /// Anthropic.
    Anthropic = "anthropic_key",
    /// OpenAI, and others that took its form.
    Openai = "openai_key",
    /// npm.
    Npm = "npm_token",
    /// PyPI.
    Pypi = "pypi_token",
    /// Hugging Face.
    Huggingface = "huggingface_token",
    /// Another provider with a form of its own.
    Provider = "provider_token",
    /// A JSON Web Token.
    Jwt = "jwt",
    /// The number of a payment card.
    Card = "card_number",
    /// User and password in an address.
    Url = "url_credentials",
    /// What follows `Bearer`.
    Bearer = "bearer",
    /// What follows `Basic`.
    Basic = "basic",
    /// The value of a key that announces a secret.
    Key = "key",
}

impl SecretKind {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Reads the word; `None` when it is not in the list.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| k.as_label() == word)
    }
}
