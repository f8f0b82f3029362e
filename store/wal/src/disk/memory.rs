//! A file system in memory that forgets what a power cut would: for tests and for the simulation.
//!
//! The one write in flight when the power goes is torn at 512-byte sectors, each there or not; names that were not
//! synced are lost from the last one backwards. Which, is drawn from the seed given to [`MemoryDisk::reboot`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, File};

/// What a device writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Something that goes wrong at a chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: this operation and all after it fail, and what is on disk is known after a reboot.
    Crash,
    /// This write or sync fails with an IO error; the machine goes on. What reached the disk is unknown.
    Error,
}

/// A file system in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryDisk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    unsynced: Vec<NameChange>,
    files: Vec<Content>,
    locks: BTreeSet<PathBuf>,
    capacity_bytes: u64,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    crashed: bool,
    random: u64,
}

#[derive(Debug, Default, Clone)]
struct Content {
    bytes: Vec<u8>,
    in_flight: Option<(usize, Vec<u8>)>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(PathBuf, usize),
    Move(PathBuf, PathBuf),
    Remove(PathBuf),
}

struct MemoryFile {
    disk: MemoryDisk,
    file: usize,
}

struct LockGuard(MemoryDisk, PathBuf);

impl MemoryDisk {
    /// An empty disk. `seed` feeds [`Disk::entropy`].
    pub fn new(seed: u64) -> MemoryDisk {
        MemoryDisk(Arc::new(Mutex::new(Inner {
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced: Vec::new(),
            files: Vec::new(),
            locks: BTreeSet::new(),
            capacity_bytes: u64::MAX,
            operations: 0,
            faults: BTreeMap::new(),
            crashed: false,
            random: seed,
        })))
    }

    /// Lets the `operation`-th operation that changes the disk (counted from 1, since the last reboot) go wrong.
    pub fn inject(&self, operation: u64, fault: Fault) {
        self.0.lock().faults.insert(operation, fault);
    }

    /// How many operations changed the disk since the last reboot.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Cuts the power now, between two operations.
    pub fn crash(&self) {
        self.0.lock().crashed = true;
    }

    /// Refuses to allocate beyond `bytes` with [`io::ErrorKind::StorageFull`].
    pub fn limit(&self, bytes: u64) {
        self.0.lock().capacity_bytes = bytes;
    }

    /// What a machine finds on this disk after the power comes back. Handles of the old disk stay dead.
    pub fn reboot(&self, seed: u64) -> MemoryDisk {
        self.crash();
        self.image(seed)
    }

    /// What a machine would find if the power went now. This disk goes on.
    pub fn image(&self, seed: u64) -> MemoryDisk {
        let old = self.0.lock();
        let mut random = seed ^ 0x5851_f42d_4c95_7f2d;
        let mut names = old.durable_names.clone();
        let kept = draw(&mut random) as usize % (old.unsynced.len() + 1);
        for change in &old.unsynced[..kept] {
            change.apply(&mut names);
        }
        let mut files = old.files.clone();
        for file in &mut files {
            if let Some((offset, bytes)) = file.in_flight.take() {
                tear(&mut file.bytes, offset, &bytes, &mut random);
            }
        }
        MemoryDisk(Arc::new(Mutex::new(Inner {
            durable_names: names.clone(),
            names,
            unsynced: Vec::new(),
            files,
            locks: BTreeSet::new(),
            capacity_bytes: old.capacity_bytes,
            operations: 0,
            faults: BTreeMap::new(),
            crashed: false,
            random: old.random,
        })))
    }

    /// The bytes of a file, if it exists.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let inner = self.0.lock();
        inner.names.get(path).map(|file| inner.files[*file].bytes.clone())
    }

    /// Creates or replaces a file, durably.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut inner = self.0.lock();
        let file = inner.files.len();
        inner.files.push(Content { bytes, in_flight: None });
        inner.names.insert(path.to_owned(), file);
        inner.durable_names.insert(path.to_owned(), file);
    }

    fn change(&self, change: NameChange) -> io::Result<()> {
        let mut inner = self.0.lock();
        let fault = inner.operation()?;
        if fault == Some(Fault::Error) {
            return Err(injected());
        }
        change.apply(&mut inner.names);
        inner.unsynced.push(change);
        inner.outcome(fault)
    }
}

impl Inner {
    /// Counts an operation; the fault that hits it, if any.
    fn operation(&mut self) -> io::Result<Option<Fault>> {
        self.alive()?;
        self.operations += 1;
        Ok(self.faults.get(&self.operations).copied())
    }

    fn outcome(&mut self, fault: Option<Fault>) -> io::Result<()> {
        match fault {
            None => Ok(()),
            Some(Fault::Error) => Err(injected()),
            Some(Fault::Crash) => {
                self.crashed = true;
                Err(powerless())
            }
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(powerless()) } else { Ok(()) }
    }

    fn allocated(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].bytes.len() as u64).sum()
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameChange::Set(path, file) => {
                names.insert(path.clone(), *file);
            }
            NameChange::Move(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            NameChange::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

impl Disk for MemoryDisk {
    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        self.0.lock().alive()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut inner = self.0.lock();
        inner.alive()?;
        if !inner.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(LockGuard(self.clone(), path.to_owned())))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let inner = self.0.lock();
        inner.alive()?;
        let below = inner.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(below.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let inner = self.0.lock();
        inner.alive()?;
        let file = *inner.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemoryFile { disk: self.clone(), file }))
    }

    fn create_zeroed(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn File>> {
        let mut inner = self.0.lock();
        let fault = inner.operation()?;
        if inner.allocated().saturating_add(bytes) > inner.capacity_bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // An interrupted creation leaves a file that is too short.
        let length = if fault.is_some() { bytes / 2 } else { bytes };
        let file = inner.files.len();
        inner.files.push(Content { bytes: vec![0; length as usize], in_flight: None });
        let change = NameChange::Set(path.to_owned(), file);
        change.apply(&mut inner.names);
        inner.unsynced.push(change);
        inner.outcome(fault)?;
        Ok(Arc::new(MemoryFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if !self.0.lock().names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(NameChange::Move(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(NameChange::Remove(path.to_owned()))
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        let fault = inner.operation()?;
        inner.outcome(fault)?;
        inner.unsynced.clear();
        inner.durable_names = inner.names.clone();
        Ok(())
    }

    fn entropy(&self) -> u64 {
        draw(&mut self.0.lock().random)
    }
}

impl File for MemoryFile {
    fn bytes(&self) -> io::Result<u64> {
        let inner = self.disk.0.lock();
        inner.alive()?;
        Ok(inner.files[self.file].bytes.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let inner = self.disk.0.lock();
        inner.alive()?;
        let from = inner.files[self.file].bytes.get(offset as usize..).and_then(|bytes| bytes.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_durable(&self, blocks: &[u8], offset: u64) -> io::Result<()> {
        let block = crate::format::BLOCK_BYTES;
        assert!(blocks.len().is_multiple_of(block) && offset.is_multiple_of(block as u64), "direct IO wants blocks");
        assert_eq!(blocks.as_ptr().align_offset(block), 0, "direct IO wants aligned memory");
        let mut inner = self.disk.0.lock();
        let fault = inner.operation()?;
        let file = &mut inner.files[self.file];
        if fault.is_some() {
            file.in_flight = Some((offset as usize, blocks.to_vec()));
        } else {
            let at = offset as usize;
            file.bytes[at..at + blocks.len()].copy_from_slice(blocks);
        }
        inner.outcome(fault)
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.0.0.lock().locks.remove(&self.1);
    }
}

/// Lets each sector of a write reach the disk or not. One time in four all do, one time in four none.
fn tear(file: &mut [u8], offset: usize, bytes: &[u8], random: &mut u64) {
    let mode = draw(random) % 4;
    for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
        let reached = match mode {
            0 => false,
            1 => true,
            _ => draw(random).is_multiple_of(2),
        };
        if reached {
            let at = offset + number * SECTOR_BYTES;
            file[at..at + sector.len()].copy_from_slice(sector);
        }
    }
}

fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut x = *state;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn injected() -> io::Error {
    io::Error::other("injected IO error")
}

fn powerless() -> io::Error {
    io::Error::other("the power is off")
}
