//! The seam between the log and the disk: everything the log asks of an operating system.
//!
//! Two implementations: [`RealDisk`] and [`MemoryDisk`], which loses and tears what was not synced.
//! The log never asks for a plain write: [`File::write_durable`] returns when the bytes would survive a power cut.

mod memory;
mod real;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use memory::{Fault, MemoryDisk};
pub use real::RealDisk;

/// A directory tree that can hold a log.
pub trait Disk: Send + Sync + 'static {
    /// Creates `dir` and its parents, durably.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Takes an exclusive lock on the file `path`, held until the guard drops.
    /// [`io::ErrorKind::WouldBlock`] when somebody else holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;

    /// The names of the files directly below `dir`, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Opens an existing file for reading and durable writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Creates a file of `bytes` zero bytes whose blocks are allocated and whose contents are on disk.
    /// Its name is durable only after [`Disk::sync_dir`]. An existing file is replaced.
    fn create_zeroed(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn File>>;

    /// Renames a file; durable after [`Disk::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; durable after [`Disk::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Random bits for the identity of a new log.
    fn entropy(&self) -> u64;
}

/// An open segment file.
pub trait File: Send + Sync + 'static {
    /// The length in bytes.
    fn bytes(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset`; [`io::ErrorKind::UnexpectedEof`] when the file is too short.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes whole blocks at a block boundary and returns when they are on disk.
    /// `blocks` starts at an address that is a multiple of [`crate::format::BLOCK_BYTES`].
    fn write_durable(&self, blocks: &[u8], offset: u64) -> io::Result<()>;
}
