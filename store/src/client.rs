//! The store as the rest of this process sees it: [`store_client::Store`] on the member itself, without a socket.
//!
//! Path of a write, between step 6 and step 7. Every response header is completed here.

use async_trait::async_trait;
use std::sync::Arc;
use store_client::{Code, Error, Result, Store, WatchHandle};
use store_types::command::{CommandResponse, Operation};
use store_types::etcdserverpb as pb;

use crate::metrics::Metrics;
use crate::raft::Replica;
use crate::state::refusal;
use crate::watch;

/// Largest request: etcd's default of `--max-request-bytes`. Larger ones are refused with "request is too large".
pub const REQUEST_BYTES_MAX: usize = 3 << 19;

/// What [`pb::StatusResponse::version`] says: what clients detect features from. The first release of etcd whose progress
/// marks never overtake events, which is where clients begin to ask for them; what etcd added later (RangeStream in 3.7)
/// is left alone by clients that see it.
pub const COMPATIBLE_VERSION: &str = "3.5.13";
/// Minor version that wrote the data, as etcd shows it.
const STORAGE_VERSION: &str = "3.5";

/// The member in this process.
pub(crate) struct LocalStore {
    replica: Arc<Replica>,
    /// 0 for no limit.
    quota_bytes: u64,
}

impl LocalStore {
    pub(crate) fn new(replica: Arc<Replica>, quota_bytes: u64) -> Self {
        Self { replica, quota_bytes }
    }

    pub(crate) fn replica(&self) -> &Arc<Replica> {
        &self.replica
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.replica.metrics()
    }

    /// A header at this revision.
    pub(crate) fn header(&self, revision: i64) -> pb::ResponseHeader {
        let identity = self.replica.identity();
        pb::ResponseHeader {
            cluster_id: identity.cluster_id,
            member_id: identity.member_id,
            revision,
            raft_term: self.replica.term(),
        }
    }

    /// A header at the current revision.
    pub(crate) fn header_now(&self) -> pb::ResponseHeader {
        self.header(self.replica.state().revision())
    }

    fn complete(&self, header: &mut Option<pb::ResponseHeader>) {
        let revision = header.as_ref().map_or(0, |header| header.revision);
        *header = Some(self.header(revision));
    }

    async fn propose(&self, operation: Operation) -> Result<CommandResponse> {
        store_mvcc::check::operation(&operation).map_err(refusal)?;
        if self.quota_bytes > 0 {
            self.check_quota(&operation).await?;
        }
        self.replica.propose(operation).await
    }

    /// Refuses what does not fit any more, and lets all members know.
    async fn check_quota(&self, operation: &Operation) -> Result<()> {
        let cost = store_mvcc::alarm::cost_bytes(operation);
        if cost == 0 || self.replica.state().size_bytes() + cost < self.quota_bytes {
            return Ok(());
        }
        let member_id = self.replica.identity().member_id;
        if !self.replica.state().mvcc().alarms().is_active(pb::AlarmType::Nospace, member_id) {
            tracing::warn!(quota_bytes = self.quota_bytes, "the state has reached its quota");
            let action = pb::alarm_request::AlarmAction::Activate as i32;
            let alarm = pb::AlarmRequest { action, member_id, alarm: pb::AlarmType::Nospace as i32 };
            self.replica.propose(Operation::Alarm(alarm)).await?;
        }
        Err(Error::NO_SPACE)
    }

    /// Lists, raises or ends alarms.
    pub(crate) async fn alarm(&self, request: pb::AlarmRequest) -> Result<pb::AlarmResponse> {
        match self.propose(Operation::Alarm(request)).await? {
            CommandResponse::Alarm(mut response) => {
                self.complete(&mut response.header);
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    /// The active alarms as this member knows them.
    pub(crate) fn alarms(&self) -> Vec<pb::AlarmMember> {
        self.replica.state().mvcc().alarms().list(pb::AlarmType::None)
    }

    /// Gives unused space of this member back.
    pub(crate) async fn defragment(&self) -> Result<pb::DefragmentResponse> {
        let state = Arc::clone(self.replica.state());
        let done = tokio::task::spawn_blocking(move || {
            let done = state.generation().defragment();
            state.measure();
            done
        });
        let done = done.await.map_err(|_| Error::STOPPED)?;
        done.map_err(|error| Error::new(Code::Internal, format!("etcdserver: {error}")))?;
        // etcd leaves the header out.
        Ok(pb::DefragmentResponse { header: None })
    }
}

fn check_size(bytes: usize) -> Result<()> {
    if bytes > REQUEST_BYTES_MAX { Err(Error::REQUEST_TOO_LARGE) } else { Ok(()) }
}

fn unexpected() -> Error {
    Error::new(Code::Internal, "etcdserver: the answer does not fit the request")
}

/// Whether a transaction only reads: then it needs no entry in the log.
fn only_reads(request: &pb::TxnRequest) -> bool {
    use pb::request_op::Request;
    request.success.iter().chain(&request.failure).all(|operation| match &operation.request {
        Some(Request::RequestRange(_)) | None => true,
        Some(Request::RequestTxn(nested)) => only_reads(nested),
        Some(Request::RequestPut(_) | Request::RequestDeleteRange(_)) => false,
    })
}

#[async_trait]
impl Store for LocalStore {
    async fn range(&self, request: pb::RangeRequest) -> Result<pb::RangeResponse> {
        store_mvcc::check::range(&request).map_err(refusal)?;
        if !request.serializable {
            self.replica.linearize().await?;
        }
        let mut response = self.replica.state().range(request).await?;
        self.complete(&mut response.header);
        Ok(response)
    }

    async fn put(&self, request: pb::PutRequest) -> Result<pb::PutResponse> {
        check_size(request.key.len() + request.value.len())?;
        match self.propose(Operation::Put(request)).await? {
            CommandResponse::Put(mut response) => {
                self.complete(&mut response.header);
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn delete_range(&self, request: pb::DeleteRangeRequest) -> Result<pb::DeleteRangeResponse> {
        check_size(request.key.len() + request.range_end.len())?;
        match self.propose(Operation::DeleteRange(request)).await? {
            CommandResponse::DeleteRange(mut response) => {
                self.complete(&mut response.header);
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn txn(&self, request: pb::TxnRequest) -> Result<pb::TxnResponse> {
        check_size(prost::Message::encoded_len(&request))?;
        if only_reads(&request) {
            store_mvcc::check::txn(&request).map_err(refusal)?;
            self.replica.linearize().await?;
            let mut response = self.replica.state().read_txn(&request)?;
            self.complete(&mut response.header);
            return Ok(response);
        }
        match self.propose(Operation::Txn(request)).await? {
            CommandResponse::Txn(mut response) => {
                self.complete(&mut response.header);
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn compact(&self, request: pb::CompactionRequest) -> Result<pb::CompactionResponse> {
        let physical = request.physical;
        match self.propose(Operation::Compact(request)).await? {
            CommandResponse::Compact(mut response) => {
                if physical {
                    self.replica.state().wait_swept().await;
                }
                self.complete(&mut response.header);
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn watch(&self, request: pb::WatchCreateRequest) -> Result<WatchHandle> {
        Ok(watch::open(self.replica.state(), &request))
    }

    async fn lease_grant(&self, request: pb::LeaseGrantRequest) -> Result<pb::LeaseGrantResponse> {
        match self.propose(Operation::LeaseGrant(request)).await? {
            CommandResponse::LeaseGrant(mut response) => {
                self.complete(&mut response.header);
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn lease_revoke(&self, request: pb::LeaseRevokeRequest) -> Result<pb::LeaseRevokeResponse> {
        match self.propose(Operation::LeaseRevoke(request)).await? {
            CommandResponse::LeaseRevoke(mut response) => {
                self.complete(&mut response.header);
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn lease_keep_alive(&self, request: pb::LeaseKeepAliveRequest) -> Result<pb::LeaseKeepAliveResponse> {
        let ttl = self.replica.lease_keep_alive(request.id).await?;
        Ok(pb::LeaseKeepAliveResponse { header: Some(self.header_now()), id: request.id, ttl })
    }

    async fn lease_time_to_live(&self, request: pb::LeaseTimeToLiveRequest) -> Result<pb::LeaseTimeToLiveResponse> {
        let remaining = self.replica.lease_remaining(request.id).await?;
        self.replica.linearize().await?;
        let mut response = pb::LeaseTimeToLiveResponse { id: request.id, ttl: -1, ..Default::default() };
        {
            let mvcc = self.replica.state().mvcc();
            if let (Some(lease), Some(remaining)) = (mvcc.lease(request.id), remaining) {
                response.ttl = remaining;
                response.granted_ttl = lease.ttl_seconds;
                if request.keys {
                    response.keys = mvcc.lease_keys(request.id).cloned().collect();
                }
            }
        }
        response.header = Some(self.header_now());
        Ok(response)
    }

    async fn lease_leases(&self, _request: pb::LeaseLeasesRequest) -> Result<pb::LeaseLeasesResponse> {
        // What this member knows, as in etcd: leases can be listed where there is no quorum.
        let leases = self.replica.state().mvcc().leases().map(|lease| pb::LeaseStatus { id: lease.id }).collect();
        Ok(pb::LeaseLeasesResponse { header: Some(self.header_now()), leases })
    }

    async fn member_list(&self, request: pb::MemberListRequest) -> Result<pb::MemberListResponse> {
        if request.linearizable {
            self.replica.linearize().await?;
        }
        let members = self.replica.members().into_iter().map(|(id, node, is_learner)| async move {
            let client_ur_ls = self.replica.client_urls_of(id, &node).await;
            pb::Member { id, name: node.name, peer_ur_ls: node.peer_urls, client_ur_ls, is_learner }
        });
        let members = futures::future::join_all(members).await;
        // Members have no revision; etcd leaves it out.
        Ok(pb::MemberListResponse { header: Some(self.header(0)), members })
    }

    async fn status(&self, _request: pb::StatusRequest) -> Result<pb::StatusResponse> {
        let (raft_term, leader) = self.replica.term_and_leader();
        let state = self.replica.state();
        let generation = state.generation();
        let no_leader = (leader == 0).then(|| Error::NO_LEADER.message.into_owned());
        let alarms = self.alarms().into_iter().map(|alarm| {
            let kind = alarm.alarm().as_str_name();
            format!("memberID:{} alarm:{kind}", alarm.member_id)
        });
        let errors = no_leader.into_iter().chain(alarms).collect();
        Ok(pb::StatusResponse {
            header: Some(self.header_now()),
            version: COMPATIBLE_VERSION.into(),
            db_size: generation.disk_bytes() as i64,
            leader,
            raft_index: self.replica.log().last().map_or(0, |id| id.index),
            raft_term,
            raft_applied_index: state.applied_index(),
            errors,
            db_size_in_use: generation.live_bytes() as i64,
            is_learner: false,
            storage_version: STORAGE_VERSION.into(),
            db_size_quota: i64::try_from(self.quota_bytes).unwrap_or(i64::MAX),
        })
    }
}
