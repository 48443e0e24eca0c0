//! The files of an image that say which packages are in it, after all layers.

use std::collections::BTreeMap;

use super::system;
use crate::installed::{self, Installed, Package};
use crate::read_error::ReadError;
use crate::{Inventory, Unchecked, limits};

/// What a file is, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    OsRelease,
    Dpkg,
    Apk,
    /// The database of RPM, which is seen and not read.
    Rpm,
    /// A program of Java, which is seen and not read.
    Jar,
    /// A package of Node or Python.
    Package,
    Nothing,
}

impl Want {
    pub(crate) fn of(path: &str) -> Self {
        let in_status_d = |name: &str| !name.contains('/') && !name.ends_with(".md5sums");
        match path {
            "etc/os-release" | "usr/lib/os-release" => Self::OsRelease,
            "var/lib/dpkg/status" => Self::Dpkg,
            "lib/apk/db/installed" | "usr/lib/apk/db/installed" => Self::Apk,
            "var/lib/rpm/Packages"
            | "var/lib/rpm/Packages.db"
            | "var/lib/rpm/rpmdb.sqlite"
            | "usr/lib/sysimage/rpm/Packages.db"
            | "usr/lib/sysimage/rpm/rpmdb.sqlite" => Self::Rpm,
            _ if path
                .strip_prefix("var/lib/dpkg/status.d/")
                .is_some_and(in_status_d) =>
            {
                Self::Dpkg
            }
            _ if installed::is_known(path) => Self::Package,
            _ if path.ends_with(".jar") || path.ends_with(".war") => Self::Jar,
            _ => Self::Nothing,
        }
    }
}

impl Want {
    /// Why a file is only noted.
    pub(crate) fn not_read(self) -> Option<&'static str> {
        match self {
            Self::Rpm => Some("the database of RPM is not read"),
            Self::Jar => Some(JAVA),
            _ => None,
        }
    }
}

const JAVA: &str = "programs of Java are not read";

/// What is kept of a file.
#[derive(Debug, Clone)]
enum Kept {
    Bytes(Want, Vec<u8>),
    Package(Package),
    Crates(Inventory),
    Unchecked(String),
}

/// Kept files by path. What a layer brings is apart from what is below until the layer ends, since what it removes is
/// below it, wherever it says so.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    below: BTreeMap<String, Kept>,
    layer: BTreeMap<String, Kept>,
    bytes: usize,
}

impl Tree {
    pub(crate) fn begin_layer(&mut self) {
        self.layer.clear();
    }

    pub(crate) fn end_layer(&mut self) {
        self.below.append(&mut self.layer);
    }

    /// A whiteout: the path and everything in it is gone.
    pub(crate) fn remove(&mut self, path: &str) {
        cut(&mut self.below, path);
    }

    /// An opaque folder: everything in it is gone.
    pub(crate) fn empty(&mut self, folder: &str) {
        cut_within(&mut self.below, folder);
    }

    /// Something that is no folder takes the place of whatever is there.
    pub(crate) fn replace(&mut self, path: &str) {
        cut(&mut self.below, path);
        cut(&mut self.layer, path);
    }

    /// A folder takes the place of a file.
    pub(crate) fn is_folder(&mut self, path: &str) {
        self.below.remove(path);
        self.layer.remove(path);
    }

    /// Keeps what a file says.
    ///
    /// - errors: more bytes or packages than one image may have.
    pub(crate) fn put(
        &mut self,
        label: &str,
        path: &str,
        want: Want,
        bytes: &[u8],
    ) -> Result<(), ReadError> {
        let kept = match want {
            Want::Nothing | Want::Rpm | Want::Jar => return Ok(()),
            Want::Package => match installed::package(path, bytes) {
                Ok(Some(package)) => Kept::Package(package),
                Ok(None) => return Ok(()),
                // One file in a hundred thousand that is no JSON must not hide all others.
                Err(error) => Kept::Unchecked(error.text),
            },
            Want::OsRelease | Want::Dpkg | Want::Apk => Kept::Bytes(want, bytes.to_vec()),
        };
        self.keep(label, path, kept)
    }

    /// Keeps the crates of a program.
    ///
    /// - errors: as of [`Self::put`].
    pub(crate) fn put_crates(
        &mut self,
        label: &str,
        path: &str,
        inventory: Inventory,
    ) -> Result<(), ReadError> {
        self.keep(label, path, Kept::Crates(inventory))
    }

    /// Notes a file that is not read.
    ///
    /// - errors: as of [`Self::put`].
    pub(crate) fn unchecked(
        &mut self,
        label: &str,
        path: &str,
        why: &str,
    ) -> Result<(), ReadError> {
        self.keep(label, path, Kept::Unchecked(why.to_owned()))
    }

    /// A hard link to a file that is kept; whether it is.
    ///
    /// - errors: as of [`Self::put`].
    pub(crate) fn copy(&mut self, label: &str, from: &str, to: &str) -> Result<bool, ReadError> {
        // What a package is, is named by its path: another path is another place.
        let kept = self.layer.get(from).or_else(|| self.below.get(from));
        let kept = match kept {
            Some(Kept::Package(package)) => Kept::Package(package.at(to)),
            Some(kept) => kept.clone(),
            None => return Ok(false),
        };
        self.keep(label, to, kept)?;
        Ok(true)
    }

    /// Counts bytes that are kept until the end.
    ///
    /// - errors: more than [`limits::KEPT_BYTES`].
    pub(crate) fn charge(&mut self, label: &str, bytes: usize) -> Result<(), ReadError> {
        self.bytes += bytes;
        if self.bytes <= limits::KEPT_BYTES {
            return Ok(());
        }
        let max = limits::KEPT_BYTES >> 20;
        let text = format!("more than {max} MiB of packages and lists of them");
        Err(ReadError::whole(label, text))
    }

    fn keep(&mut self, label: &str, path: &str, kept: Kept) -> Result<(), ReadError> {
        let bytes = match &kept {
            Kept::Bytes(_, bytes) => bytes.len(),
            Kept::Package(package) => package.size(),
            Kept::Crates(inventory) => inventory.components.len() * 512,
            Kept::Unchecked(why) => why.len(),
        };
        self.charge(label, path.len() + bytes)?;
        if self.below.len() + self.layer.len() >= limits::COMPONENTS {
            let max = limits::COMPONENTS;
            return Err(ReadError::whole(label, format!("more than {max} packages")));
        }
        self.layer.insert(path.to_owned(), kept);
        Ok(())
    }

    /// The system's name and all components.
    pub(crate) fn finish(self, label: &str) -> Result<(Option<String>, Inventory), ReadError> {
        let mut system = system::System::default();
        let mut installed = Installed::default();
        let mut crates = Vec::new();
        let mut unchecked = Vec::new();
        let mut jars = 0;
        let mut files = Vec::new();
        // `etc/os-release` sorts before `usr/lib/os-release`, and counts before it.
        for (path, kept) in self.below {
            match kept {
                Kept::Bytes(Want::OsRelease, bytes) => system.take_os_release(&bytes),
                Kept::Bytes(want, bytes) => files.push((path, want, bytes)),
                Kept::Package(package) => installed.push(package),
                Kept::Crates(inventory) => crates.push(inventory),
                Kept::Unchecked(_) if Want::of(&path) == Want::Jar => jars += 1,
                Kept::Unchecked(why) => unchecked.push(Unchecked { what: path, why }),
            }
        }
        let mut parts = Vec::new();
        for (path, want, bytes) in files {
            parts.push(match want {
                Want::Apk => system.apk(&path, &bytes)?,
                _ => system.dpkg(&path, &bytes)?,
            });
        }
        parts.push(installed.finish());
        parts.append(&mut crates);
        let mut whole = Inventory::join(parts);
        if jars > 0 {
            unchecked.push(Unchecked {
                what: format!("{jars} files of Java"),
                why: JAVA.to_owned(),
            });
        }
        unchecked.truncate(limits::UNCHECKED);
        unchecked.extend(system.unchecked());
        whole.unchecked.append(&mut unchecked);
        if whole.components.len() > limits::COMPONENTS {
            let max = limits::COMPONENTS;
            return Err(ReadError::whole(label, format!("more than {max} packages")));
        }
        Ok((system.name(), whole))
    }
}

/// Takes out a path and everything in it.
fn cut(map: &mut BTreeMap<String, Kept>, path: &str) {
    map.remove(path);
    cut_within(map, path);
}

fn cut_within(map: &mut BTreeMap<String, Kept>, folder: &str) {
    if folder.is_empty() {
        map.clear();
        return;
    }
    let start = format!("{folder}/");
    let within: Vec<String> = map
        .range(start.clone()..)
        .map(|(path, _)| path)
        .take_while(|path| path.starts_with(&start))
        .cloned()
        .collect();
    for path in within {
        map.remove(&path);
    }
}
