//! Two kinds of failure: a refusal is an answer that all members give alike, a fatal error stops the member.

use crate::revision::Revision;

/// A refused request. Texts are those of etcd's v3 API after its `etcdserver: ` prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// The revision is below the compacted revision.
    #[error("mvcc: required revision has been compacted")]
    Compacted,
    /// The revision has not happened yet.
    #[error("mvcc: required revision is a future revision")]
    FutureRevision,
    /// `ignore_value` or `ignore_lease` on a key that does not exist, or an operation without content.
    #[error("key not found")]
    KeyNotFound,
    /// Empty key.
    #[error("key is not provided")]
    EmptyKey,
    /// A value together with `ignore_value`.
    #[error("value is provided")]
    ValueProvided,
    /// A lease together with `ignore_lease`.
    #[error("lease is provided")]
    LeaseProvided,
    /// More operations in one transaction than [`crate::check::TXN_OPERATIONS_MAX`].
    #[error("too many operations in txn request")]
    TooManyOps,
    /// Two operations of one transaction write one key.
    #[error("duplicate key given in txn request")]
    DuplicateKey,
    /// Unknown sort order or target.
    #[error("invalid sort option")]
    InvalidSortOption,
    /// No such lease.
    #[error("requested lease not found")]
    LeaseNotFound,
    /// The lease id is taken.
    #[error("lease already exists")]
    LeaseExists,
    /// TTL above [`crate::lease::TTL_SECONDS_MAX`].
    #[error("too large lease TTL")]
    LeaseTtlTooLarge,
    /// The alarm for want of space is active.
    #[error("mvcc: database space exceeded")]
    NoSpace,
    /// The alarm for corrupt data is active.
    #[error("corrupt cluster")]
    Corrupt,
}

/// The state cannot be trusted or reached any more: the member must stop, because others may have succeeded.
#[derive(Debug, thiserror::Error)]
pub enum Fatal<E> {
    /// The backend failed.
    #[error("reading a value failed")]
    Values(#[source] E),
    /// The index names a row that the backend does not have.
    #[error("the value of revision {}.{} is missing from the backend", .0.main, .0.sub)]
    Missing(Revision),
}
