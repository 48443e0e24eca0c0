//! One line, read from left to right.

use super::Format;

/// What is left of a line.
pub(super) struct Line<'a>(&'a str);

/// A number as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i64),
    Float(f64),
}

impl<'a> Line<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    pub(super) fn rest(&self) -> &'a str {
        self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rest, short enough for a message.
    pub(super) fn shown(&self) -> String {
        self.0.chars().take(40).collect()
    }

    pub(super) fn blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    pub(super) fn take(&mut self, c: char) -> Result<(), String> {
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                Ok(())
            }
            None => Err(format!("`{c}` expected at `{}`", self.shown())),
        }
    }

    fn split(&mut self, is_in: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !is_in(c)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        word
    }

    /// Up to the next blank.
    pub(super) fn word(&mut self) -> &'a str {
        self.split(|c| c != ' ' && c != '\t')
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, perhaps nothing.
    pub(super) fn metric_name(&mut self) -> &'a str {
        if self.0.starts_with(|c: char| c.is_ascii_digit()) {
            return "";
        }
        self.split(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    }

    /// A text in quotes, if one comes next.
    pub(super) fn quoted(&mut self) -> Option<Result<String, String>> {
        self.0.starts_with('"').then(|| self.text())
    }

    fn text(&mut self) -> Result<String, String> {
        self.take('"')?;
        let mut out = String::new();
        let mut characters = self.0.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.0 = &self.0[at + 1..];
                    return Ok(out);
                }
                '\\' => match characters.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, c @ ('\\' | '"'))) => out.push(c),
                    Some((_, other)) => out.extend(['\\', other]),
                    None => break,
                },
                c => out.push(c),
            }
        }
        Err("a text without its closing quote".to_owned())
    }

    /// `{a="b",c="d",}`, if there is one. `may_name`: a text alone is the metric's name.
    pub(super) fn labels(
        &mut self,
        out: &mut Vec<(String, String)>,
        may_name: bool,
    ) -> Result<(), String> {
        let Some(rest) = self.0.strip_prefix('{') else {
            return Ok(());
        };
        self.0 = rest;
        loop {
            self.blanks();
            if let Some(rest) = self.0.strip_prefix('}') {
                self.0 = rest;
                return Ok(());
            }
            out.push(self.label(may_name)?);
            self.blanks();
            if !self.0.starts_with('}') {
                self.take(',')?;
            }
        }
    }

    fn label(&mut self, may_name: bool) -> Result<(String, String), String> {
        let name = match self.quoted() {
            Some(text) => {
                let text = text?;
                self.blanks();
                if may_name && !self.0.starts_with('=') {
                    return Ok((ph_promql::METRIC_NAME.to_owned(), text));
                }
                text
            }
            None => self.metric_name().to_owned(),
        };
        if name.is_empty() || name == ph_promql::METRIC_NAME {
            return Err(format!("a label's name expected at `{}`", self.shown()));
        }
        self.blanks();
        self.take('=')?;
        self.blanks();
        Ok((name, self.text()?))
    }

    /// The value of a sample.
    pub(super) fn value(&mut self) -> Result<f64, String> {
        self.blanks();
        let word = self.word();
        let number = word.parse::<f64>().ok();
        match number {
            // Whatever its bits were: one pattern means that a series ends.
            Some(v) if v.is_nan() => Ok(f64::NAN),
            Some(v) => Ok(v),
            None if word.is_empty() => Err("a sample without a value".to_owned()),
            None => Err(format!("`{}` is no number", Line(word).shown())),
        }
    }

    /// The time of a sample, if there is one.
    pub(super) fn time(&mut self, format: Format) -> Result<Option<i64>, String> {
        self.blanks();
        if self.0.is_empty() || self.0.starts_with('#') {
            return Ok(None);
        }
        let word = self.word();
        let number = match word.parse::<i64>() {
            Ok(whole) => Number::Whole(whole),
            Err(_) => Number::Float(
                word.parse()
                    .map_err(|_| format!("`{}` is no time", Line(word).shown()))?,
            ),
        };
        number.as_time(format).map(Some)
    }
}
