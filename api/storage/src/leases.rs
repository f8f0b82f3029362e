//! Leases for objects that expire, shared by many objects as upstream does: one per object would cost the store more
//! than the objects.

use crate::error::StorageError;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store_client::Store;
use store_types::etcdserverpb::LeaseGrantRequest;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A lease is handed out for this long; it lives as much longer than the objects' TTL.
const REUSE_SECONDS: u64 = 60;
/// A lease is handed out to this many objects, then there is a new one.
const OBJECTS_MAX: u32 = 1_000;

pub(crate) struct Leases {
    store: Arc<dyn Store>,
    /// The lease in use for each TTL in seconds. TTLs come from the kinds, so there are few.
    current: Mutex<HashMap<u64, Lease>>,
}

struct Lease {
    id: i64,
    until: Instant,
    objects: u32,
}

impl Leases {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, current: Mutex::new(HashMap::new()) }
    }

    /// A lease under which an object lives for at least `ttl`.
    pub(crate) async fn lease_for(&self, ttl: Duration) -> Result<i64, StorageError> {
        let ttl_seconds = ttl.as_secs().max(1);
        let mut current = self.current.lock().await;
        let usable = |lease: &&mut Lease| lease.objects < OBJECTS_MAX && Instant::now() < lease.until;
        if let Some(lease) = current.get_mut(&ttl_seconds).filter(usable) {
            lease.objects += 1;
            return Ok(lease.id);
        }
        let until = Instant::now() + Duration::from_secs(REUSE_SECONDS);
        let lease_seconds = i64::try_from(ttl_seconds.saturating_add(REUSE_SECONDS)).unwrap_or(i64::MAX);
        let granted = self.store.lease_grant(LeaseGrantRequest { ttl: lease_seconds, ..Default::default() }).await?;
        current.retain(|_, lease| Instant::now() < lease.until);
        current.insert(ttl_seconds, Lease { id: granted.id, until, objects: 1 });
        Ok(granted.id)
    }

    /// A lease turned out to be gone (revoked by an administrator): do not hand it out again.
    pub(crate) async fn forget(&self, id: i64) {
        self.current.lock().await.retain(|_, lease| lease.id != id);
    }
}
