//! Why a member could not start: one variant for each thing an operator can do about it.

use std::path::PathBuf;

use crate::identity::Identity;

/// The member did not start. Display is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error("configuration: {0}")]
    Config(String),
    /// The directory cannot be made, read or written.
    #[error("data directory {}: {error}", .path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// Another process has it open.
    #[error("data directory {} is in use by another process", .0.display())]
    DataDirInUse(PathBuf),
    /// It belongs to another member or cluster.
    #[error(
        "data directory {} belongs to member {:x} of cluster {:x}, not to member {:x} of cluster {:x}; \
         use another --data-dir, or start with the name and --initial-cluster that it was made with",
        .path.display(), .found.member_id, .found.cluster_id, .expected.member_id, .expected.cluster_id
    )]
    DataDirOfOther {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        found: Identity,
        /// Who asked.
        expected: Identity,
    },
    /// Written by another version.
    #[error("data directory {} has format {found}, this program knows {known}", .path.display())]
    DataDirFormat {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The write-ahead log is damaged or unreachable.
    #[error("write-ahead log: {0}")]
    Log(String),
    /// The state is damaged or unreachable.
    #[error("state: {0}")]
    State(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {url}: {error}")]
    Listen {
        /// Which.
        url: String,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// TLS files are missing, malformed or readable by others.
    #[error("TLS file {}: {reason}", .path.display())]
    Tls {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Consensus did not start.
    #[error("consensus: {0}")]
    Raft(String),
}
