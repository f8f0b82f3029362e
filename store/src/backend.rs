//! Step 9 of a write, its durable half: the state in RocksDB. Only the state machine writes here.
//!
//! Invariants:
//! - RocksDB's own log is off; what has not been flushed is replayed from ours. Flushes are atomic over all columns, so
//!   what a restart finds is a prefix of the batches, each with the log position it belongs to ([`Batch::applied`]).
//! - One owner of the database handle ([`Backend`]): readers borrow a [`Generation`] and keep it alive; a snapshot brings
//!   a new one, and the old directory disappears with its last reader.
//!
//! Not here: what a row means (`store-mvcc`), when to flush (`crate::upkeep`).

mod batch;
mod columns;
mod restore;
mod values;

use columns::Column;
use parking_lot::RwLock;
use rocksdb::DB;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::data_dir::{sync_directory, write_durably};

/// Names the generation in use; replaced atomically when a snapshot is installed.
const CURRENT_FILE: &str = "CURRENT_GENERATION";
const GENERATION_PREFIX: &str = "generation-";
/// How long readers may keep a closing state open, and how often they are looked at.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
const CLOSE_POLL: Duration = Duration::from_millis(1);
/// Snapshots under way, outgoing and incoming.
const TRANSIENT_PREFIX: &str = "transient-";

/// The state of this member on disk.
pub(crate) struct Backend {
    root: PathBuf,
    current: RwLock<Arc<Generation>>,
}

/// One database directory. The state is always in exactly one.
pub(crate) struct Generation {
    number: u64,
    path: PathBuf,
    /// `None` once the member has closed its state.
    db: Option<DB>,
    /// Remove the directory when the last reader is gone.
    retired: AtomicBool,
}

impl Backend {
    /// Opens the state below `root`, which is created if need be. Leftovers of interrupted snapshots are removed.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let number = match fs::read_to_string(root.join(CURRENT_FILE)) {
            Ok(text) => text.trim().parse().map_err(|_| invalid(format!("{CURRENT_FILE} holds {text:?}")))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_durably(&root.join(CURRENT_FILE), b"1\n")?;
                1
            }
            Err(error) => return Err(error),
        };
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let stale = name.strip_prefix(GENERATION_PREFIX).is_some_and(|rest| rest != number.to_string());
            if stale || name.starts_with(TRANSIENT_PREFIX) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let generation = Generation::open(root, number)?;
        Ok(Self { root: root.to_owned(), current: RwLock::new(Arc::new(generation)) })
    }

    /// The database in use; valid for as long as it is held.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        Arc::clone(&self.current.read())
    }

    /// A fresh path for files that do not outlive the process, on the same file system as the state.
    pub(crate) fn transient(&self, purpose: &str) -> PathBuf {
        self.root.join(format!("{TRANSIENT_PREFIX}{purpose}-{:016x}", rand::random::<u64>()))
    }

    /// Replaces the state by the database in `directory`, which must be complete and synced. A crash leaves either the
    /// old or the new one.
    pub(crate) fn replace(&self, directory: &Path) -> io::Result<Arc<Generation>> {
        let number = self.generation().number + 1;
        let path = generation_path(&self.root, number);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::rename(directory, &path)?;
        sync_directory(&self.root)?;
        let new = Arc::new(Generation::open(&self.root, number)?);
        write_durably(&self.root.join(CURRENT_FILE), format!("{number}\n").as_bytes())?;
        let old = std::mem::replace(&mut *self.current.write(), Arc::clone(&new));
        old.retired.store(true, Ordering::Relaxed);
        Ok(new)
    }

    /// Closes the database, once its last reader is done; what comes later finds it closed. Blocks.
    pub(crate) fn close(&self) {
        let mut current = self.current.write();
        let closed = Generation { number: current.number, path: PathBuf::new(), db: None, retired: false.into() };
        let mut open = std::mem::replace(&mut *current, Arc::new(closed));
        drop(current);
        let started = Instant::now();
        while let Err(shared) = Arc::try_unwrap(open).map(drop) {
            if started.elapsed() > CLOSE_TIMEOUT {
                tracing::warn!("the state is still being read and stays open");
                return;
            }
            open = shared;
            std::thread::sleep(CLOSE_POLL);
        }
    }
}

impl Generation {
    fn open(root: &Path, number: u64) -> io::Result<Self> {
        let path = generation_path(root, number);
        let db = columns::open(&path).map_err(failed)?;
        Ok(Self { number, path, db: Some(db), retired: AtomicBool::new(false) })
    }

    fn db(&self) -> io::Result<&DB> {
        self.db.as_ref().ok_or_else(|| io::Error::new(io::ErrorKind::BrokenPipe, "the state is closed"))
    }

    /// Makes everything written so far durable, all columns at one point.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let mut options = rocksdb::FlushOptions::default();
        options.set_wait(true);
        let db = self.db()?;
        let columns = Column::ALL.map(|column| columns::handle(db, column));
        db.flush_cfs_opt(&columns, &options).map_err(failed)
    }

    /// Writes a copy of the state as it is now to `directory`, which must not exist; made of hard links where possible.
    pub(crate) fn checkpoint(&self, directory: &Path) -> io::Result<()> {
        self.flush()?;
        rocksdb::checkpoint::Checkpoint::new(self.db()?)
            .and_then(|checkpoint| checkpoint.create_checkpoint(directory))
            .map_err(failed)
    }

    /// Gives back the space of what was deleted or overwritten. Blocks for as long as all of it takes to be read and
    /// written; others read and write meanwhile.
    pub(crate) fn defragment(&self) -> io::Result<()> {
        self.flush()?;
        let db = self.db()?;
        for column in Column::ALL {
            db.compact_range_cf(columns::handle(db, column), None::<&[u8]>, None::<&[u8]>);
        }
        Ok(())
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.sum("rocksdb.total-sst-files-size") + self.sum("rocksdb.cur-size-all-mem-tables")
    }

    /// Bytes on disk that hold what can still be read, as RocksDB estimates it.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.sum("rocksdb.estimate-live-data-size") + self.sum("rocksdb.cur-size-all-mem-tables")
    }

    fn sum(&self, property: &str) -> u64 {
        let Ok(db) = self.db() else { return 0 };
        let value = |column| db.property_int_value_cf(columns::handle(db, column), property).ok()?;
        Column::ALL.into_iter().filter_map(value).sum()
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        drop(self.db.take());
        if self.retired.load(Ordering::Relaxed)
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a replaced state could not be removed");
        }
    }
}

fn generation_path(root: &Path, number: u64) -> PathBuf {
    root.join(format!("{GENERATION_PREFIX}{number}"))
}

fn failed(error: rocksdb::Error) -> io::Error {
    io::Error::other(error)
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::records::LogIdRecord;
    use store_mvcc::{Meta, Values};

    fn write(generation: &Generation, index: u64) {
        let mut batch = generation.batch(0).unwrap();
        batch.applied(LogIdRecord { term: 1, index }, Meta { revision: index as i64, compacted: 0 });
        batch.commit().unwrap();
    }

    #[test]
    fn what_was_flushed_is_there_after_a_restart_and_the_rest_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let backend = Backend::open(directory.path()).unwrap();
        write(&backend.generation(), 1);
        backend.generation().flush().unwrap();
        write(&backend.generation(), 2);
        let copy = backend.transient("copy");
        // A file-level copy is what a crash leaves: nothing that only memory knew.
        fs::create_dir(&copy).unwrap();
        for entry in fs::read_dir(&backend.generation().path).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        let restored = backend.replace(&copy).unwrap();
        assert_eq!(restored.recover().unwrap().last.map(|id| id.index), Some(1));
    }

    #[test]
    fn a_replaced_state_lives_as_long_as_its_readers() {
        let directory = tempfile::tempdir().unwrap();
        let backend = Backend::open(directory.path()).unwrap();
        write(&backend.generation(), 1);
        let checkpoint = backend.transient("out");
        backend.generation().checkpoint(&checkpoint).unwrap();
        let reader = backend.generation();
        backend.replace(&checkpoint).unwrap();
        assert!(reader.path.exists());
        assert_eq!(reader.get(store_mvcc::Revision::new(1, 0)).unwrap(), None);
        let path = reader.path.clone();
        drop(reader);
        assert!(!path.exists());
        drop(backend);
        let again = Backend::open(directory.path()).unwrap();
        assert_eq!(again.generation().recover().unwrap().last.map(|id| id.index), Some(1));
    }
}
