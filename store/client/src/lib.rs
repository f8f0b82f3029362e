//! How everything outside the store talks to it: [`Store`], with the operations and errors of the etcd v3 API.
//!
//! Three implementations pass one exam ([`conformance`]): the member in this process (crate `store`), the in-memory
//! store of this crate ([`memory`]), and any etcd v3 server over gRPC ([`remote`]).

pub mod conformance;
pub mod error;
pub mod memory;
pub mod remote;
pub mod watch;

use async_trait::async_trait;
use store_types::etcdserverpb as pb;

pub use error::{Code, Error, Result};
pub use memory::MemoryStore;
pub use remote::{RemoteOptions, RemoteStore, RemoteTls};
pub use watch::{WatchEvent, WatchHandle};

/// A linearizable, revisioned key-value store with watches and leases, as documented by the etcd v3 API.
///
/// A write that returned `Ok` is durable on a quorum. A write that returned an error with
/// [`Error::outcome_unknown`] may or may not have happened.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads a range; linearizable unless `serializable` is set.
    async fn range(&self, request: pb::RangeRequest) -> Result<pb::RangeResponse>;
    /// Stores one value.
    async fn put(&self, request: pb::PutRequest) -> Result<pb::PutResponse>;
    /// Deletes a range; one revision, none if nothing matched.
    async fn delete_range(&self, request: pb::DeleteRangeRequest) -> Result<pb::DeleteRangeResponse>;
    /// Compares, then runs one branch atomically.
    async fn txn(&self, request: pb::TxnRequest) -> Result<pb::TxnResponse>;
    /// Forgets history below the revision; with `physical`, returns after the space is given back.
    async fn compact(&self, request: pb::CompactionRequest) -> Result<pb::CompactionResponse>;
    /// Opens one watch. Events arrive in revision order, each once; see [`WatchHandle`].
    async fn watch(&self, request: pb::WatchCreateRequest) -> Result<WatchHandle>;
    /// Creates a lease; TTL in seconds.
    async fn lease_grant(&self, request: pb::LeaseGrantRequest) -> Result<pb::LeaseGrantResponse>;
    /// Ends a lease and deletes its keys.
    async fn lease_revoke(&self, request: pb::LeaseRevokeRequest) -> Result<pb::LeaseRevokeResponse>;
    /// Renews a lease once. A TTL of 0 in the answer means that there is no such lease.
    async fn lease_keep_alive(&self, request: pb::LeaseKeepAliveRequest) -> Result<pb::LeaseKeepAliveResponse>;
    /// Remaining time, and the keys if asked for. A TTL of -1 in the answer means that there is no such lease.
    async fn lease_time_to_live(&self, request: pb::LeaseTimeToLiveRequest) -> Result<pb::LeaseTimeToLiveResponse>;
    /// Lists the leases.
    async fn lease_leases(&self, request: pb::LeaseLeasesRequest) -> Result<pb::LeaseLeasesResponse>;
    /// Lists the members.
    async fn member_list(&self, request: pb::MemberListRequest) -> Result<pb::MemberListResponse>;
    /// State of the member that answers.
    async fn status(&self, request: pb::StatusRequest) -> Result<pb::StatusResponse>;
}
