//! The disks of a member: its log on a disk in memory that can fail and forget, its state in a directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store_wal::disk::{Disk, File, MemoryDisk};

/// Tries to copy a directory that changes meanwhile.
const COPY_TRIES_MAX: usize = 100;

/// Puts every path into one directory, so that the log stays the same while the member's directory moves.
pub struct LogDisk(pub MemoryDisk);

const DIR: &str = "/wal";

impl LogDisk {
    /// Options to look at the log of a disk.
    pub fn options(segment_bytes: u64) -> store_wal::Options {
        store_wal::Options { segment_bytes, ..store_wal::Options::new(DIR) }
    }
}

fn inside(path: &Path) -> PathBuf {
    Path::new(DIR).join(path.file_name().unwrap_or_default())
}

impl Disk for LogDisk {
    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        self.0.create_dir_all(Path::new(DIR))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.0.lock(&inside(path))
    }

    fn list(&self, _dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(Path::new(DIR))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.0.open(&inside(path))
    }

    fn create_zeroed(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn File>> {
        self.0.create_zeroed(&inside(path), bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(&inside(from), &inside(to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(&inside(path))
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        self.0.sync_dir(Path::new(DIR))
    }

    fn entropy(&self) -> u64 {
        self.0.entropy()
    }
}

/// Copies a directory as a crash at one instant would leave it, though RocksDB's threads may be writing: copies until no
/// name and no length changed meanwhile.
pub fn copy_as_of_now(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 0..COPY_TRIES_MAX {
        let before = listing(from)?;
        if to.exists() {
            fs::remove_dir_all(to)?;
        }
        match copy(from, to) {
            Ok(()) if listing(from)? == before => return Ok(()),
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("{} never stood still", from.display())))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn listing(dir: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => names.extend(listing(&entry.path()).unwrap_or_default()),
            Ok(metadata) => names.push((entry.path(), metadata.len())),
            Err(_) => names.push((entry.path(), u64::MAX)),
        }
    }
    names.sort();
    Ok(names)
}
