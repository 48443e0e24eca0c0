//! JSON, and the JSON with comments and trailing commas that bun writes.

use std::borrow::Cow;

use super::node::{self, Budget, Node, Value};
use crate::read_error::ReadError;
use crate::source::Source;

/// What beside JSON is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// RFC 8259.
    Json,
    /// With `//` and `/* */` comments, and a comma after the last entry.
    WithComments,
    /// RFC 8259 where a key may stand twice and the last one counts: published packages do that, and Node takes it.
    LastKey,
}

/// Reads a whole text.
///
/// - errors: the first place where it is not JSON, says a key twice or goes beyond a bound.
pub(crate) fn read<'t>(source: Source<'t>, dialect: Dialect) -> Result<Node<'t>, ReadError> {
    let mut reader = Reader {
        source,
        dialect,
        at: 0,
        budget: Budget::new(source),
    };
    let node = reader.value(0)?;
    reader.skip()?;
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.fail("the text goes on after its end")),
    }
}

struct Reader<'t> {
    source: Source<'t>,
    dialect: Dialect,
    at: usize,
    budget: Budget<'t>,
}

impl<'t> Reader<'t> {
    fn value(&mut self, depth: usize) -> Result<Node<'t>, ReadError> {
        self.skip()?;
        let at = self.at;
        self.budget.take(at, depth)?;
        let value = match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(_) => Value::Plain(self.plain()?),
            None => return Err(self.fail("the text ends where a value belongs")),
        };
        Ok(Node { at, value })
    }

    fn map(&mut self, depth: usize) -> Result<Value<'t>, ReadError> {
        let mut entries = Vec::new();
        self.at += 1;
        while !self.closes(b'}', entries.is_empty())? {
            if self.peek() != Some(b'"') {
                return Err(self.fail("expected a key in quotes or `}`"));
            }
            let key = self.string()?;
            self.skip()?;
            if self.peek() != Some(b':') {
                return Err(self.fail("expected `:`"));
            }
            self.at += 1;
            entries.push((key, self.value(depth + 1)?));
        }
        match self.dialect {
            Dialect::LastKey => Ok(node::last_map(entries)),
            Dialect::Json | Dialect::WithComments => node::map(&self.source, entries),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'t>, ReadError> {
        let mut items = Vec::new();
        self.at += 1;
        while !self.closes(b']', items.is_empty())? {
            items.push(self.value(depth + 1)?);
        }
        Ok(Value::List(items))
    }

    /// Whether the list or map ends here; else the next entry follows.
    fn closes(&mut self, end: u8, is_first: bool) -> Result<bool, ReadError> {
        self.skip()?;
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(true);
        }
        if is_first {
            return Ok(false);
        }
        if self.peek() != Some(b',') {
            return Err(self.fail(format!("expected `,` or `{}`", char::from(end))));
        }
        self.at += 1;
        self.skip()?;
        if self.dialect == Dialect::WithComments && self.peek() == Some(end) {
            self.at += 1;
            return Ok(true);
        }
        Ok(false)
    }

    fn string(&mut self) -> Result<Cow<'t, str>, ReadError> {
        let start = self.at;
        let bytes = self.source.text.as_bytes();
        let mut is_escaped = false;
        let mut end = start + 1;
        loop {
            match bytes.get(end) {
                None => return Err(self.source.error(start, "this text does not end")),
                Some(b'"') => break,
                Some(b'\\') => {
                    is_escaped = true;
                    end += 2;
                }
                Some(b) if *b < 0x20 => {
                    return Err(self.source.error(end, "a control character within a text"));
                }
                Some(_) => end += 1,
            }
        }
        self.at = end + 1;
        if !is_escaped {
            return Ok(Cow::Borrowed(&self.source.text[start + 1..end]));
        }
        serde_json::from_str::<String>(&self.source.text[start..=end])
            .map(Cow::Owned)
            .map_err(|_| self.source.error(start, "a wrong escape within this text"))
    }

    /// A number, `true`, `false` or `null`.
    fn plain(&mut self) -> Result<Cow<'t, str>, ReadError> {
        let rest = &self.source.text[self.at..];
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        let word = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        if word.len() > 400 || serde_json::from_str::<serde::de::IgnoredAny>(word).is_err() {
            return Err(self.fail("expected a value"));
        }
        self.at += word.len();
        Ok(Cow::Borrowed(word))
    }

    /// White space, and comments where they are taken.
    fn skip(&mut self) -> Result<(), ReadError> {
        loop {
            let rest = &self.source.text.as_bytes()[self.at..];
            let spaces = rest
                .iter()
                .take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
                .count();
            self.at += spaces;
            if self.dialect != Dialect::WithComments {
                return Ok(());
            }
            let rest = &self.source.text[self.at..];
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let end = comment.find("*/");
                self.at += end.ok_or_else(|| self.fail("this comment does not end"))? + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.source.text.as_bytes().get(self.at).copied()
    }

    fn fail(&self, text: impl Into<String>) -> ReadError {
        self.source.error(self.at, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(text: &str, dialect: Dialect) -> Result<String, String> {
        let source = Source { file: "f", text };
        read(source, dialect)
            .map(|node| shown(&node))
            .map_err(|error| error.to_string())
    }

    fn shown(node: &Node<'_>) -> String {
        match &node.value {
            Value::Text(text) => serde_json::to_string(text).unwrap(),
            Value::Plain(text) => text.to_string(),
            Value::List(items) => format!(
                "[{}]",
                items.iter().map(shown).collect::<Vec<_>>().join(",")
            ),
            Value::Map(entries) => {
                let one = |(key, node): &(Cow<'_, str>, Node<'_>)| {
                    format!("{}:{}", serde_json::to_string(key).unwrap(), shown(node))
                };
                format!(
                    "{{{}}}",
                    entries.iter().map(one).collect::<Vec<_>>().join(",")
                )
            }
        }
    }

    #[test]
    fn json_is_read_as_it_stands() {
        let text = r#"{"a":[1,-2.5e3,true,null],"b\n\u00e9\ud83d\ude00":{"":"x"},"c":[],"d":{}}"#;
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let ours: serde_json::Value =
            serde_json::from_str(&text_of(text, Dialect::Json).unwrap()).unwrap();
        assert_eq!(ours, value);
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for (text, expected) in [
            ("", "f:1:1: the text ends where a value belongs"),
            ("{\n \"a\" 1}", "f:2:6: expected `:`"),
            ("[1 2]", "f:1:4: expected `,` or `]`"),
            ("[1,]", "f:1:4: expected a value"),
            ("{\"a\":1,\n\"a\":2}", "f:2:5: the key \"a\" stands twice"),
            ("{} {}", "f:1:4: the text goes on after its end"),
            ("[01]", "f:1:2: expected a value"),
            ("\"abc", "f:1:1: this text does not end"),
            ("\"a\\", "f:1:1: this text does not end"),
            ("\"\\x\"", "f:1:1: a wrong escape within this text"),
            ("\"a\tb\"", "f:1:3: a control character within a text"),
            ("// c\n1", "f:1:1: expected a value"),
        ] {
            assert_eq!(
                text_of(text, Dialect::Json).unwrap_err(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn comments_and_last_commas_are_taken_where_bun_writes_them() {
        let text = "// one\n{\"a\": [1, /* two */ 2,], // \"b\"\n}";
        assert_eq!(
            text_of(text, Dialect::WithComments).unwrap(),
            "{\"a\":[1,2]}"
        );
        let error = text_of("{/* ", Dialect::WithComments).unwrap_err();
        assert_eq!(error, "f:1:2: this comment does not end");
    }

    #[test]
    fn depth_is_bounded() {
        let text = "[".repeat(100_000);
        assert_eq!(
            text_of(&text, Dialect::Json).unwrap_err(),
            "f:1:102: deeper than 100 levels"
        );
    }
}
