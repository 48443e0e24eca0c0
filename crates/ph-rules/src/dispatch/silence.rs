//! Silences: for how long nobody is told of which alerts.

use super::incoming::is_label_name;
use super::matcher::Matchers;
use super::rows::MatcherRow;
use ph_promql::{MatchOp, Matcher};

/// Longest texts, in bytes.
const AUTHOR_BYTES_MAX: usize = 1024;
const COMMENT_BYTES_MAX: usize = 16 * 1024;
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// A silence as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// A UUID.
    pub id: String,
    /// Which alerts.
    pub matchers: Matchers,
    /// Unix milliseconds.
    pub starts_at_ms: i64,
    /// Unix milliseconds; from then on it is expired.
    pub ends_at_ms: i64,
    /// Unix milliseconds of its last change.
    pub updated_at_ms: i64,
    /// Whose it is.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// A silence as somebody wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SilenceDraft {
    /// The one that is changed; none for a new one.
    pub id: Option<String>,
    /// Which alerts; one at least, and one that an absent label does not satisfy.
    pub matchers: Vec<MatcherRow>,
    /// Unix milliseconds; not before now for a new one.
    pub starts_at_ms: i64,
    /// Unix milliseconds.
    pub ends_at_ms: i64,
    /// Whose it is.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Where a silence is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SilenceState {
    /// It holds.
    Active,
    /// It begins later.
    Pending,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// `active`, `pending`, `expired`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

/// Why a silence was not set or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// There is none with this id.
    #[error("silence not found")]
    NotFound,
    /// It is over already.
    #[error("silence {0} already expired")]
    Expired(String),
    /// It cannot be one.
    #[error("silence invalid: {0}")]
    Invalid(String),
    /// There are as many as there may be.
    #[error(
        "there are {0} silences already, which is the bound; expired ones are forgotten with time"
    )]
    TooMany(usize),
    /// Whoever keeps silences does not answer.
    #[error("silences cannot be changed: {0}")]
    Unavailable(String),
}

impl Silence {
    /// Where it is in its life.
    pub fn state(&self, now_ms: i64) -> SilenceState {
        if now_ms < self.starts_at_ms {
            SilenceState::Pending
        } else if now_ms < self.ends_at_ms {
            SilenceState::Active
        } else {
            SilenceState::Expired
        }
    }

    /// Whether `newer` is this one with other times, in a way that leaves the past as it was.
    pub(super) fn can_become(&self, newer: &Self, now_ms: i64) -> bool {
        self.matchers == newer.matchers
            && match self.state(now_ms) {
                SilenceState::Active => {
                    seconds(self.starts_at_ms) == seconds(newer.starts_at_ms)
                        && newer.ends_at_ms >= now_ms
                }
                SilenceState::Pending => newer.starts_at_ms >= now_ms,
                SilenceState::Expired => false,
            }
    }

    /// Ends it now.
    pub(super) fn expire(&mut self, now_ms: i64) {
        if self.state(now_ms) == SilenceState::Pending {
            self.starts_at_ms = now_ms;
        }
        self.ends_at_ms = now_ms;
        self.updated_at_ms = now_ms;
    }
}

/// What clients that show whole seconds send back is the same time.
fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1000)
}

impl SilenceDraft {
    /// The silence, with its own id or an empty one.
    pub(super) fn checked(self, now_ms: i64) -> Result<Silence, SilenceError> {
        let invalid = |why: String| Err(SilenceError::Invalid(why));
        if self.ends_at_ms <= self.starts_at_ms {
            return invalid("start time must be before end time".to_owned());
        }
        if self.ends_at_ms < now_ms {
            return invalid("end time can't be in the past".to_owned());
        }
        if self.created_by.len() > AUTHOR_BYTES_MAX || self.comment.len() > COMMENT_BYTES_MAX {
            return invalid(format!(
                "an author has at most {AUTHOR_BYTES_MAX} bytes, a comment {COMMENT_BYTES_MAX}"
            ));
        }
        Ok(Silence {
            id: self.id.unwrap_or_default(),
            matchers: matchers_of(&self.matchers).map_err(SilenceError::Invalid)?,
            starts_at_ms: self.starts_at_ms,
            ends_at_ms: self.ends_at_ms,
            updated_at_ms: now_ms,
            created_by: self.created_by,
            comment: self.comment,
        })
    }
}

/// The matchers, when silences may have them.
pub(super) fn matchers_of(rows: &[MatcherRow]) -> Result<Matchers, String> {
    if rows.is_empty() {
        return Err("at least one matcher required".to_owned());
    }
    let read = |(at, row): (usize, &MatcherRow)| {
        let wrong = |why: String| format!("invalid label matcher {at}: {why}");
        if !is_label_name(&row.name) {
            return Err(wrong(format!("invalid label name {:?}", row.name)));
        }
        if row.value.len() > VALUE_BYTES_MAX {
            return Err(wrong(format!("longer than {VALUE_BYTES_MAX} bytes")));
        }
        Matcher::new(row.name.as_str(), row.op(), row.value.as_str())
            .map_err(|e| wrong(e.to_string()))
    };
    let all = rows
        .iter()
        .enumerate()
        .map(read)
        .collect::<Result<Vec<_>, _>>()?;
    if all.iter().all(|matcher| matcher.matches("")) {
        return Err("at least one matcher must not match the empty string".to_owned());
    }
    Matchers::as_given(all).map_err(|error| error.to_string())
}

impl MatcherRow {
    fn op(&self) -> MatchOp {
        match (self.is_regex, self.is_equal) {
            (false, true) => MatchOp::Eq,
            (false, false) => MatchOp::Ne,
            (true, true) => MatchOp::Re,
            (true, false) => MatchOp::Nre,
        }
    }
}

impl From<&Matcher> for MatcherRow {
    fn from(matcher: &Matcher) -> Self {
        Self {
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
            is_regex: matches!(matcher.op(), MatchOp::Re | MatchOp::Nre),
            is_equal: matches!(matcher.op(), MatchOp::Eq | MatchOp::Re),
        }
    }
}
