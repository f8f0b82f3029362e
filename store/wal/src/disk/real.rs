//! The operating system's file system.
//!
//! Segments are written with `O_DIRECT | O_DSYNC`: one system call, no page cache to copy through, no journal commit
//! because the blocks are already allocated and initialised. File systems that refuse `O_DIRECT` (tmpfs, some network
//! and overlay mounts) get `O_DSYNC` alone. Reads go through a second, buffered descriptor; the kernel invalidates the
//! cached pages under a direct write.

use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, OFlags, fallocate};

use super::{Disk, File};
use crate::buffer::BlockBuffer;

/// Bytes zeroed with one system call when a segment is prepared.
/// Small enough that a commit waiting behind it on the device waits for well under a millisecond.
const ZERO_CHUNK_BYTES: usize = 256 * 1024;

/// The operating system's file system.
#[derive(Debug, Default, Clone, Copy)]
pub struct RealDisk {
    /// Never ask for `O_DIRECT`.
    pub buffered: bool,
}

struct RealFile {
    reader: fs::File,
    writer: fs::File,
}

impl RealDisk {
    fn open_file(self, path: &Path) -> io::Result<RealFile> {
        let writer = self.open_writer(path)?;
        Ok(RealFile { reader: fs::File::open(path)?, writer })
    }

    fn open_writer(self, path: &Path) -> io::Result<fs::File> {
        if !self.buffered {
            match open_with_flags(path, OFlags::DIRECT | OFlags::DSYNC) {
                // EINVAL is how a file system says that it does not do direct IO.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                opened => return opened,
            }
        }
        open_with_flags(path, OFlags::DSYNC)
    }
}

impl Disk for RealDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(dir)?;
        match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => self.sync_dir(parent),
            _ => Ok(()),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(self.open_file(path)?))
    }

    fn create_zeroed(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn File>> {
        let created = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        // One extent where the file system can; those that cannot allocate by the zeroes below.
        match fallocate(&created, FallocateFlags::empty(), 0, bytes) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
        let file = self.open_file(path)?;
        let zeroes = BlockBuffer::zeroed(ZERO_CHUNK_BYTES);
        let mut offset = 0;
        while offset < bytes {
            let chunk = (bytes - offset).min(ZERO_CHUNK_BYTES as u64);
            file.write_durable(&zeroes.bytes()[..chunk as usize], offset)?;
            offset += chunk;
        }
        created.sync_all()?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn entropy(&self) -> u64 {
        std::hash::RandomState::new().build_hasher().finish()
    }
}

impl File for RealFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.reader.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.reader.read_exact_at(buffer, offset)
    }

    fn write_durable(&self, blocks: &[u8], offset: u64) -> io::Result<()> {
        self.writer.write_all_at(blocks, offset)
    }
}

fn open_with_flags(path: &Path, flags: OFlags) -> io::Result<fs::File> {
    let flags = i32::try_from(flags.bits()).expect("open flags are ints in the system's interface");
    fs::OpenOptions::new().write(true).custom_flags(flags).open(path)
}
