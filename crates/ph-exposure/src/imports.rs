//! The names that the wanted package has in one file.

use crate::code::Import;
use crate::language::Language;
use crate::wanted::Wanted;

/// What a file calls the package and its parts.
#[derive(Debug)]
pub(crate) struct Imports<'a> {
    wanted: &'a Wanted,
    language: Language,
    /// Local name, and what it stands for below the package.
    bound: Vec<(String, Vec<String>)>,
}

impl<'a> Imports<'a> {
    pub(crate) fn new(wanted: &'a Wanted, language: Language) -> Self {
        Self {
            wanted,
            language,
            bound: Vec::new(),
        }
    }

    /// What of a module lies below the wanted package.
    pub(crate) fn below<'m>(&self, module: &'m str) -> Option<Vec<&'m str>> {
        self.wanted.below(module, self.language)
    }

    pub(crate) fn bind(&mut self, imports: Vec<Import>) {
        for import in imports {
            if let Some(local) = import.local {
                self.bound.push((local, import.segments));
            }
        }
    }

    /// What an expression names below the package; none when it does not begin with it.
    pub(crate) fn segments(&self, chain: &[&str]) -> Option<Vec<String>> {
        let (first, rest) = chain.split_first()?;
        let (_, segments) = self.bound.iter().find(|(local, _)| local == first)?;
        let rest = rest.iter().map(|&name| name.to_owned());
        Some(segments.iter().cloned().chain(rest).collect())
    }
}
