//! What can go wrong, in the words the API answers with.

use crate::envelope::EnvelopeError;
use api_machinery::gvk::GroupResource;
use api_machinery::status::{Expired, Status};

/// Seconds after which a client may try again when the storage asks it to.
pub const RETRY_AFTER_SECONDS: u32 = 1;

/// Failure of a storage operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No such object.
    #[error("key not found: {key}")]
    NotFound {
        /// The key as upstream shows it.
        key: String,
    },
    /// A create of what exists.
    #[error("key exists: {key}")]
    AlreadyExists {
        /// The key as upstream shows it.
        key: String,
    },
    /// A precondition does not hold.
    #[error("StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {message}")]
    InvalidObject {
        /// The key as upstream shows it.
        key: String,
        /// Which precondition, and what was found.
        message: String,
    },
    /// Too many writers changed the object between each read and write.
    #[error("{key} changes too fast: {attempts} attempts to update it failed")]
    Contended {
        /// The key as upstream shows it.
        key: String,
        /// Attempts made.
        attempts: u32,
    },
    /// The requested revision has not been reached within the time to wait for it.
    #[error("Too large resource version: {requested}, current: {current}")]
    TooLargeResourceVersion {
        /// What was asked for.
        requested: i64,
        /// What there is.
        current: i64,
    },
    /// A list or get at a revision that is compacted.
    #[error("the resourceVersion for the provided list is too old")]
    ListExpired,
    /// A continue token whose revision is compacted. The token inside goes on at the current state.
    #[error("the provided continue parameter is too old")]
    ContinueExpired {
        /// Token that retrieves the remainder, inconsistently.
        inconsistent: String,
    },
    /// A watch from a revision that is compacted.
    #[error("too old resource version: {requested} ({oldest})")]
    WatchExpired {
        /// Where the watch was to start.
        requested: i64,
        /// The oldest revision that can still be watched.
        oldest: i64,
    },
    /// The watch cache is being filled.
    #[error("storage is (re)initializing")]
    Initializing,
    /// The request cannot be understood; the text is upstream's.
    #[error("{0}")]
    BadRequest(String),
    /// A stored value cannot be read.
    #[error("{key}: {source}")]
    Corrupt {
        /// Key in the store.
        key: String,
        /// What is wrong with the value.
        source: EnvelopeError,
    },
    /// The object cannot be stored.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A stored object is not JSON.
    #[error("{key}: {message}")]
    Undecodable {
        /// The key as upstream shows it.
        key: String,
        /// The decoder's words.
        message: String,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store_client::Error),
}

impl StorageError {
    /// The answer for the client, as upstream words it.
    pub fn status(&self, resource: GroupResource<'_>, name: &str) -> Status {
        match self {
            Self::NotFound { .. } => Status::not_found(resource, name),
            Self::AlreadyExists { .. } => Status::already_exists(resource, name),
            Self::InvalidObject { .. } => Status::conflict(resource, name, self),
            Self::Contended { .. } => Status::conflict_modified(resource, name),
            Self::TooLargeResourceVersion { requested, current } => {
                Status::too_large_resource_version(*requested, *current, RETRY_AFTER_SECONDS)
            }
            Self::ListExpired => Status::expired(Expired::List),
            Self::ContinueExpired { inconsistent } => {
                Status::expired(Expired::Continue { inconsistent: Some(inconsistent) })
            }
            Self::WatchExpired { requested, oldest } => {
                Status::expired(Expired::Watch { requested: *requested, oldest: *oldest })
            }
            Self::Initializing => Status::too_many_requests(self.to_string(), RETRY_AFTER_SECONDS),
            Self::BadRequest(message) => Status::bad_request(message.clone()),
            Self::Store(error) => store_status(error),
            Self::Corrupt { .. } | Self::Envelope(_) | Self::Undecodable { .. } => Status::internal_error(self),
        }
    }
}

/// What the store said, in its words and without a reason, as upstream's server passes etcd's errors on. It asks nobody to
/// come back: clients would send a write again that may have happened, and where the quorum is lost `kubectl` would
/// wait for minutes instead of saying so.
fn store_status(error: &store_client::Error) -> Status {
    Status::failure(500, "", error.to_string())
}

/// Failure of [`crate::ResourceStore::guaranteed_update`]: the storage's, or what the caller's function returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError<E> {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The function refused the current state.
    #[error("{0}")]
    Refused(E),
}

#[cfg(test)]
mod tests {
    use super::*;

    const PODS: GroupResource<'static> = GroupResource { group: "", resource: "pods" };

    #[test]
    fn failures_are_worded_as_upstream_words_them() {
        let key = || "/registry/pods/default/web".to_owned();
        let message = "Precondition failed: UID in precondition: a, UID in object meta: b".to_owned();
        for (error, code, reason, text) in [
            (StorageError::NotFound { key: key() }, 404, "NotFound", r#"pods "web" not found"#),
            (StorageError::AlreadyExists { key: key() }, 409, "AlreadyExists", r#"pods "web" already exists"#),
            (
                StorageError::InvalidObject { key: key(), message },
                409,
                "Conflict",
                "Operation cannot be fulfilled on pods \"web\": StorageError: invalid object, Code: 4, \
                 Key: /registry/pods/default/web, ResourceVersion: 0, \
                 AdditionalErrorMsg: Precondition failed: UID in precondition: a, UID in object meta: b",
            ),
            (
                StorageError::TooLargeResourceVersion { requested: 9, current: 3 },
                504,
                "Timeout",
                "Timeout: Too large resource version: 9, current: 3",
            ),
            (StorageError::WatchExpired { requested: 1, oldest: 7 }, 410, "Expired", "too old resource version: 1 (7)"),
            (StorageError::Initializing, 429, "TooManyRequests", "storage is (re)initializing"),
            (StorageError::Store(store_client::Error::NO_LEADER), 500, "", "etcdserver: no leader"),
            (StorageError::Store(store_client::Error::TIMEOUT), 500, "", "etcdserver: request timed out"),
        ] {
            let status = error.status(PODS, "web");
            assert_eq!((status.code, status.reason.as_str(), status.message.as_str()), (code, reason, text));
        }
    }

    #[test]
    fn an_expired_continue_token_brings_its_successor() {
        let status = StorageError::ContinueExpired { inconsistent: "next".into() }.status(PODS, "");
        assert_eq!((status.code, status.metadata.continue_token.as_str()), (410, "next"));
    }
}
