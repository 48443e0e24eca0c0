//! What hostile inputs are aimed at: a file that must not be read, a folder, an address. Gone when it is dropped.

use std::fs;
use std::path::{Path, PathBuf};

use ph_vuln::probe::Canary;
use ph_wire::child::ChildSpec;
use tempfile::TempDir;

use super::address::Address;
use super::session::Trouble;

/// Loaded into Node before the server's own code: says on standard error which marks are on the prototype of all
/// objects, and takes them off again.
const LOOK: &str = r"'use strict';
const word = process.env.PILOTHOUSE_PROBE_WORD;
const look = () => {
  for (const key of Object.keys(Object.prototype)) {
    if (key.startsWith(word)) {
      process.stderr.write('\npilothouse-probe polluted ' + key + '\n');
      delete Object.prototype[key];
    }
  }
};
if (word) {
  setInterval(look, 5).unref();
  process.on('exit', look);
}
";

/// Everything that is the tester's own.
#[derive(Debug)]
pub(super) struct Scene {
    canary: Canary,
    folder: TempDir,
    address: Address,
    /// The folder beside the allowed one.
    beside: Option<PathBuf>,
}

impl Scene {
    pub(super) async fn build(allowed: Option<&Path>) -> Result<Self, Trouble> {
        let word = word()?;
        let content = self::word()?;
        let folder = TempDir::with_prefix("pilothouse-probe-").map_err(Trouble::Files)?;
        let file = folder.path().join("outside.txt");
        fs::write(&file, &content).map_err(Trouble::Files)?;
        fs::write(folder.path().join("look.cjs"), LOOK).map_err(Trouble::Files)?;
        let beside = allowed
            .map(|allowed| beside(allowed, &word, &content))
            .transpose()?;
        let address = Address::listen().await.map_err(Trouble::Files)?;
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let canary = Canary {
            file: shown(&file),
            beside: beside
                .as_ref()
                .map(|folder| shown(&folder.join("outside.txt"))),
            content,
            folder: shown(folder.path()),
            address: address.url(),
            word,
        };
        Ok(Self {
            canary,
            folder,
            address,
            beside,
        })
    }

    pub(super) fn canary(&self) -> &Canary {
        &self.canary
    }

    /// The same instance, with the look at prototypes in it if it is one of Node.
    pub(super) fn dress(&self, spec: &ChildSpec) -> ChildSpec {
        let mut spec = spec.clone();
        let look = self.folder.path().join("look.cjs");
        let had = spec
            .env
            .iter()
            .find(|(name, _)| name == "NODE_OPTIONS")
            .map(|(_, value)| value.clone());
        let options = format!("{} --require={}", had.unwrap_or_default(), look.display());
        spec.env.retain(|(name, _)| name != "NODE_OPTIONS");
        spec.env
            .push(("NODE_OPTIONS".to_owned(), options.trim().to_owned()));
        spec.env
            .push(("PILOTHOUSE_PROBE_WORD".to_owned(), self.canary.word.clone()));
        spec
    }

    /// The marks that commands have left.
    pub(super) fn made(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path())
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with(&self.canary.word))
            .collect()
    }

    /// The marks that were fetched.
    pub(super) fn fetched(&self) -> Vec<String> {
        self.address.fetched()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(folder) = &self.beside {
            // A folder that is left behind does no harm, and there is nobody to tell.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// A folder whose name begins with the allowed one's: what compares paths as texts lets it through.
fn beside(allowed: &Path, word: &str, content: &str) -> Result<PathBuf, Trouble> {
    let allowed = allowed.canonicalize().map_err(Trouble::Files)?;
    let mut name = allowed.into_os_string();
    name.push(format!("-{word}"));
    let folder = PathBuf::from(name);
    fs::create_dir(&folder).map_err(Trouble::Files)?;
    fs::write(folder.join("outside.txt"), content).map_err(Trouble::Files)?;
    Ok(folder)
}

/// 16 letters and digits at random, the first a letter.
fn word() -> Result<String, Trouble> {
    let mut bytes = [0_u8; 15];
    getrandom::fill(&mut bytes).map_err(|error| Trouble::Files(std::io::Error::other(error)))?;
    let letter =
        |byte: &u8| char::from(b"abcdefghijklmnopqrstuvwxyz012345"[usize::from(*byte) % 32]);
    Ok(std::iter::once('p')
        .chain(bytes.iter().map(letter))
        .collect())
}
