//! A directory in memory that fails as a real one does, by a seed.

use super::directory::{Identity, Listed, LogDir, LogFile, Opened};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// The twin of [`super::Directory`]. Clones are the same directory.
#[derive(Clone, Debug)]
pub(crate) struct FaultyDir(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    names: BTreeMap<String, u64>,
    /// Never forgotten, so that a test sees what stood in a file that was moved or removed. With the
    /// name that each had when it was made.
    inodes: Vec<(String, Vec<u8>)>,
    /// Of 256 operations so many fail.
    fault_rate: u8,
    random: u64,
}

impl FaultyDir {
    /// `fault_rate`: of 256 operations so many fail.
    pub(crate) fn new(seed: u64, fault_rate: u8) -> Self {
        let (names, inodes) = (BTreeMap::new(), Vec::new());
        Self(Arc::new(Mutex::new(State {
            names,
            inodes,
            fault_rate,
            random: seed,
        })))
    }

    pub(crate) fn set_fault_rate(&self, fault_rate: u8) {
        self.state().fault_rate = fault_rate;
    }

    /// What a log rotator does: the name is free, whoever has the file open keeps it.
    pub(crate) fn take_away(&self, name: &str) {
        self.state().names.remove(name);
    }

    /// Contents of all files that were made as `name`, oldest first.
    pub(crate) fn contents(&self, name: &str) -> Vec<Vec<u8>> {
        let state = self.state();
        state
            .inodes
            .iter()
            .filter(|(made_as, _)| made_as == name)
            .map(|(_, bytes)| bytes.clone())
            .collect()
    }

    /// Names that exist.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn random(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }

    fn may_fail(&mut self) -> io::Result<()> {
        let fails = self.random() % 256 < u64::from(self.fault_rate);
        if fails {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }
}

impl LogDir for FaultyDir {
    fn open(&self, name: &str) -> io::Result<Opened> {
        let mut state = self.state();
        state.may_fail()?;
        let inode = state
            .names
            .get(name)
            .copied()
            .unwrap_or(state.inodes.len() as u64);
        if inode as usize == state.inodes.len() {
            state.inodes.push((name.to_owned(), Vec::new()));
            state.names.insert(name.to_owned(), inode);
        }
        let file = FaultyFile {
            dir: self.clone(),
            inode: inode as usize,
        };
        let bytes = state.inodes[inode as usize].1.len() as u64;
        Ok(Opened {
            file: Box::new(file),
            identity: (0, inode),
            bytes,
            born_unix_s: 0,
        })
    }

    fn identity(&self, name: &str) -> io::Result<Identity> {
        let mut state = self.state();
        state.may_fail()?;
        state
            .names
            .get(name)
            .map(|inode| (0, *inode))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.may_fail()?;
        if state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.state().names.remove(name);
        removed
            .map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let state = self.state();
        let listed = |(name, inode): (&String, &u64)| {
            let bytes = state.inodes[*inode as usize].1.len() as u64;
            Listed {
                name: name.clone(),
                bytes,
            }
        };
        Ok(state.names.iter().map(listed).collect())
    }

    fn compress(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(format!("{name}.zst"), inode);
        Ok(())
    }
}

struct FaultyFile {
    dir: FaultyDir,
    inode: usize,
}

impl LogFile for FaultyFile {
    /// Fails, is interrupted, or takes a part: after that part the next try may fail, which is how a
    /// full disk tears a line.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.dir.state();
        state.may_fail()?;
        let part = match (state.fault_rate, state.random() % 4) {
            (1.., 0) => return Err(io::ErrorKind::Interrupted.into()),
            (1.., 1) => 1 + state.random() as usize % bytes.len(),
            _ => bytes.len(),
        };
        state.inodes[self.inode].1.extend_from_slice(&bytes[..part]);
        Ok(part)
    }

    fn cut(&mut self, tail_bytes: u64) -> io::Result<()> {
        let mut state = self.dir.state();
        state.may_fail()?;
        let file = &mut state.inodes[self.inode].1;
        let len = file.len() - tail_bytes as usize;
        file.truncate(len);
        Ok(())
    }
}
