//! Programs of Go: since Go 1.18 they say in a section of their own what they were built from.
//!
//! Source: the documentation of the package `debug/buildinfo`.

use crate::draft::Draft;
use crate::elf;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::{Component, Ecosystem, Inventory, limits};

const SECTION: &[u8] = b".go.buildinfo";
const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The texts stand in the section itself, behind its head.
const INLINE: u8 = 2;
const HEAD_BYTES: usize = 32;
/// The list of modules stands between marks of so many bytes.
const MARK_BYTES: usize = 16;
/// What databases call the packages that come with Go.
const STANDARD: &str = "stdlib";

/// Reads the modules that a program lists, and the version of Go.
///
/// None: no ELF program of Go. A module without a version is the project's own code.
///
/// - errors: the list is damaged, or was written before Go 1.18.
pub(crate) fn read(path: &str, program: &[u8]) -> Result<Option<Inventory>, ReadError> {
    let Some(section) = elf::section(program, SECTION) else {
        return Ok(None);
    };
    let fail = |why: &str| ReadError::whole(path, format!("the list of its Go modules {why}"));
    let head = section.strip_prefix(MAGIC);
    let flags = head.and_then(|head| head.get(1));
    let flags = flags.ok_or_else(|| fail("is damaged"))?;
    if flags & INLINE == 0 {
        return Err(fail("is in the form of before Go 1.18, which is not read"));
    }
    let mut rest = section.get(HEAD_BYTES..).unwrap_or_default();
    let version = text(&mut rest).ok_or_else(|| fail("is damaged"))?;
    let modules = text(&mut rest).ok_or_else(|| fail("is damaged"))?;
    let modules = match modules.len().checked_sub(MARK_BYTES) {
        Some(end) if end > MARK_BYTES && modules[end - 1] == b'\n' => &modules[MARK_BYTES..end],
        _ => &[],
    };
    if modules.len() as u64 > limits::AUDITABLE_BYTES {
        return Err(fail("is larger than 16 MiB"));
    }
    list(
        &String::from_utf8_lossy(version),
        Source::of(path, modules)?,
    )
    .map(Some)
}

/// A text with its length before it, seven bits to a byte.
fn text<'s>(rest: &mut &'s [u8]) -> Option<&'s [u8]> {
    let mut length = 0_usize;
    for shift in (0..35).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let (text, after) = rest.split_at_checked(length)?;
            *rest = after;
            return Some(text);
        }
    }
    None
}

/// A module of the list.
struct Module<'t> {
    at: usize,
    name: &'t str,
    version: &'t str,
    is_main: bool,
}

fn list(go: &str, source: Source<'_>) -> Result<Inventory, ReadError> {
    let mut modules: Vec<Module<'_>> = Vec::new();
    for (at, line) in source.lines() {
        let mut fields = line.trim_end_matches('\r').split('\t');
        let verb = fields.next().unwrap_or_default();
        let (Some(name), version) = (fields.next(), fields.next().unwrap_or_default()) else {
            continue;
        };
        match verb {
            "mod" | "dep" => modules.push(Module {
                at,
                name,
                version,
                is_main: verb == "mod",
            }),
            // What the module before it was replaced by; a folder has no version.
            "=>" => {
                let why = "it replaces a module, and there is none before it";
                let replaced = modules.last_mut().ok_or_else(|| source.error(at, why))?;
                (replaced.name, replaced.version) = (name, version);
            }
            _ => {}
        }
    }
    let mut draft = Draft::new(source);
    if modules.is_empty() {
        let why = "a program of Go that was built without modules: it says nothing of what it holds beside Go itself";
        draft.unchecked(source.file, why);
    }
    let word = go.split(' ').next().unwrap_or_default();
    if let Some(version) = word.strip_prefix("go") {
        draft.add(0, component(STANDARD, version))?;
    }
    for module in modules {
        if let Some(version) = module.version.strip_prefix('v') {
            let index = draft.add(module.at, component(module.name, version))?;
            draft.components()[index].is_direct = module.is_main;
        }
    }
    Ok(draft.finish())
}

fn component(name: &str, version: &str) -> Component {
    Component {
        version: Some(version.to_owned()),
        ..Component::new(Ecosystem::Go, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// - `flags`: of the head.
    fn program(flags: u8, go: &str, modules: &str) -> Vec<u8> {
        let mut section = MAGIC.to_vec();
        section.extend([8, flags]);
        section.resize(HEAD_BYTES, 0);
        for text in [go, modules] {
            let mut length = text.len();
            while length > 0x7f {
                section.push((length & 0x7f) as u8 | 0x80);
                length >>= 7;
            }
            section.push(length as u8);
            section.extend(text.as_bytes());
        }
        elf::tests::with_section(SECTION, &section)
    }

    fn modules(lines: &str) -> String {
        format!("{0}{lines}{0}", "m".repeat(MARK_BYTES))
    }

    #[test]
    fn modules_their_replacements_and_go_itself() {
        let lines = "path\texample.com/own/cmd\nmod\texample.com/own\tv1.4.0\th1:a=\n\
            dep\tgolang.org/x/net\tv0.16.0\th1:b=\n\
            dep\texample.com/old\tv1.0.0\n=>\texample.com/new\tv2.0.0+incompatible\th1:c=\n\
            dep\texample.com/folder\tv0.0.0\n=>\t./folder\t(devel)\t\n\
            build\t-compiler=gc\nbuild\tvcs.revision=dep\n";
        let bytes = program(INLINE, "go1.21.4 X:nocoverageredesign", &modules(lines));
        let inventory = read("server", &bytes).unwrap().unwrap();
        let shown: Vec<_> = inventory
            .components
            .iter()
            .map(|one| {
                (
                    one.name.as_str(),
                    one.version.as_deref().unwrap(),
                    one.is_direct,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("stdlib", "1.21.4", false),
                ("example.com/own", "1.4.0", true),
                ("golang.org/x/net", "0.16.0", false),
                ("example.com/new", "2.0.0+incompatible", false),
            ]
        );
    }

    #[test]
    fn own_code_has_no_version_and_a_development_version_of_go_is_none() {
        let bytes = program(
            INLINE,
            "devel go1.22-abc",
            &modules("mod\town\t(devel)\t\n"),
        );
        assert_eq!(read("a", &bytes).unwrap().unwrap().components, []);
        // Built without modules.
        let bytes = program(INLINE, "go1.21.4", "");
        let inventory = read("a", &bytes).unwrap().unwrap();
        assert_eq!(inventory.components.len(), 1);
        assert!(inventory.unchecked[0].why.contains("without modules"));
    }

    #[test]
    fn what_is_damaged_or_old_is_refused() {
        assert_eq!(read("a", b"\x7fELF").unwrap(), None);
        let why = |bytes: &[u8]| read("a", bytes).unwrap_err().to_string();
        assert!(why(&program(0, "", "")).contains("before Go 1.18"));
        assert!(why(&elf::tests::with_section(SECTION, b"x")).contains("damaged"));
        assert!(why(&elf::tests::with_section(SECTION, MAGIC)).contains("damaged"));
        let mut endless = MAGIC.to_vec();
        endless.extend([8, INLINE]);
        endless.resize(HEAD_BYTES + 20, 0xff);
        assert!(why(&elf::tests::with_section(SECTION, &endless)).contains("damaged"));
        let lost = program(INLINE, "go1.21", &modules("=>\ta\tv1.0.0\n"));
        assert!(why(&lost).contains("none before it"));
    }
}
