//! One tool as its server defines it, and a page of them: what an answer to `tools/list` says.

use super::canonical::{canonical, write, write_members, write_text};
use super::json::{Fault, Json, Reader};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;

/// Most tools of one server that are known, and of one page that are read.
pub const TOOLS_MAX: usize = 1024;
/// Longest name of a tool, in bytes; a longer one is cut and has a flaw.
pub const NAME_BYTES_MAX: usize = 256;
/// Longest definition that is kept to be compared with the next one, in bytes; of a longer one only the hash
/// is known.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 hexadecimal digits, as [`fmt::Display`] writes them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut out = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, at) in out.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(out))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A tool as its server defines it: all members, those that nobody knows too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name, at most [`NAME_BYTES_MAX`].
    pub name: Box<str>,
    /// Of its canonical form, whole. Of one with a flaw: of `raw` and its bytes as they came.
    pub hash: Hash,
    /// The same without its name: a tool that was renamed keeps it.
    pub body: Hash,
    /// Its canonical form, or its text where it has none; `None` beyond [`TEXT_BYTES_MAX`].
    pub text: Option<Arc<str>>,
    /// Why it has no canonical form.
    pub flaw: Option<Fault>,
}

impl Definition {
    /// Reads one definition; `None` when it has no name.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let whole = Json::read(text);
        let (name, fault) = match &whole {
            Ok(json) => (json.get("name")?.as_text()?.to_owned(), None),
            Err(fault) => (first_name(text)?, Some(*fault)),
        };
        let too_long = (name.len() > NAME_BYTES_MAX).then_some(Fault {
            at: 0,
            what: "its name is too long",
        });
        let flaw = fault.or(too_long);
        let name: Box<str> = start(&name, NAME_BYTES_MAX).into();
        let (canonical, body) = match (flaw, whole) {
            (None, Ok(Json::Object(members))) => {
                let mut all = String::with_capacity(text.len());
                write_members(members.iter(), &mut all);
                let mut body = String::with_capacity(text.len());
                write_members(members.iter().filter(|(k, _)| &**k != "name"), &mut body);
                (Some(all), Hash::of(body.as_bytes()))
            }
            // No object has the form of `raw`, so the two kinds of hashes never meet.
            _ => (None, Hash::of(format!("raw {text}").as_bytes())),
        };
        let hash = canonical
            .as_deref()
            .map_or(body, |c| Hash::of(c.as_bytes()));
        let kept = canonical.as_deref().unwrap_or(text);
        Some(Self {
            name,
            hash,
            body,
            text: (kept.len() <= TEXT_BYTES_MAX).then(|| kept.into()),
            flaw,
        })
    }

    /// Its value, when it is kept and has a canonical form.
    pub(super) fn json(&self) -> Option<Json> {
        self.text.as_deref().and_then(|text| Json::read(text).ok())
    }
}

/// The first bytes of a text, at most so many, cut between characters.
pub(super) fn start(text: &str, bytes_max: usize) -> &str {
    let mut cut = bytes_max.min(text.len());
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    &text[..cut]
}

/// The first `name` of an object, however flawed the rest is.
fn first_name(text: &str) -> Option<String> {
    let mut name = None;
    let mut reader = Reader::new(text);
    // What comes before a fault counts.
    let _ = reader.object(|key, reader| {
        if &*key == "name" && name.is_none() {
            if let Json::Text(text) = reader.value()? {
                name = Some(text.into_string());
            }
            return Ok(());
        }
        reader.skip().map(drop)
    });
    name
}

/// The hash of a set of tools: of the canonical form of a list of pairs of name and hash.
///
/// - `tools`: ascending by name.
pub(super) fn set_hash<'a>(tools: impl Iterator<Item = (&'a str, Hash)>) -> Hash {
    let mut text = String::from("[");
    for (i, (name, hash)) in tools.enumerate() {
        text.push_str(if i > 0 { ",[" } else { "[" });
        write_text(name, &mut text);
        text.push_str(&format!(",\"{hash}\"]"));
    }
    text.push(']');
    Hash::of(text.as_bytes())
}

/// One answer to `tools/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The tools in their order, at most [`TOOLS_MAX`]; those without a name are left out.
    pub tools: Vec<Definition>,
    /// `nextCursor` in its canonical form, when there is more.
    pub next: Option<Box<str>>,
}

impl Page {
    /// A page of these definitions.
    ///
    /// - `next`: JSON text of `nextCursor`.
    pub fn of<'t>(tools: impl Iterator<Item = &'t str>, next: Option<&str>) -> Self {
        Self {
            tools: tools.take(TOOLS_MAX).filter_map(Definition::read).collect(),
            // One without a canonical form is never asked with: the list ends here for all that can be known.
            next: next.map(|next| canonical(next).unwrap_or_default().into()),
        }
    }

    /// Reads an answer to `tools/list`. `Ok(None)`: it is another kind of answer, an error perhaps.
    ///
    /// # Errors
    /// [`Fault`]: it is no JSON, or two readers could see different lists in it.
    pub fn read(answer: &[u8]) -> Result<Option<Self>, Fault> {
        let text = std::str::from_utf8(answer).map_err(|e| Fault {
            at: e.valid_up_to(),
            what: "it is no UTF-8",
        })?;
        let mut page = None;
        let mut seen = 0;
        let mut reader = Reader::new(text);
        if reader.peek() != Some(b'{') {
            return Ok(None);
        }
        reader.object(|key, reader| match &*key {
            "result" => {
                once(&mut seen, RESULT)?;
                if reader.peek() == Some(b'{') {
                    page = Self::of_result(text, reader)?;
                    return Ok(());
                }
                reader.skip().map(drop)
            }
            _ => reader.skip().map(drop),
        })?;
        reader.end()?;
        Ok(page)
    }

    fn of_result(text: &str, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        let mut page = Self::default();
        let mut seen = 0;
        reader.object(|key, reader| match &*key {
            "tools" if reader.peek() == Some(b'[') => {
                once(&mut seen, TOOLS)?;
                reader.list(|reader| {
                    let at = reader.skip()?;
                    if page.tools.len() < TOOLS_MAX {
                        page.tools.extend(Definition::read(&text[at]));
                    }
                    Ok(())
                })
            }
            "nextCursor" => {
                once(&mut seen, CURSOR)?;
                let cursor = reader.value()?;
                if cursor != Json::Null {
                    let mut text = String::new();
                    write(&cursor, &mut text);
                    page.next = Some(text.into());
                }
                Ok(())
            }
            _ => reader.skip().map(drop),
        })?;
        Ok((seen & TOOLS != 0).then_some(page))
    }
}

const RESULT: u8 = 1;
const TOOLS: u8 = 2;
const CURSOR: u8 = 4;

/// What decides what is in the list may stand there once.
fn once(seen: &mut u8, key: u8) -> Result<(), Fault> {
    if *seen & key != 0 {
        return Err(Fault {
            at: 0,
            what: "`result`, `tools` or `nextCursor` stands there twice",
        });
    }
    *seen |= key;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Definition {
        Definition::read(text).unwrap()
    }

    #[test]
    fn the_hash_is_that_of_the_canonical_form() {
        let tool = read(r#"{ "name": "a", "description": "d" }"#);
        assert_eq!(
            tool.text.as_deref(),
            Some(r#"{"description":"d","name":"a"}"#)
        );
        // printf '{"description":"d","name":"a"}' | sha256sum
        assert_eq!(
            tool.hash.to_string(),
            "4dd41c51f8f073fe16440f8bbe9497dfdfd96f8b317e8e61089a00ff40b3ccd0"
        );
        assert_eq!(Hash::parse(&tool.hash.to_string()), Some(tool.hash));
        assert_eq!(tool.body, Hash::of(br#"{"description":"d"}"#));
    }

    #[test]
    fn every_member_counts_and_no_spelling() {
        let base = r#"{"name":"a","description":"d","inputSchema":{"type":"object"}}"#;
        let hash = read(base).hash;
        assert_eq!(
            hash,
            read(r#"{"inputSchema":{"type":"obj\u0065ct"},"description":"d","name":"a"}"#).hash
        );
        for more in [
            "\"title\":\"t\"",
            "\"_meta\":{}",
            "\"annotations\":{\"readOnlyHint\":true}",
            "\"icons\":[]",
            "\"outputSchema\":{}",
            "\"x\":null",
        ] {
            let text = base.replacen('{', &format!("{{{more},"), 1);
            assert_ne!(read(&text).hash, hash, "{more}");
        }
    }

    #[test]
    fn a_definition_without_a_canonical_form_is_told_by_its_bytes() {
        let one = read(r#"{"name":"a","description":"x","description":"y"}"#);
        assert!(one.flaw.unwrap().what.contains("twice"));
        let other = read(r#"{"name":"a","description":"x","description":"z"}"#);
        assert_eq!(&*one.name, "a");
        assert_ne!(one.hash, other.hash);
        assert_eq!(
            one.hash,
            read(r#"{"name":"a","description":"x","description":"y"}"#).hash
        );
        assert!(Definition::read(r#"{"description":"x"}"#).is_none());
        assert!(Definition::read(r#"{"name":1}"#).is_none());
        let long = read(&format!("{{\"name\":\"{}\"}}", "n".repeat(300)));
        assert_eq!(
            (long.name.len(), long.flaw.is_some()),
            (NAME_BYTES_MAX, true)
        );
    }

    #[test]
    fn a_long_definition_has_a_hash_and_no_text() {
        let text = |c: &str| {
            format!(
                "{{\"name\":\"a\",\"description\":\"{}\"}}",
                c.repeat(70_000)
            )
        };
        assert_eq!(read(&text("x")).text, None);
        assert_ne!(read(&text("x")).hash, read(&text("y")).hash);
    }

    #[test]
    fn pages() {
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}, {"name":"b","x":1e999},{}],"nextCursor":"c\u0031"}}"#;
        let page = Page::read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(page.next.as_deref(), Some("\"c1\""));
        let names: Vec<_> = page.tools.iter().map(|t| &*t.name).collect();
        assert_eq!(names, ["a", "b"]);
        let parts = [r#"{"name":"a"}"#, r#"{"name":"b","x":1e999}"#, "{}"];
        assert_eq!(Page::of(parts.into_iter(), Some("\"c1\"")), page);
        let none = |text: &str| Page::read(text.as_bytes()).unwrap().is_none();
        assert!(none(r#"{"error":{"code":1}}"#));
        assert!(none(r#"{"result":{"prompts":[]}}"#));
        assert!(none("[]"));
        let fault = |text: &str| Page::read(text.as_bytes()).unwrap_err();
        fault(r#"{"result":{"tools":[],"tools":[]}}"#);
        fault(r#"{"result":{"tools":[]},"result":{}}"#);
        fault(r#"{"result":{"tools":[],"nextCursor":"a","nextCursor":null}}"#);
        fault(r#"{"result":{"tools":[{]}}"#);
        assert!(Page::read(b"\xff").is_err());
    }
}
