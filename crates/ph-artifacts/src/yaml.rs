//! YAML, as much of it as is written here: mappings in the order in which they were made, lists, texts
//! and words, comments before a key.

/// What the items of a list take at most when they stand behind each other, in bytes.
const ONE_LINE: usize = 400;

/// A node.
#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    /// Written in single quotes: any text, also one with templates in it.
    Text(String),
    /// Written as it is: a number, a truth, a duration.
    Word(String),
    /// Several lines that stay lines: a script.
    Script(Vec<String>),
    /// A text or a word that whoever installs it may set otherwise, where the file is a template.
    Setting(Setting),
    List(Vec<Yaml>),
    Map(Map),
}

/// A value by its name.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// As in `resources.requests.cpu`.
    pub(crate) name: &'static str,
    /// What it is for, for whoever sets it.
    pub(crate) about: &'static str,
    /// What it is where nobody says otherwise: a text or a word.
    pub(crate) value: Box<Yaml>,
}

/// A mapping.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Lines before the key, without `#`.
    comment: Vec<String>,
    key: String,
    value: Yaml,
}

impl Map {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<Yaml>) -> Self {
        self.put(key, value);
        self
    }

    pub(crate) fn put(&mut self, key: &str, value: impl Into<Yaml>) {
        self.put_commented(Vec::new(), key, value);
    }

    pub(crate) fn put_commented(
        &mut self,
        comment: Vec<String>,
        key: &str,
        value: impl Into<Yaml>,
    ) {
        self.entries.push(Entry {
            comment,
            key: key.to_owned(),
            value: value.into(),
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// The mapping below `key`, made where it is not there.
    pub(crate) fn below(&mut self, key: &str) -> &mut Self {
        let found = self.entries.iter().position(|entry| entry.key == key);
        let nth = found.unwrap_or_else(|| {
            self.put(key, Self::new());
            self.entries.len() - 1
        });
        let value = &mut self.entries[nth].value;
        if !matches!(value, Yaml::Map(_)) {
            *value = Self::new().into();
        }
        match value {
            Yaml::Map(map) => map,
            _ => unreachable!("a mapping was put there"),
        }
    }

    /// With each node made into another one, comments left as they are.
    pub(crate) fn mapped(self, change: &mut impl FnMut(Yaml) -> Yaml) -> Self {
        let entries = self.entries.into_iter();
        Self {
            entries: entries
                .map(|entry| Entry {
                    value: entry.value.mapped(change),
                    ..entry
                })
                .collect(),
        }
    }

    /// The whole text.
    ///
    /// - `head`: comment lines before all, without `#`.
    pub(crate) fn document(&self, head: &str) -> String {
        let mut out = String::new();
        for line in head.lines() {
            comment(&mut out, 0, line);
        }
        self.write(&mut out, 0);
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        for entry in &self.entries {
            for line in &entry.comment {
                comment(out, depth, line);
            }
            indent(out, depth);
            out.push_str(&key(&entry.key));
            out.push(':');
            entry.value.write_after_key(out, depth);
        }
    }
}

impl Yaml {
    pub(crate) fn word(word: impl Into<String>) -> Self {
        Self::Word(word.into())
    }

    fn write_after_key(&self, out: &mut String, depth: usize) {
        match self {
            Self::Map(map) if map.is_empty() => out.push_str(" {}\n"),
            Self::Map(map) => {
                out.push('\n');
                map.write(out, depth + 1);
            }
            Self::List(items) if self.is_short() => {
                let items: Vec<_> = items.iter().map(Self::scalar).collect();
                out.push_str(&format!(" [{}]\n", items.join(", ")));
            }
            Self::List(items) => {
                out.push('\n');
                for item in items {
                    item.write_item(out, depth + 1);
                }
            }
            Self::Script(lines) => {
                out.push_str(" |\n");
                for line in lines {
                    if !line.is_empty() {
                        indent(out, depth + 1);
                    }
                    out.push_str(line);
                    out.push('\n');
                }
            }
            Self::Text(_) | Self::Word(_) | Self::Setting(_) => {
                out.push_str(&format!(" {}\n", self.scalar()));
            }
        }
    }

    /// The first key of a mapping stands behind the dash.
    fn write_item(&self, out: &mut String, depth: usize) {
        let mut inner = String::new();
        match self {
            Self::Map(map) => map.write(&mut inner, depth + 1),
            Self::List(_) | Self::Script(_) => self.write_after_key(&mut inner, depth + 1),
            Self::Text(_) | Self::Word(_) | Self::Setting(_) => {
                inner = format!("{}\n", self.scalar());
            }
        }
        // Comments of the first key stay above it, behind the dash.
        indent(out, depth);
        out.push_str("- ");
        out.push_str(inner.trim_start());
    }

    /// A list that is read at a glance on one line.
    fn is_short(&self) -> bool {
        let Self::List(items) = self else {
            return false;
        };
        let length: usize = items.iter().map(|item| item.scalar().len() + 2).sum();
        items.iter().all(Self::is_scalar) && (length <= ONE_LINE || items.len() == 1)
    }

    fn is_scalar(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Word(_) | Self::Setting(_))
    }

    /// Each node that has no parts made into another one.
    fn mapped(self, change: &mut impl FnMut(Self) -> Self) -> Self {
        match self {
            Self::Map(map) => map.mapped(change).into(),
            Self::List(items) => {
                Self::List(items.into_iter().map(|item| item.mapped(change)).collect())
            }
            leaf => change(leaf),
        }
    }

    fn scalar(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Word(word) => word.clone(),
            Self::Setting(setting) => setting.value.scalar(),
            Self::List(_) | Self::Map(_) | Self::Script(_) => String::new(),
        }
    }
}

impl From<Map> for Yaml {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<Vec<Self>> for Yaml {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items)
    }
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Yaml {
    fn from(number: u32) -> Self {
        Self::Word(number.to_string())
    }
}

impl From<Setting> for Yaml {
    fn from(setting: Setting) -> Self {
        Self::Setting(setting)
    }
}

impl From<bool> for Yaml {
    fn from(truth: bool) -> Self {
        Self::Word(truth.to_string())
    }
}

impl FromIterator<Yaml> for Yaml {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        Self::List(items.into_iter().collect())
    }
}

fn comment(out: &mut String, depth: usize, line: &str) {
    indent(out, depth);
    out.push_str(format!("# {line}").trim_end());
    out.push('\n');
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn key(key: &str) -> String {
    let is_plain = key
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_plain && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        key.to_owned()
    } else {
        quoted(key)
    }
}

/// In single quotes only the quote itself means something; what is no text of one line is escaped in
/// double quotes, as in JSON.
fn quoted(text: &str) -> String {
    if text.chars().any(char::is_control) {
        serde_json::Value::from(text).to_string()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_laid_out_and_quoted() {
        let inner = Map::new()
            .with("a-b", "it's {{ $x }}: # no comment")
            .with("é", Yaml::word("15s"));
        let mut map = Map::new().with("empty", Map::new()).with("none", vec![]);
        map.put_commented(
            vec!["why".into(), String::new()],
            "items",
            vec![inner.clone().into(), "x\ny".into()],
        );
        map.put("words", vec![Yaml::from(1), "true".into()]);
        map.put("map", inner);
        let script = ["a: b", "  c"].map(str::to_owned).to_vec();
        map.put("run", Map::new().with("script", Yaml::Script(script)));
        let want = "\
# head
empty: {}
none: []
# why
#
items:
  - a-b: 'it''s {{ $x }}: # no comment'
    'é': 15s
  - \"x\\ny\"
words: [1, 'true']
map:
  a-b: 'it''s {{ $x }}: # no comment'
  'é': 15s
run:
  script: |
    a: b
      c
";
        assert_eq!(map.document("head"), want);
    }
}
