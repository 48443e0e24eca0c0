//! How near a vulnerable package is to whoever calls the server. Best effort: it says where to look first, and closes
//! nothing.

mod transport;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use transport::only_http;

/// Places that are kept of one finding, those nearest to a caller first.
pub const PLACES_MAX: usize = 10;
/// Tools that are kept of one finding.
pub const TOOLS_MAX: usize = 20;
/// Clients that are kept of one finding, those that called most first.
pub const CLIENTS_MAX: usize = 10;
/// Notes that are kept of one finding.
pub const UNSEEN_MAX: usize = 5;
/// Longest text of a place or a note, in characters.
pub const CHARS_MAX: usize = 300;

/// How near a package is to somebody who calls the server, the farthest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Installed; no import was found.
    Present,
    /// Imported.
    Imported,
    /// What the advisory names is used; anything, where it names nothing.
    SymbolUsed,
    /// A tool's function leads to the use.
    Reachable,
    /// That tool was called.
    Seen,
}

/// What is known of how near one vulnerable package is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exposed {
    /// The highest that was found.
    pub level: Level,
    /// The folder whose source was read; absent: none was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// Files that were read.
    pub files: u64,
    /// Where it is imported and used, what is nearest to a caller first.
    pub places: Vec<ExposedPlace>,
    /// Places that are left out here.
    pub more_places: u64,
    /// The tools that lead there; `*`: a handler of all tools, which one was not found.
    pub tools: Vec<ReachingTool>,
    /// `true`: the advisory names no function, so any use counts.
    pub any_use_counts: bool,
    /// What could not be seen, in words.
    pub unseen: Vec<String>,
    /// Whether the way in which the server is reached matters, in words: a guess.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transport: Option<String>,
    /// Who called those tools; absent: nobody has looked, or no tool leads there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traffic: Option<Traffic>,
}

/// A place in the server's source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExposedPlace {
    /// The file, below the folder.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The import, or the call around it.
    pub text: String,
    /// What this place alone says.
    pub level: Level,
}

/// A tool from which a use is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReachingTool {
    /// Its name.
    pub tool: String,
    /// What the caller sent seems to come to the use.
    pub takes_input: bool,
}

/// Calls of the tools that lead to a use, as far as records of them are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// Since when was looked, in Unix seconds.
    pub since: u64,
    /// Calls that reached the server.
    pub calls: u64,
    /// Clients by the name that they give of themselves, which nobody has verified; those that called most first.
    pub clients: Vec<CallingClient>,
    /// Calls of others than these.
    pub others: u64,
    /// `false`: there may be more, for looking at all of them would have taken too long.
    pub complete: bool,
}

/// A client that called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallingClient {
    /// The name and version that it gives of itself; empty: none.
    pub client: String,
    /// How often.
    pub calls: u64,
}

impl Level {
    /// The word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Imported => "imported",
            Self::SymbolUsed => "symbol_used",
            Self::Reachable => "reachable",
            Self::Seen => "seen",
        }
    }

    /// In words for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Present => "present, no import found",
            Self::Imported => "imported",
            Self::SymbolUsed => "used",
            Self::Reachable => "reachable from a tool",
            Self::Seen => "seen in traffic",
        }
    }
}

impl Exposed {
    /// Of a package whose use nobody could look for.
    ///
    /// - `why`: in words.
    #[must_use]
    pub fn unknown(why: &str) -> Self {
        Self {
            level: Level::Present,
            source: None,
            files: 0,
            places: Vec::new(),
            more_places: 0,
            tools: Vec::new(),
            any_use_counts: false,
            unseen: vec![short(why)],
            transport: None,
            traffic: None,
        }
    }

    /// Takes note of calls. The level is `seen` when there was any.
    pub fn called(&mut self, traffic: Traffic) {
        if traffic.calls > 0 && self.level >= Level::Reachable {
            self.level = Level::Seen;
        }
        self.traffic = Some(traffic);
    }

    /// In one line: how near, from which tools, and the nearest place.
    #[must_use]
    pub fn line(&self) -> String {
        let mut text = match (self.level, &self.source) {
            // "no import found" would say that somebody has looked.
            (Level::Present, None) => "present, its use was not looked for".to_owned(),
            (level, _) => level.words().to_owned(),
        };
        let names: Vec<_> = self.tools.iter().map(ReachingTool::named).take(3).collect();
        if !names.is_empty() {
            text.push_str(&format!(" ({}", names.join(", ")));
            let more = self.tools.len() - names.len();
            text.push_str(&if more > 0 {
                format!(" and {more} more)")
            } else {
                ")".to_owned()
            });
        }
        if let Some(place) = self.places.first() {
            text.push_str(&format!(": {}:{}", place.file, place.line));
        }
        text
    }
}

impl ReachingTool {
    /// Its name for people.
    #[must_use]
    pub fn named(&self) -> String {
        match &*self.tool {
            "*" => "a handler of all tools".to_owned(),
            name => name.to_owned(),
        }
    }
}

impl Traffic {
    /// In one line.
    #[must_use]
    pub fn line(&self, now: u64) -> String {
        let days = (now.saturating_sub(self.since) + 43_200) / 86_400;
        let days = days.max(1);
        let least = if self.complete { "" } else { "at least " };
        let mut text = match self.calls {
            0 if self.complete => format!("no calls in {days} days are on record"),
            1 => format!("{least}1 call in {days} days"),
            calls => format!("{least}{calls} calls in {days} days"),
        };
        let mut by: Vec<_> = self
            .clients
            .iter()
            .map(|one| match &*one.client {
                "" => format!("{} without a name", one.calls),
                name => format!("{} by {name}", one.calls),
            })
            .collect();
        if self.others > 0 {
            by.push(format!("{} by others", self.others));
        }
        if !by.is_empty() {
            text.push_str(&format!(": {}", by.join(", ")));
        }
        text
    }
}

/// A text of bounded length, on one line.
#[must_use]
pub fn short(text: &str) -> String {
    let mut short: String = text.chars().take(CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reachable() -> Exposed {
        Exposed {
            level: Level::Reachable,
            source: Some("srv".to_owned()),
            unseen: Vec::new(),
            places: vec![ExposedPlace {
                file: "settings.js".to_owned(),
                line: 6,
                text: "lodash.merge(settings, patch)".to_owned(),
                level: Level::Reachable,
            }],
            tools: vec![ReachingTool {
                tool: "change_settings".to_owned(),
                takes_input: true,
            }],
            ..Exposed::unknown("")
        }
    }

    fn traffic(calls: u64) -> Traffic {
        Traffic {
            since: 0,
            calls,
            clients: Vec::new(),
            others: 0,
            complete: true,
        }
    }

    #[test]
    fn calls_make_what_is_reachable_seen_and_nothing_else() {
        let mut of = reachable();
        of.called(traffic(0));
        assert_eq!(of.level, Level::Reachable);
        of.called(traffic(2));
        assert_eq!(of.level, Level::Seen);
        let mut of = Exposed::unknown("it is an image");
        of.called(traffic(2));
        assert_eq!(of.level, Level::Present);
    }

    #[test]
    fn it_is_told_in_one_line() {
        assert_eq!(
            reachable().line(),
            "reachable from a tool (change_settings): settings.js:6"
        );
        let unknown = Exposed::unknown("it is an image");
        assert_eq!(unknown.line(), "present, its use was not looked for");
        let mut of = traffic(41);
        of.others = 1;
        of.complete = false;
        of.clients = vec![CallingClient {
            client: "inspector 1.0".to_owned(),
            calls: 40,
        }];
        assert_eq!(
            of.line(30 * 86_400),
            "at least 41 calls in 30 days: 40 by inspector 1.0, 1 by others"
        );
        // Looked at a moment later.
        assert_eq!(
            traffic(0).line(30 * 86_400 + 5),
            "no calls in 30 days are on record"
        );
    }

    #[test]
    fn the_word_is_the_one_in_json() {
        for level in [
            Level::Present,
            Level::Imported,
            Level::SymbolUsed,
            Level::Reachable,
            Level::Seen,
        ] {
            let written = serde_json::to_string(&level).unwrap();
            assert_eq!(written, format!("\"{}\"", level.word()));
        }
    }
}
