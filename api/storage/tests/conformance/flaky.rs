//! A store whose watches can be cut, as by a member that goes away.

use async_trait::async_trait;
use futures::StreamExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use store_client::{Error, MemoryStore, Result, Store, WatchHandle};
use store_types::etcdserverpb as pb;
use tokio::sync::watch;

/// A memory store that can lose its watches.
pub(crate) struct Flaky {
    inner: MemoryStore,
    /// Watches opened before the current generation end.
    generation: watch::Sender<u64>,
    refuse_watches: AtomicBool,
    ranges: AtomicU64,
    slow_ranges: AtomicBool,
}

impl Default for Flaky {
    fn default() -> Self {
        Self {
            inner: MemoryStore::new(),
            generation: watch::Sender::new(0),
            refuse_watches: AtomicBool::new(false),
            ranges: AtomicU64::new(0),
            slow_ranges: AtomicBool::new(false),
        }
    }
}

impl Flaky {
    /// Ends all watches.
    pub(crate) fn cut_watches(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Whether new watches are refused.
    pub(crate) fn refuse_watches(&self, refuse: bool) {
        self.refuse_watches.store(refuse, Ordering::SeqCst);
    }

    /// Lets others run during each range read.
    pub(crate) fn slow_ranges(&self) {
        self.slow_ranges.store(true, Ordering::SeqCst);
    }

    /// Range reads so far.
    pub(crate) fn ranges(&self) -> u64 {
        self.ranges.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Store for Flaky {
    async fn range(&self, request: pb::RangeRequest) -> Result<pb::RangeResponse> {
        self.ranges.fetch_add(1, Ordering::SeqCst);
        if self.slow_ranges.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        self.inner.range(request).await
    }
    async fn put(&self, request: pb::PutRequest) -> Result<pb::PutResponse> {
        self.inner.put(request).await
    }
    async fn delete_range(&self, request: pb::DeleteRangeRequest) -> Result<pb::DeleteRangeResponse> {
        self.inner.delete_range(request).await
    }
    async fn txn(&self, request: pb::TxnRequest) -> Result<pb::TxnResponse> {
        self.inner.txn(request).await
    }
    async fn compact(&self, request: pb::CompactionRequest) -> Result<pb::CompactionResponse> {
        self.inner.compact(request).await
    }
    async fn watch(&self, request: pb::WatchCreateRequest) -> Result<WatchHandle> {
        if self.refuse_watches.load(Ordering::SeqCst) {
            return Err(Error::NO_LEADER);
        }
        let mut generation = self.generation.subscribe();
        generation.borrow_and_update();
        let handle = self.inner.watch(request).await?;
        let progress = handle.progress_requester();
        let cut = async move {
            let _ = generation.changed().await;
        };
        Ok(WatchHandle::new(handle.take_until(Box::pin(cut)), move || progress()))
    }
    async fn lease_grant(&self, request: pb::LeaseGrantRequest) -> Result<pb::LeaseGrantResponse> {
        self.inner.lease_grant(request).await
    }
    async fn lease_revoke(&self, request: pb::LeaseRevokeRequest) -> Result<pb::LeaseRevokeResponse> {
        self.inner.lease_revoke(request).await
    }
    async fn lease_keep_alive(&self, request: pb::LeaseKeepAliveRequest) -> Result<pb::LeaseKeepAliveResponse> {
        self.inner.lease_keep_alive(request).await
    }
    async fn lease_time_to_live(&self, request: pb::LeaseTimeToLiveRequest) -> Result<pb::LeaseTimeToLiveResponse> {
        self.inner.lease_time_to_live(request).await
    }
    async fn lease_leases(&self, request: pb::LeaseLeasesRequest) -> Result<pb::LeaseLeasesResponse> {
        self.inner.lease_leases(request).await
    }
    async fn member_list(&self, request: pb::MemberListRequest) -> Result<pb::MemberListResponse> {
        self.inner.member_list(request).await
    }
    async fn status(&self, request: pb::StatusRequest) -> Result<pb::StatusResponse> {
        self.inner.status(request).await
    }
}
