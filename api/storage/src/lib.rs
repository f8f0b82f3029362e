//! Typed access to objects over the store, and the watch cache.
//!
//! Objects are bytes: an [`envelope`] of a small header (what selectors need) and the JSON without its
//! resourceVersion. Reading splices the resourceVersion in and copies; only an update parses. Reading order:
//! [`Storage`] hands out a [`ResourceStore`] per resource; its lists and watches are served by the [`cache`], which
//! follows the store's feed; a [`Watch`] is a cursor into the cache's window or, behind it, into the store's history.
//!
//! Invariants: nothing outside this crate knows the key layout or the envelope; no read parses JSON; a cache is filled
//! from the store alone, never by the writer; no watch waits for another.

mod cache;
mod confirm;
mod consistency;
mod continue_token;
mod envelope;
mod error;
mod hub;
mod item;
mod leases;
pub mod metrics;
mod options;
mod predicate;
mod progress;
mod resource;
mod resource_store;
mod scope;
mod storage;
mod store_ops;
mod stored;
mod watch;

pub use consistency::Report;
pub use continue_token::ContinueKey;
pub use envelope::EnvelopeError;
pub use error::{RETRY_AFTER_SECONDS, StorageError, UpdateError};
pub use item::{EventKind, INITIAL_EVENTS_END, WatchItem};
pub use options::{
    Change, Fields, ListOptions, ListPage, ListRevision, NewObject, Outcome, Preconditions, ReadRevision, Updated,
    WatchOptions, WatchStart,
};
pub use predicate::Predicate;
pub use resource::Resource;
pub use resource_store::ResourceStore;
pub use storage::Storage;
pub use store_client::Store;
pub use stored::{EncodingKey, Stored};
pub use watch::Watch;
