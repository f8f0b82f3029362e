//! The columns of the state and RocksDB's settings.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, LogLevel, Options,
};
use std::path::Path;

/// Memory for unflushed writes of one column. When it is full, all columns are flushed together.
const WRITE_BUFFER_BYTES: usize = 32 << 20;
/// Memory for blocks read from disk.
const BLOCK_CACHE_BYTES: usize = 32 << 20;
/// Table files kept open.
const OPEN_FILES_MAX: i32 = 512;
/// RocksDB compacts a file of its own accord where this many deletions ...
const DELETIONS_TRIGGER: usize = 4_096;
/// ... come within this many rows.
const DELETIONS_WINDOW: usize = 16_384;

/// A column of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Revision to change, see `store_mvcc::record`.
    Revisions,
    /// Lease id to lease, see `store_mvcc::LeaseRecord`.
    Leases,
    /// The few single rows below.
    Meta,
}

impl Column {
    pub(super) const ALL: [Self; 3] = [Self::Revisions, Self::Leases, Self::Meta];

    const fn name(self) -> &'static str {
        match self {
            Self::Revisions => "revisions",
            Self::Leases => "leases",
            Self::Meta => "meta",
        }
    }
}

/// Row of [`Column::Meta`]: log position, see `raft::records::LogIdRecord`.
pub(super) const APPLIED_ROW: &[u8] = b"applied";
/// Row of [`Column::Meta`]: the members, see `raft::records::MembershipAtRecord`.
pub(super) const MEMBERSHIP_ROW: &[u8] = b"membership";
/// Row of [`Column::Meta`]: the active alarms, see `raft::codec`; missing if there never was one.
pub(super) const ALARMS_ROW: &[u8] = b"alarms";
/// Row of [`Column::Meta`]: current and compacted revision, see `store_mvcc::Meta`.
pub(super) const REVISIONS_ROW: &[u8] = b"revisions";

pub(super) fn handle(db: &DB, column: Column) -> &ColumnFamily {
    db.cf_handle(column.name()).expect("every column is opened with the database")
}

pub(super) fn open(path: &Path) -> Result<DB, rocksdb::Error> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_atomic_flush(true);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(2);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_keep_log_file_num(1);
    options.set_log_level(LogLevel::Warn);
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
    let columns = Column::ALL.map(|column| ColumnFamilyDescriptor::new(column.name(), column_options(column, &cache)));
    DB::open_cf_descriptors(&options, path, columns)
}

fn column_options(column: Column, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_format_version(5);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    // One type for all levels: revisions only grow, so a flushed file overlaps no other, and where nothing has to be compressed
    // anew RocksDB moves it down as it is. With Zstandard at the bottom each row would be written twice.
    options.set_compression_type(DBCompressionType::Lz4);
    if column == Column::Revisions {
        options.add_compact_on_deletion_collector_factory(DELETIONS_WINDOW, DELETIONS_TRIGGER, 0.0);
    }
    options
}
