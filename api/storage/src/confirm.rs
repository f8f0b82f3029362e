//! The store's current revision, confirmed by a quorum: the base of every consistent read from a cache.
//!
//! A confirmation serves every request that arrived before it began, so any number of concurrent requests costs two.

use crate::error::StorageError;
use crate::store_ops;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store_client::Store;
use store_types::KeyRange;
use store_types::etcdserverpb::RangeRequest;
use tokio::sync::Mutex;

/// A key that nobody writes: only the header of the answer matters.
const KEY: &[u8] = b"/registry";

pub(crate) struct Confirmer {
    store: Arc<dyn Store>,
    /// Confirmations begun so far.
    begun: AtomicU64,
    /// Number and revision of the last finished confirmation.
    last: Mutex<(u64, i64)>,
}

impl Confirmer {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, begun: AtomicU64::new(0), last: Mutex::new((0, 0)) }
    }

    /// A revision at least as new as everything acknowledged before the call.
    pub(crate) async fn current_revision(&self) -> Result<i64, StorageError> {
        let begun_before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.0 > begun_before {
            return Ok(last.1);
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let range = KeyRange::One(Bytes::from_static(KEY));
        let request = RangeRequest { count_only: true, ..store_ops::range_request(range, 0, 0) };
        let response = self.store.range(request).await?;
        *last = (number, store_ops::header_revision(response.header.as_ref()));
        Ok(last.1)
    }
}
