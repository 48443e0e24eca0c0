//! Glob patterns for file names and paths.
//!
//! `*` and `?` match within one name, `**` across `/`, `[a-z]` and `[!a-z]` one
//! character. Matching follows all possibilities at once, so its cost is at most
//! pattern length × text length whatever the pattern.

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than {PATTERN_CHARS_MAX} characters")]
    Long,
    #[error("a `[` has no `]`")]
    OpenClass,
    #[error("it begins with `/` or contains `..`, but paths are relative to the root")]
    Form,
}

const PATTERN_CHARS_MAX: usize = 256;

/// A pattern, ready to match.
#[derive(Debug)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
    /// It has a `/`: it is compared with the whole path, not with the name.
    is_path: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Run,
    /// `**`
    Deep,
    /// `**/`: nothing, or whole directories.
    Directories,
    Class {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.strip_prefix("./").unwrap_or(text);
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.starts_with('/') || text.split('/').any(|part| part == "..") {
            return Err(PatternError::Form);
        }
        let chars: Vec<char> = text.chars().collect();
        if chars.len() > PATTERN_CHARS_MAX {
            return Err(PatternError::Long);
        }
        let (mut tokens, mut at) = (Vec::new(), 0);
        while at < chars.len() {
            let (token, used) = match &chars[at..] {
                ['*', '*', '/', ..] if at == 0 || chars[at - 1] == '/' => (Token::Directories, 3),
                ['*', '*', ..] => (Token::Deep, 2),
                ['*', ..] => (Token::Run, 1),
                ['?', ..] => (Token::One, 1),
                ['[', rest @ ..] => class(rest).map(|(token, used)| (token, used + 1))?,
                [char, ..] => (Token::Char(*char), 1),
                [] => break,
            };
            tokens.push(token);
            at += used;
        }
        Ok(Self {
            tokens,
            is_path: text.contains('/'),
        })
    }

    /// - `path`: relative to the root, with `/`; its last part is the name.
    pub(super) fn matches(&self, path: &str) -> bool {
        let text = if self.is_path {
            path
        } else {
            path.rsplit('/').next().unwrap_or(path)
        };
        let mut reached = vec![false; self.tokens.len() + 1];
        reached[0] = true;
        self.skip_empty(&mut reached, true);
        for char in text.chars() {
            let mut next = vec![false; reached.len()];
            for (at, token) in self
                .tokens
                .iter()
                .enumerate()
                .filter(|(at, _)| reached[*at])
            {
                match token {
                    Token::Char(want) => next[at + 1] |= char == *want,
                    Token::One => next[at + 1] |= char != '/',
                    Token::Run => next[at] |= char != '/',
                    Token::Deep | Token::Directories => next[at] = true,
                    Token::Class { ranges, negated } => {
                        let inside = ranges
                            .iter()
                            .any(|(low, high)| (*low..=*high).contains(&char));
                        next[at + 1] |= char != '/' && inside != *negated;
                    }
                }
            }
            self.skip_empty(&mut next, char == '/');
            reached = next;
        }
        reached[self.tokens.len()]
    }

    /// Steps over tokens that may match nothing. `**/` is left only where a directory begins.
    fn skip_empty(&self, reached: &mut [bool], at_directory: bool) {
        for (at, token) in self.tokens.iter().enumerate() {
            let may_be_empty = match token {
                Token::Run | Token::Deep => true,
                Token::Directories => at_directory,
                Token::Char(_) | Token::One | Token::Class { .. } => false,
            };
            if reached[at] && may_be_empty {
                reached[at + 1] = true;
            }
        }
    }
}

/// Reads a class after its `[`: the token, and how many characters it took.
fn class(chars: &[char]) -> Result<(Token, usize), PatternError> {
    let negated = matches!(chars.first(), Some('!' | '^'));
    let start = usize::from(negated);
    // A `]` that comes first stands for itself.
    let end = chars
        .iter()
        .skip(start + 1)
        .position(|char| *char == ']')
        .map(|at| at + start + 1);
    let end = end.ok_or(PatternError::OpenClass)?;
    let (mut ranges, mut at) = (Vec::new(), start);
    while at < end {
        match chars[at..end] {
            [low, '-', high, ..] => {
                ranges.push((low, high));
                at += 3;
            }
            _ => {
                ranges.push((chars[at], chars[at]));
                at += 1;
            }
        }
    }
    Ok((Token::Class { ranges, negated }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, want: bool) {
        assert_eq!(
            Pattern::parse(pattern).unwrap().matches(path),
            want,
            "{pattern:?} on {path:?}"
        );
    }

    #[test]
    fn names_match_at_any_depth() {
        check("*.md", "readme.md", true);
        check("*.md", "docs/a/readme.md", true);
        check("*.md", "readme.mdx", false);
        check("read??.md", "readme.md", true);
        check("read?.md", "readme.md", false);
        check("*", ".hidden", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
    }

    #[test]
    fn paths_match_whole() {
        check("docs/*.md", "docs/a.md", true);
        check("docs/*.md", "docs/deep/a.md", false);
        check("docs/*.md", "more/docs/a.md", false);
        check("./docs/*", "docs/a.md", true);
        check("docs/**/*.md", "docs/a.md", true);
        check("docs/**/*.md", "docs/b/c/a.md", true);
        check("**/a.md", "a.md", true);
        check("**/a.md", "x/y/a.md", true);
        check("**/a.md", "x/ya.md", false);
        check("docs/**", "docs/b/c.md", true);
        check("docs/**", "doc/c.md", false);
        check("src/**/t/*.rs", "src/t/a.rs", true);
        check("src/**/t/*.rs", "src/x/yt/a.rs", false);
    }

    #[test]
    fn classes() {
        check("[a-c]x", "bx", true);
        check("[a-c]x", "dx", false);
        check("[!a-c]x", "dx", true);
        check("[!a-c]x", "ax", false);
        check("[]]", "]", true);
        check("[a-]", "-", true);
        check("d[/]a", "d/a", false);
    }

    #[test]
    fn wrong_patterns() {
        for (pattern, want) in [
            ("", PatternError::Empty),
            ("./", PatternError::Empty),
            ("[a", PatternError::OpenClass),
            ("[", PatternError::OpenClass),
            ("/etc/*", PatternError::Form),
            ("a/../b", PatternError::Form),
            (&"x".repeat(257), PatternError::Long),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap_err(), want, "{pattern:?}");
        }
    }

    #[test]
    fn many_stars_cost_little() {
        let pattern = Pattern::parse(&"a*".repeat(128)).unwrap();
        assert!(!pattern.matches(&format!("{}b", "a".repeat(100))));
        assert!(pattern.matches(&"a".repeat(4_000)));
    }
}
