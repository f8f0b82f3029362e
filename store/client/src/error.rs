//! Errors of the etcd v3 API. Clients match the text, so the text is part of the contract.

/// Result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// gRPC status codes that the etcd v3 API uses; values are gRPC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// The caller gave up.
    Canceled = 1,
    /// Not one of the documented errors.
    Unknown = 2,
    /// The request is malformed; sending it again cannot help.
    InvalidArgument = 3,
    /// The deadline passed; the outcome is unknown.
    DeadlineExceeded = 4,
    /// No such lease or member.
    NotFound = 5,
    /// Not allowed.
    PermissionDenied = 7,
    /// Out of space, or too many requests: try later.
    ResourceExhausted = 8,
    /// The state forbids it.
    FailedPrecondition = 9,
    /// Compacted or future revision.
    OutOfRange = 11,
    /// Not served here.
    Unimplemented = 12,
    /// A bug.
    Internal = 13,
    /// No leader, or shutting down: try another member or later.
    Unavailable = 14,
    /// The member found its data corrupt.
    DataLoss = 15,
    /// Who are you.
    Unauthenticated = 16,
}

/// A store error: a gRPC code and etcd's own text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// gRPC code.
    pub code: Code,
    /// Text, starting with `etcdserver: ` for documented errors.
    pub message: std::borrow::Cow<'static, str>,
}

macro_rules! documented {
    ($($(#[$doc:meta])* $name:ident = $code:ident, $text:literal;)*) => {
        impl Error {
            $($(#[$doc])* pub const $name: Error = Error { code: Code::$code, message: std::borrow::Cow::Borrowed(concat!("etcdserver: ", $text)) };)*
            /// Every documented error, for tables and tests.
            pub const DOCUMENTED: &'static [Error] = &[$(Self::$name),*];
        }
    };
}

documented! {
    /// The revision is below the compaction revision.
    COMPACTED = OutOfRange, "mvcc: required revision has been compacted";
    /// The revision has not happened yet.
    FUTURE_REVISION = OutOfRange, "mvcc: required revision is a future revision";
    /// Lease TTL above 9,000,000,000 s.
    LEASE_TTL_TOO_LARGE = OutOfRange, "too large lease TTL";
    /// Disk budget exhausted.
    NO_SPACE = ResourceExhausted, "mvcc: database space exceeded";
    /// Apply lags behind commit too far, or a queue is full.
    TOO_MANY_REQUESTS = ResourceExhausted, "too many requests";
    /// Empty key.
    EMPTY_KEY = InvalidArgument, "key is not provided";
    /// `ignore_value` or `ignore_lease` on a key that does not exist.
    KEY_NOT_FOUND = InvalidArgument, "key not found";
    /// A value together with `ignore_value`.
    VALUE_PROVIDED = InvalidArgument, "value is provided";
    /// A lease together with `ignore_lease`.
    LEASE_PROVIDED = InvalidArgument, "lease is provided";
    /// More than 128 operations in one transaction.
    TOO_MANY_OPS = InvalidArgument, "too many operations in txn request";
    /// Two operations of one transaction write one key.
    DUPLICATE_KEY = InvalidArgument, "duplicate key given in txn request";
    /// Unknown sort order or target.
    INVALID_SORT_OPTION = InvalidArgument, "invalid sort option";
    /// Request above the size limit.
    REQUEST_TOO_LARGE = InvalidArgument, "request is too large";
    /// No such lease.
    LEASE_NOT_FOUND = NotFound, "requested lease not found";
    /// The lease id is taken.
    LEASE_EXISTS = FailedPrecondition, "lease already exists";
    /// This member is not the leader.
    NOT_LEADER = FailedPrecondition, "not leader";
    /// There is no leader.
    NO_LEADER = Unavailable, "no leader";
    /// The leader changed while the request was on its way; the outcome is unknown.
    LEADER_CHANGED = Unavailable, "leader changed";
    /// The server is shutting down.
    STOPPED = Unavailable, "server stopped";
    /// No answer in time; the outcome is unknown.
    TIMEOUT = Unavailable, "request timed out";
    /// The data is corrupt.
    CORRUPT = DataLoss, "corrupt cluster";
}

impl Error {
    /// An error that the API does not document.
    pub fn new(code: Code, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// Whether a write that got this error may have happened all the same.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self.code, Code::Unknown | Code::DeadlineExceeded | Code::Canceled | Code::Internal)
            || *self == Self::LEADER_CHANGED
            || *self == Self::TIMEOUT
            || (self.code == Code::Unavailable && *self != Self::NO_LEADER && *self != Self::STOPPED)
    }

    /// Whether the same request may succeed later or elsewhere.
    pub fn retryable(&self) -> bool {
        matches!(self.code, Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded)
    }
}

impl From<store_mvcc::Error> for Error {
    fn from(refusal: store_mvcc::Error) -> Self {
        use store_mvcc::Error as Refusal;
        match refusal {
            Refusal::Compacted => Self::COMPACTED,
            Refusal::FutureRevision => Self::FUTURE_REVISION,
            Refusal::KeyNotFound => Self::KEY_NOT_FOUND,
            Refusal::EmptyKey => Self::EMPTY_KEY,
            Refusal::ValueProvided => Self::VALUE_PROVIDED,
            Refusal::LeaseProvided => Self::LEASE_PROVIDED,
            Refusal::TooManyOps => Self::TOO_MANY_OPS,
            Refusal::DuplicateKey => Self::DUPLICATE_KEY,
            Refusal::InvalidSortOption => Self::INVALID_SORT_OPTION,
            Refusal::LeaseNotFound => Self::LEASE_NOT_FOUND,
            Refusal::LeaseExists => Self::LEASE_EXISTS,
            Refusal::LeaseTtlTooLarge => Self::LEASE_TTL_TOO_LARGE,
            Refusal::NoSpace => Self::NO_SPACE,
            Refusal::Corrupt => Self::CORRUPT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_state_machine_keeps_its_text() {
        for refusal in [
            store_mvcc::Error::Compacted,
            store_mvcc::Error::KeyNotFound,
            store_mvcc::Error::DuplicateKey,
            store_mvcc::Error::LeaseTtlTooLarge,
        ] {
            assert_eq!(Error::from(refusal).message, format!("etcdserver: {refusal}"));
        }
    }

    #[test]
    fn an_unknown_outcome_is_never_promised_as_known() {
        assert!(Error::TIMEOUT.outcome_unknown() && Error::LEADER_CHANGED.outcome_unknown());
        assert!(!Error::NO_LEADER.outcome_unknown() && !Error::COMPACTED.outcome_unknown());
    }
}
