//! What is looked for, and where.

use crate::language::Language;

/// A file of the server's own source: not of what it depends on.
#[derive(Debug, Clone, Copy)]
pub struct SourceFile<'a> {
    /// Relative to the server's folder; decides the language.
    pub path: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// The package that is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The names under which source imports it: npm's name, a Python module, a Rust crate with `_`.
    pub modules: Vec<String>,
    /// The functions and classes that the advisory names; empty: it names none, and any use counts.
    pub symbols: Vec<String>,
}

/// Distributions of PyPI whose module has another name.
const PYTHON_MODULES: &[(&str, &str)] = &[
    ("attrs", "attr"),
    ("beautifulsoup4", "bs4"),
    ("gitpython", "git"),
    ("opencv-python", "cv2"),
    ("pillow", "PIL"),
    ("protobuf", "google"),
    ("pyjwt", "jwt"),
    ("python-dateutil", "dateutil"),
    ("python-dotenv", "dotenv"),
    ("python-jose", "jose"),
    ("python-multipart", "multipart"),
    ("pyyaml", "yaml"),
    ("scikit-learn", "sklearn"),
    ("setuptools", "pkg_resources"),
];

impl Wanted {
    /// A package by its ecosystem's OSV name. The modules of a Python distribution that is installed are better read
    /// from its `top_level.txt`.
    #[must_use]
    pub fn package(ecosystem: &str, name: &str, symbols: Vec<String>) -> Self {
        let modules = match ecosystem {
            "PyPI" => python_modules(name),
            "crates.io" => vec![name.replace('-', "_")],
            _ => vec![name.to_owned()],
        };
        Self { modules, symbols }
    }

    /// What of a module's path lies below the package: none when it is another package's.
    pub(crate) fn below<'m>(&self, module: &'m str, language: Language) -> Option<Vec<&'m str>> {
        let separator = language.separator();
        self.modules.iter().find_map(|wanted| {
            let rest = module.strip_prefix(wanted.as_str())?;
            if rest.is_empty() {
                return Some(Vec::new());
            }
            let below = rest.strip_prefix(separator)?;
            Some(below.split(separator).map(without_extension).collect())
        })
    }

    /// Whether one of the names is one that the advisory names. A name that it writes as a path counts by its end.
    pub(crate) fn names(&self, segments: &[String]) -> bool {
        self.symbols.iter().any(|symbol| {
            let end = symbol.rsplit(['.', ':', '/', '#']).next().unwrap_or(symbol);
            let end = end.trim_end_matches("()");
            segments.iter().any(|segment| segment == end)
        })
    }
}

fn python_modules(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let mut modules = vec![
        name.replace(['-', '.'], "_"),
        lower.replace(['-', '.'], "_"),
    ];
    modules.extend(
        PYTHON_MODULES
            .iter()
            .filter(|(distribution, _)| *distribution == lower)
            .map(|(_, module)| (*module).to_owned()),
    );
    modules.dedup();
    modules
}

/// `lodash/merge.js` is `merge`.
fn without_extension(segment: &str) -> &str {
    let known = [".js", ".cjs", ".mjs"];
    known
        .iter()
        .find_map(|end| segment.strip_suffix(end))
        .unwrap_or(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_below_the_package_is_the_packages() {
        let wanted = Wanted::package("npm", "lodash", Vec::new());
        assert_eq!(wanted.below("lodash", Language::JavaScript), Some(vec![]));
        assert_eq!(
            wanted.below("lodash/merge.js", Language::JavaScript),
            Some(vec!["merge"])
        );
        assert_eq!(wanted.below("lodash-es", Language::JavaScript), None);
        assert_eq!(wanted.below("./lodash", Language::JavaScript), None);
        let wanted = Wanted::package("PyPI", "PyYAML", Vec::new());
        assert_eq!(
            wanted.below("yaml.loader", Language::Python),
            Some(vec!["loader"])
        );
        let wanted = Wanted::package("crates.io", "tokio-util", Vec::new());
        assert_eq!(
            wanted.below("tokio_util::io", Language::Rust),
            Some(vec!["io"])
        );
    }

    #[test]
    fn a_symbol_counts_by_its_end() {
        let wanted = Wanted::package("npm", "lodash", vec!["lodash.merge()".into()]);
        assert!(wanted.names(&["merge".into()]));
        assert!(!wanted.names(&["mergeWith".into()]));
    }
}
