//! The disk of the log with a clock beside it.

use prometheus::Histogram;
use std::io;
use std::path::Path;
use std::sync::Arc;
use store_wal::disk::{Disk, File};

/// Measures durable writes of the log's segments; everything else goes through. A file that is created is filled with
/// zeroes before it is handed out, so that does not count.
pub(crate) struct MeteredDisk {
    inner: Arc<dyn Disk>,
    seconds: Histogram,
}

struct MeteredFile {
    inner: Arc<dyn File>,
    seconds: Histogram,
}

impl MeteredDisk {
    pub(crate) fn new(inner: Arc<dyn Disk>, seconds: &Histogram) -> Self {
        Self { inner, seconds: seconds.clone() }
    }

    fn metered(&self, inner: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(MeteredFile { inner, seconds: self.seconds.clone() })
    }
}

impl Disk for MeteredDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir_all(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.inner.lock(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.metered(self.inner.open(path)?))
    }

    fn create_zeroed(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn File>> {
        Ok(self.metered(self.inner.create_zeroed(path, bytes)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn entropy(&self) -> u64 {
        self.inner.entropy()
    }
}

impl File for MeteredFile {
    fn bytes(&self) -> io::Result<u64> {
        self.inner.bytes()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(buffer, offset)
    }

    fn write_durable(&self, blocks: &[u8], offset: u64) -> io::Result<()> {
        self.seconds.observe_closure_duration(|| self.inner.write_durable(blocks, offset))
    }
}
