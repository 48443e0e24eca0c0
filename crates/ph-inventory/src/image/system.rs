//! The packages of the system: Debian's and Alpine's.

use crate::draft::Draft;
use crate::purl::Distribution;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::{Component, Ecosystem, Inventory, Unchecked};

/// What os-release says, and whether it was needed.
#[derive(Debug, Default)]
pub(crate) struct System {
    id: Option<String>,
    version: Option<String>,
    pretty: Option<String>,
    is_unknown: bool,
}

impl System {
    /// Lines of a shell: `ID=debian`, `VERSION_ID="12"`. The first file that says something counts.
    pub(crate) fn take_os_release(&mut self, bytes: &[u8]) {
        if self.id.is_some() {
            return;
        }
        for line in String::from_utf8_lossy(bytes).lines() {
            let Some((key, value)) = line.trim().split_once('=') else {
                continue;
            };
            let value = value.trim_matches(['"', '\'']).to_owned();
            match key {
                "ID" => self.id = Some(value),
                "VERSION_ID" => self.version = Some(value),
                "VERSION_CODENAME" if self.version.is_none() => self.version = Some(value),
                "PRETTY_NAME" => self.pretty = Some(value),
                _ => {}
            }
        }
    }

    pub(crate) fn name(&self) -> Option<String> {
        self.pretty.clone().or_else(|| self.id.clone())
    }

    /// That packages are of a system whose advisories are not known here.
    pub(crate) fn unchecked(&self) -> Option<Unchecked> {
        self.is_unknown.then(|| Unchecked {
            what: format!(
                "packages of the system {:?}",
                self.id.as_deref().unwrap_or("?")
            ),
            why: "no advisories are known by this name".to_owned(),
        })
    }

    fn ecosystem(&mut self, usual: Ecosystem) -> Ecosystem {
        let Some(id) = &self.id else { return usual };
        let distribution = Distribution::new(id, self.version.as_deref().unwrap_or_default());
        distribution.ecosystem().unwrap_or_else(|| {
            self.is_unknown = true;
            Ecosystem::Other(format!("{}:{id}", usual.base()))
        })
    }

    /// `status`, or one file of `status.d` as images without dpkg have them: paragraphs of fields.
    pub(crate) fn dpkg(&mut self, path: &str, bytes: &[u8]) -> Result<Inventory, ReadError> {
        let ecosystem = self.ecosystem(Ecosystem::Debian(None));
        let text = String::from_utf8_lossy(bytes);
        let source = Source {
            file: path,
            text: &text,
        };
        let mut draft = Draft::new(source);
        let mut paragraph = Paragraph::default();
        for (at, line) in source.lines().chain([(text.len(), "")]) {
            if line.trim().is_empty() {
                let done = std::mem::take(&mut paragraph);
                if done.is_installed && !done.package.is_empty() {
                    draft.add(done.at, done.component(&ecosystem))?;
                }
                continue;
            }
            // A line that begins with a space goes on with the field before it, none of which counts here.
            if line.starts_with([' ', '\t']) {
                continue;
            }
            let (key, value) = line
                .split_once(':')
                .ok_or_else(|| source.error(at, "expected `Field: value`"))?;
            paragraph.take(at, key, value.trim());
        }
        Ok(draft.finish())
    }

    /// `installed` of apk: a letter, a colon and a value per line.
    pub(crate) fn apk(&mut self, path: &str, bytes: &[u8]) -> Result<Inventory, ReadError> {
        let ecosystem = self.ecosystem(Ecosystem::Alpine(None));
        let text = String::from_utf8_lossy(bytes);
        let source = Source {
            file: path,
            text: &text,
        };
        let mut draft = Draft::new(source);
        let (mut name, mut version, mut origin) = (None, None, None);
        for (at, line) in source.lines().chain([(text.len(), "")]) {
            match line.split_once(':') {
                Some(("P", value)) => name = Some(value),
                Some(("V", value)) => version = Some(value),
                Some(("o", value)) => origin = Some(value),
                Some(_) => {}
                None if line.is_empty() => {
                    if let Some(name) = name.take() {
                        let component = Component {
                            version: version.map(str::to_owned),
                            source_name: origin.filter(|origin| *origin != name).map(str::to_owned),
                            ..Component::new(ecosystem.clone(), name)
                        };
                        draft.add(at, component)?;
                    }
                    (version, origin) = (None, None);
                }
                None => return Err(source.error(at, "expected `letter:value`")),
            }
        }
        Ok(draft.finish())
    }
}

/// A package of dpkg while its fields are read.
struct Paragraph<'t> {
    at: usize,
    package: &'t str,
    version: Option<&'t str>,
    source: Option<&'t str>,
    is_installed: bool,
}

impl Default for Paragraph<'_> {
    fn default() -> Self {
        Self {
            at: 0,
            package: "",
            version: None,
            source: None,
            // The files of `status.d` have no status: what is there is installed.
            is_installed: true,
        }
    }
}

impl<'t> Paragraph<'t> {
    fn take(&mut self, at: usize, key: &str, value: &'t str) {
        match key {
            "Package" => (self.at, self.package) = (at, value),
            "Version" => self.version = Some(value),
            "Source" => self.source = Some(value),
            // `install ok installed`; `config-files` and others are what is left of a package.
            "Status" => self.is_installed = value.ends_with(" installed"),
            _ => {}
        }
    }

    fn component(&self, ecosystem: &Ecosystem) -> Component {
        // `Source: gcc-12 (12.2.0-14)`: the version only where it is another one.
        let (name, version) = match self.source.map(|source| source.split_once(' ')) {
            Some(Some((name, version))) => {
                (Some(name), Some(version.trim_matches(['(', ')', ' '])))
            }
            Some(None) => (self.source, None),
            None => (None, None),
        };
        Component {
            version: self.version.map(str::to_owned),
            source_name: name.filter(|name| *name != self.package).map(str::to_owned),
            source_version: version.map(str::to_owned),
            ..Component::new(ecosystem.clone(), self.package)
        }
    }
}
