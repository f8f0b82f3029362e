//! A store in the memory of this process: the real state machine without log and disk.
//!
//! For tests and for trying things out; nothing survives it. Revisions, refusals, leases and watches are those of the
//! replicated store, because [`store_mvcc`] decides them in both.

mod expiry;
mod state;
mod watch;

use crate::Store;
use crate::error::{Error, Result};
use crate::watch::WatchHandle;
use async_trait::async_trait;
use parking_lot::Mutex;
use prost::Message;
use state::Shared;
use std::sync::Arc;
use store_mvcc::check;
use store_types::command::{CommandResponse, Operation};
use store_types::etcdserverpb as pb;
use tokio::task::JoinSet;

/// The version in [`Store::status`]: the first release of etcd whose progress requests can be trusted, which is what
/// clients look for.
const VERSION: &str = "3.5.13";

/// A store in memory. Watches end when it is dropped.
#[derive(Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    /// Holds the task that ends leases, once there is a lease.
    expiry: Mutex<JoinSet<()>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store at revision 1.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared::new()), expiry: Mutex::new(JoinSet::new()) }
    }

    /// Current revision.
    pub fn revision(&self) -> i64 {
        self.shared.state.lock().mvcc.revision()
    }

    fn end_leases_in_time(&self) {
        let mut expiry = self.expiry.lock();
        if expiry.is_empty() {
            expiry.spawn(expiry::run(Arc::downgrade(&self.shared)));
        }
    }
}

/// Runs an operation and takes its own kind of answer out.
macro_rules! commit {
    ($store:expr, $kind:ident, $request:expr) => {
        match $store.shared.commit(Operation::$kind($request))? {
            CommandResponse::$kind(mut response) => {
                state::complete(&mut response.header);
                Ok(response)
            }
            other => Err(Error::new(crate::Code::Internal, format!("unexpected answer {other:?}"))),
        }
    };
}

#[async_trait]
impl Store for MemoryStore {
    async fn range(&self, request: pb::RangeRequest) -> Result<pb::RangeResponse> {
        check::range(&request)?;
        self.shared.range(&request)
    }

    async fn put(&self, request: pb::PutRequest) -> Result<pb::PutResponse> {
        check::put(&request)?;
        limit_bytes(&request)?;
        commit!(self, Put, request)
    }

    async fn delete_range(&self, request: pb::DeleteRangeRequest) -> Result<pb::DeleteRangeResponse> {
        check::delete_range(&request)?;
        commit!(self, DeleteRange, request)
    }

    async fn txn(&self, request: pb::TxnRequest) -> Result<pb::TxnResponse> {
        check::txn(&request)?;
        limit_bytes(&request)?;
        commit!(self, Txn, request)
    }

    async fn compact(&self, request: pb::CompactionRequest) -> Result<pb::CompactionResponse> {
        commit!(self, Compact, request)
    }

    async fn watch(&self, request: pb::WatchCreateRequest) -> Result<WatchHandle> {
        Ok(watch::open(&self.shared, request))
    }

    async fn lease_grant(&self, mut request: pb::LeaseGrantRequest) -> Result<pb::LeaseGrantResponse> {
        if request.id == 0 {
            request.id = self.shared.state.lock().free_lease_id();
        }
        let granted = commit!(self, LeaseGrant, request)?;
        self.end_leases_in_time();
        Ok(granted)
    }

    async fn lease_revoke(&self, request: pb::LeaseRevokeRequest) -> Result<pb::LeaseRevokeResponse> {
        commit!(self, LeaseRevoke, request)
    }

    async fn lease_keep_alive(&self, request: pb::LeaseKeepAliveRequest) -> Result<pb::LeaseKeepAliveResponse> {
        Ok(self.shared.keep_alive(request.id))
    }

    async fn lease_time_to_live(&self, request: pb::LeaseTimeToLiveRequest) -> Result<pb::LeaseTimeToLiveResponse> {
        Ok(self.shared.time_to_live(&request))
    }

    async fn lease_leases(&self, _: pb::LeaseLeasesRequest) -> Result<pb::LeaseLeasesResponse> {
        Ok(self.shared.leases())
    }

    async fn member_list(&self, _: pb::MemberListRequest) -> Result<pb::MemberListResponse> {
        let member = pb::Member { id: state::MEMBER_ID, name: "memory".to_owned(), ..Default::default() };
        Ok(pb::MemberListResponse { header: self.shared.header(), members: vec![member] })
    }

    async fn status(&self, _: pb::StatusRequest) -> Result<pb::StatusResponse> {
        let bytes = self.shared.state.lock().row_bytes();
        Ok(pb::StatusResponse {
            header: self.shared.header(),
            version: VERSION.to_owned(),
            db_size: bytes,
            db_size_in_use: bytes,
            leader: state::MEMBER_ID,
            raft_term: state::TERM,
            ..Default::default()
        })
    }
}

fn limit_bytes(request: &impl Message) -> Result<()> {
    if request.encoded_len() > check::REQUEST_BYTES_MAX { Err(Error::REQUEST_TOO_LARGE) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
