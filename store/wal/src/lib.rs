//! The write-ahead log: segments on disk, group commit, recovery.
