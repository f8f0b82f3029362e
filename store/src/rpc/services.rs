//! The unary services, and the lease stream.

use futures::{FutureExt, Stream, StreamExt};
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use store_client::{Error, Store};
use store_types::etcdserverpb as pb;
use tonic::{Request, Response, Status, Streaming};

use super::proto::{cluster_server, kv_server, lease_server, maintenance_server};
use super::range_stream;
use super::status::{proposal_status, status, too_large};
use crate::client::LocalStore;

/// etcd's own metadata key: refuse while there is no leader.
const REQUIRE_LEADER: &str = "hasleader";

/// All services of one member.
#[derive(Clone)]
pub(super) struct Services {
    pub(super) store: Arc<LocalStore>,
}

type Answer<T> = Result<Response<T>, Status>;

impl Services {
    /// Refuses if the client insists on a leader and there is none.
    pub(super) fn check_leader<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let required = requires_leader(request);
        if required && self.store.replica().term_and_leader().1 == 0 {
            return Err(status(Error::NO_LEADER));
        }
        Ok(())
    }
}

/// Whether the client insists on a leader.
pub(super) fn requires_leader<T>(request: &Request<T>) -> bool {
    request.metadata().get(REQUIRE_LEADER).is_some_and(|value| value == "true")
}

#[tonic::async_trait]
impl kv_server::Kv for Services {
    type RangeStreamStream = Pin<Box<dyn Stream<Item = Result<pb::RangeStreamResponse, Status>> + Send>>;

    async fn range_stream(&self, request: Request<pb::RangeRequest>) -> Answer<Self::RangeStreamStream> {
        self.check_leader(&request)?;
        let request = request.into_inner();
        range_stream::check(&request)?;
        let chunks = range_stream::chunks(Arc::clone(&self.store), request).await?;
        Ok(Response::new(Box::pin(chunks)))
    }

    async fn range(&self, request: Request<pb::RangeRequest>) -> Answer<pb::RangeResponse> {
        self.check_leader(&request)?;
        self.store.range(request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn put(&self, request: Request<pb::PutRequest>) -> Answer<pb::PutResponse> {
        self.check_leader(&request)?;
        self.store.put(request.into_inner()).await.map(Response::new).map_err(proposal_status)
    }

    async fn delete_range(&self, request: Request<pb::DeleteRangeRequest>) -> Answer<pb::DeleteRangeResponse> {
        self.check_leader(&request)?;
        self.store.delete_range(request.into_inner()).await.map(Response::new).map_err(proposal_status)
    }

    async fn txn(&self, request: Request<pb::TxnRequest>) -> Answer<pb::TxnResponse> {
        self.check_leader(&request)?;
        self.store.txn(request.into_inner()).await.map(Response::new).map_err(proposal_status)
    }

    async fn compact(&self, request: Request<pb::CompactionRequest>) -> Answer<pb::CompactionResponse> {
        self.check_leader(&request)?;
        self.store.compact(request.into_inner()).await.map(Response::new).map_err(proposal_status)
    }
}

#[tonic::async_trait]
impl lease_server::Lease for Services {
    type LeaseKeepAliveStream = Pin<Box<dyn Stream<Item = Result<pb::LeaseKeepAliveResponse, Status>> + Send>>;

    async fn lease_grant(&self, request: Request<pb::LeaseGrantRequest>) -> Answer<pb::LeaseGrantResponse> {
        self.check_leader(&request)?;
        self.store.lease_grant(request.into_inner()).await.map(Response::new).map_err(proposal_status)
    }

    async fn lease_revoke(&self, request: Request<pb::LeaseRevokeRequest>) -> Answer<pb::LeaseRevokeResponse> {
        self.check_leader(&request)?;
        self.store.lease_revoke(request.into_inner()).await.map(Response::new).map_err(proposal_status)
    }

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<pb::LeaseKeepAliveRequest>>,
    ) -> Answer<Self::LeaseKeepAliveStream> {
        self.check_leader(&request)?;
        let lost = requires_leader(&request).then(|| self.store.replica().leadership().lost());
        let store = Arc::clone(&self.store);
        let answers = request.into_inner().then(move |request| {
            let store = Arc::clone(&store);
            async move { store.lease_keep_alive(request.map_err(too_large)?).await.map_err(status) }
        });
        let Some(lost) = lost else { return Ok(Response::new(Box::pin(answers))) };
        // Ends with the client's requests, or with the error when the leader is lost.
        let answers = answers.map(Some).chain(futures::stream::once(ready(None)));
        let cut_off = futures::stream::once(lost.map(|()| Some(Err(status(Error::NO_LEADER)))));
        let answers = futures::stream::select(answers, cut_off).take_while(|answer| ready(answer.is_some()));
        Ok(Response::new(Box::pin(answers.filter_map(ready))))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<pb::LeaseTimeToLiveRequest>,
    ) -> Answer<pb::LeaseTimeToLiveResponse> {
        self.check_leader(&request)?;
        self.store.lease_time_to_live(request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn lease_leases(&self, request: Request<pb::LeaseLeasesRequest>) -> Answer<pb::LeaseLeasesResponse> {
        self.check_leader(&request)?;
        self.store.lease_leases(request.into_inner()).await.map(Response::new).map_err(status)
    }
}

#[tonic::async_trait]
impl cluster_server::Cluster for Services {
    async fn member_list(&self, request: Request<pb::MemberListRequest>) -> Answer<pb::MemberListResponse> {
        self.store.member_list(request.into_inner()).await.map(Response::new).map_err(status)
    }
}

#[tonic::async_trait]
impl maintenance_server::Maintenance for Services {
    async fn alarm(&self, request: Request<pb::AlarmRequest>) -> Answer<pb::AlarmResponse> {
        self.store.alarm(request.into_inner()).await.map(Response::new).map_err(proposal_status)
    }

    async fn defragment(&self, _request: Request<pb::DefragmentRequest>) -> Answer<pb::DefragmentResponse> {
        self.store.defragment().await.map(Response::new).map_err(status)
    }

    async fn status(&self, request: Request<pb::StatusRequest>) -> Answer<pb::StatusResponse> {
        self.store.status(request.into_inner()).await.map(Response::new).map_err(status)
    }
}
