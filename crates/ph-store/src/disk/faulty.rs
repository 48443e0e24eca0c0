//! A disk in memory that fails as real ones do, by a seed.

use super::{Disk, Listed, ReadFile, WriteFile};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A disk in memory. Clones are the same disk.
///
/// It keeps apart what the operating system shows and what would be there after a power cut: bytes of a file are
/// lasting when the file was synced, names when their directory was.
#[derive(Clone, Debug)]
pub struct FaultyDisk(Arc<Mutex<State>>);

/// How often operations fail, and how much fits. The default never fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Of 256 operations that change something, so many fail with an I/O error; of those that write, half leave a part.
    pub change_rate: u8,
    /// Of 256 syncs so many fail. What was written since the last good sync of that file is then never made lasting.
    pub sync_rate: u8,
    /// Of 256 reads so many fail.
    pub read_rate: u8,
    /// Bytes that fit on the disk in all; beyond them writes fail with `StorageFull`, leaving the part that fits.
    pub capacity_bytes: Option<u64>,
}

#[derive(Debug)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    lasting_names: BTreeMap<PathBuf, usize>,
    inodes: Vec<Inode>,
    faults: Faults,
    random: u64,
    /// Counts crashes: a file opened before one is of no use after it.
    life: u64,
    /// Operations so far, and the one at which everything stops working.
    operations: u64,
    dies_at: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    /// What a power cut leaves for certain.
    lasting: Vec<u8>,
    /// A sync failed: the bytes from here on are never made lasting.
    forgotten_from: Option<usize>,
}

impl FaultyDisk {
    /// An empty disk that does not fail yet.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            names: BTreeMap::new(),
            lasting_names: BTreeMap::new(),
            inodes: Vec::new(),
            faults: Faults::default(),
            random: seed ^ 0x9e37_79b9_7f4a_7c15,
            life: 0,
            operations: 0,
            dies_at: None,
        })))
    }

    /// From now on it fails like this.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// After so many more operations that change something every operation fails, until the next crash.
    pub fn die_after(&self, operations: u64) {
        let mut state = self.state();
        state.dies_at = Some(state.operations + operations);
    }

    /// Operations that changed, or should have changed, something so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The process is killed: what was written stays, files that are open are of no more use.
    pub fn kill(&self) {
        let mut state = self.state();
        state.life += 1;
        state.dies_at = None;
    }

    /// The machine loses power: of what was not synced, any part may be there, and names may be old or new.
    pub fn cut_power(&self) {
        let mut state = self.state();
        state.life += 1;
        state.dies_at = None;
        let (now, lasting) = (state.names.clone(), state.lasting_names.clone());
        let mut names = lasting.clone();
        for (path, inode) in &now {
            if lasting.get(path) != Some(inode) && state.random().is_multiple_of(2) {
                names.insert(path.clone(), *inode);
            }
        }
        for path in lasting.keys().filter(|path| !now.contains_key(*path)) {
            if state.random().is_multiple_of(2) {
                names.remove(path);
            }
        }
        for i in 0..state.inodes.len() {
            let random = state.random() as usize;
            let garbage = state.random();
            state.inodes[i].lose_tail(random, garbage);
        }
        state.names.clone_from(&names);
        state.lasting_names = names;
    }

    /// Turns over one bit of a file, for good.
    ///
    /// # Panics
    /// When there is no such file, or it is empty.
    pub fn flip_bit(&self, path: &Path, bit: usize) {
        let mut state = self.state();
        let inode = state.names[path];
        let inode = &mut state.inodes[inode];
        let bit = bit % (inode.bytes.len() * 8);
        for bytes in [&mut inode.bytes, &mut inode.lasting] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// Every file with its length, by path.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.state();
        let sized = |(path, inode): (&PathBuf, &usize)| {
            (path.clone(), state.inodes[*inode].bytes.len() as u64)
        };
        state.names.iter().map(sized).collect()
    }

    /// What stands in a file.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.names.get(path)?;
        Some(state.inodes[*inode].bytes.clone())
    }

    /// Puts a file there, lasting.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let inode = state.add_inode();
        state.inodes[inode].bytes = bytes.to_vec();
        state.inodes[inode].lasting = bytes.to_vec();
        state.names.insert(path.to_owned(), inode);
        state.lasting_names.insert(path.to_owned(), inode);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, inode: usize, life: u64) -> OpenFile {
        OpenFile {
            disk: self.clone(),
            inode,
            life,
        }
    }
}

impl Inode {
    /// Leaves what is lasting and some of the rest; what is left of that may be garbage at its end.
    fn lose_tail(&mut self, random: usize, garbage: u64) {
        let certain = self.lasting.len();
        let is_continued = self.bytes.len() >= certain && self.bytes[..certain] == self.lasting[..];
        if is_continued {
            let more = random % (self.bytes.len() - certain + 1);
            self.lasting
                .extend_from_slice(&self.bytes[certain..certain + more]);
            // A file system may have made the file longer before it wrote the bytes.
            if garbage.is_multiple_of(4) && more > 0 {
                let zeros = 1 + (garbage >> 8) as usize % more;
                let from = self.lasting.len() - zeros;
                self.lasting[from..].fill(0);
            }
        }
        self.bytes.clone_from(&self.lasting);
        self.forgotten_from = None;
    }
}

impl State {
    fn random(&mut self) -> u64 {
        // xorshift64*: enough for choosing faults, the same on every machine.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn add_inode(&mut self) -> usize {
        self.inodes.push(Inode::default());
        self.inodes.len() - 1
    }

    fn hits(&mut self, rate: u8) -> bool {
        self.random() % 256 < u64::from(rate)
    }

    fn sync_fails(&mut self) -> bool {
        self.hits(self.faults.sync_rate)
    }

    fn may_change(&mut self) -> io::Result<()> {
        self.operations += 1;
        let is_dead = self.dies_at.is_some_and(|at| self.operations > at);
        if is_dead || self.hits(self.faults.change_rate) {
            return Err(io::Error::other("injected fault"));
        }
        Ok(())
    }

    fn may_read(&mut self) -> io::Result<()> {
        let is_dead = self.dies_at.is_some_and(|at| self.operations > at);
        if is_dead || self.hits(self.faults.read_rate) {
            return Err(io::Error::other("injected fault"));
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        let used: u64 = self
            .names
            .values()
            .map(|inode| self.inodes[*inode].bytes.len() as u64)
            .sum();
        self.faults
            .capacity_bytes
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(used))
    }

    fn is_alive(&self, life: u64) -> io::Result<()> {
        if self.life == life {
            Ok(())
        } else {
            Err(io::Error::other("opened before the crash"))
        }
    }
}

impl Disk for FaultyDisk {
    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        self.state().may_change()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let mut state = self.state();
        state.may_change()?;
        let inode = state.add_inode();
        state.names.insert(path.to_owned(), inode);
        Ok(Box::new(self.file(inode, state.life)))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let mut state = self.state();
        state.may_change()?;
        let inode = match state.names.get(path) {
            Some(inode) => *inode,
            None => {
                let inode = state.add_inode();
                state.names.insert(path.to_owned(), inode);
                inode
            }
        };
        Ok(Box::new(self.file(inode, state.life)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        let mut state = self.state();
        state.may_read()?;
        let inode = state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(self.file(*inode, state.life)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.may_change()?;
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.may_change()?;
        state.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        let mut state = self.state();
        state.may_read()?;
        let listed = |(path, inode): (&PathBuf, &usize)| {
            let name = path.file_name()?.to_str()?.to_owned();
            let bytes = state.inodes[*inode].bytes.len() as u64;
            (path.parent() == Some(dir)).then_some(Listed { name, bytes })
        };
        Ok(state.names.iter().filter_map(listed).collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.may_change()?;
        if state.sync_fails() {
            return Err(io::Error::other("injected fault of a sync"));
        }
        let State {
            names,
            lasting_names,
            ..
        } = &mut *state;
        lasting_names.retain(|path, _| path.parent() != Some(dir));
        let here = names.iter().filter(|(path, _)| path.parent() == Some(dir));
        lasting_names.extend(here.map(|(path, inode)| (path.clone(), *inode)));
        Ok(())
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        let mut state = self.state();
        state.may_read()?;
        Ok(state.room())
    }
}

#[derive(Debug)]
struct OpenFile {
    disk: FaultyDisk,
    inode: usize,
    life: u64,
}

impl WriteFile for OpenFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.is_alive(self.life)?;
        let failed = state.may_change().err();
        let room = usize::try_from(state.room()).unwrap_or(usize::MAX);
        let part = match &failed {
            Some(_) if state.random().is_multiple_of(2) => 0,
            Some(_) => state.random() as usize % (bytes.len() + 1),
            None => bytes.len(),
        };
        let part = part.min(room);
        state.inodes[self.inode]
            .bytes
            .extend_from_slice(&bytes[..part]);
        match failed {
            Some(error) => Err(error),
            None if part < bytes.len() => Err(io::ErrorKind::StorageFull.into()),
            None => Ok(()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.is_alive(self.life)?;
        let fails = state.may_change().is_err() || state.sync_fails();
        let inode = &mut state.inodes[self.inode];
        if fails {
            let certain = inode.lasting.len();
            inode.forgotten_from.get_or_insert(certain);
            return Err(io::Error::other("injected fault of a sync"));
        }
        let end = inode.forgotten_from.unwrap_or(inode.bytes.len());
        inode.lasting = inode.bytes[..end.min(inode.bytes.len())].to_vec();
        Ok(())
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.is_alive(self.life)?;
        state.may_change()?;
        state.inodes[self.inode].bytes.resize(bytes as usize, 0);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.is_alive(self.life)?;
        Ok(state.inodes[self.inode].bytes.len() as u64)
    }
}

impl ReadFile for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.may_read()?;
        state.is_alive(self.life)?;
        let bytes = &state.inodes[self.inode].bytes;
        let from = usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
        let part = buffer.len().min(bytes.len() - from);
        buffer[..part].copy_from_slice(&bytes[from..from + part]);
        Ok(part)
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.may_read()?;
        state.is_alive(self.life)?;
        Ok(state.inodes[self.inode].bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(disk: &FaultyDisk, path: &Path, parts: &[(&[u8], bool)]) {
        let mut file = disk.open_append(path).unwrap();
        for (bytes, sync) in parts {
            file.write_all(bytes).unwrap();
            if *sync {
                file.sync().unwrap();
            }
        }
    }

    #[test]
    fn a_power_cut_leaves_what_was_synced() {
        let (dir, path) = (Path::new("d"), Path::new("d/a"));
        for seed in 0..50 {
            let disk = FaultyDisk::new(seed);
            written(&disk, path, &[(b"lasting", true), (b"perhaps", false)]);
            disk.sync_dir(dir).unwrap();
            disk.cut_power();
            let left = disk.contents(path).unwrap();
            assert!(left.starts_with(b"lasting"), "{left:?}");
        }
    }

    #[test]
    fn a_name_lasts_when_its_directory_was_synced() {
        let gone = (0..50).filter(|seed| {
            let disk = FaultyDisk::new(*seed);
            written(&disk, Path::new("d/a"), &[(b"x", true)]);
            disk.cut_power();
            disk.contents(Path::new("d/a")).is_none()
        });
        assert!((5..45).contains(&gone.count()));
    }

    #[test]
    fn what_a_failed_sync_covered_never_lasts_for_certain() {
        let path = Path::new("d/a");
        let disk = FaultyDisk::new(1);
        disk.sync_dir(Path::new("d")).unwrap();
        written(&disk, path, &[(b"one", true)]);
        disk.sync_dir(Path::new("d")).unwrap();
        let mut file = disk.open_append(path).unwrap();
        file.write_all(b"two").unwrap();
        disk.set_faults(Faults {
            sync_rate: 255,
            ..Faults::default()
        });
        while file.sync().is_ok() {}
        disk.set_faults(Faults::default());
        file.sync().unwrap();
        assert_eq!(disk.state().inodes[0].lasting, b"one");
    }

    #[test]
    fn a_full_disk_takes_what_fits() {
        let disk = FaultyDisk::new(1);
        disk.set_faults(Faults {
            capacity_bytes: Some(5),
            ..Faults::default()
        });
        let mut file = disk.open_append(Path::new("d/a")).unwrap();
        let error = file.write_all(b"1234567").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.contents(Path::new("d/a")).unwrap(), b"12345");
        assert_eq!(disk.free_bytes(Path::new("d")).unwrap(), 0);
    }
}
