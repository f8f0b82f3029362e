//! etcd's wire from the client's side, without a client library that would hide things.

use crate::support::*;
use http::uri::PathAndQuery;
use store::Member;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::watch_request::RequestUnion;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// What a client says to be refused rather than wait while there is no leader.
pub(crate) const REQUIRES_LEADER: (&str, &str) = ("hasleader", "true");

/// A connection to a member that listens on one client URL.
pub(crate) async fn connect(member: &Member) -> Channel {
    let url = format!("http://{}", member.client_addresses()[0]);
    Endpoint::from_shared(url).unwrap().connect().await.unwrap()
}

/// One call.
pub(crate) async fn unary<Q, A>(channel: &Channel, path: &'static str, request: Q) -> Result<A, Status>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel.clone()).max_encoding_message_size(usize::MAX);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::default();
    let request = tonic::Request::new(request);
    grpc.unary(request, PathAndQuery::from_static(path), codec).await.map(tonic::Response::into_inner)
}

/// One call that is answered with a stream, to its end.
pub(crate) async fn server_stream<Q, A>(channel: &Channel, path: &'static str, request: Q) -> Result<Vec<A>, Status>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX);
    grpc.ready().await.unwrap();
    let request = tonic::Request::new(request);
    let codec: ProstCodec<Q, A> = ProstCodec::default();
    let mut answers = grpc.server_streaming(request, PathAndQuery::from_static(path), codec).await?.into_inner();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await? {
        all.push(answer);
    }
    Ok(all)
}

/// A stream of requests and answers, as a client holds it.
pub(crate) struct Stream<Q, A> {
    requests: mpsc::Sender<Q>,
    responses: tonic::Streaming<A>,
}

/// The stream of watches.
pub(crate) type Watches = Stream<pb::WatchRequest, pb::WatchResponse>;
/// The stream of lease renewals.
pub(crate) type Renewals = Stream<pb::LeaseKeepAliveRequest, pb::LeaseKeepAliveResponse>;

impl<Q, A> Stream<Q, A>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + std::fmt::Debug + 'static,
{
    async fn to(channel: &Channel, path: &'static str, metadata: &[(&'static str, &str)]) -> Result<Self, Status> {
        let (requests, outgoing) = mpsc::channel(16);
        let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX);
        grpc.ready().await.unwrap();
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        let mut request = tonic::Request::new(ReceiverStream::new(outgoing));
        for (name, value) in metadata {
            request.metadata_mut().insert(*name, value.parse().unwrap());
        }
        let responses = grpc.streaming(request, PathAndQuery::from_static(path), codec).await?.into_inner();
        Ok(Self { requests, responses })
    }

    pub(crate) async fn next(&mut self) -> A {
        tokio::time::timeout(LIMIT, self.responses.message())
            .await
            .expect("silence")
            .unwrap()
            .expect("the stream ended")
    }

    /// What the stream ends with, without anything before.
    pub(crate) async fn end(&mut self) -> Status {
        tokio::time::timeout(LIMIT, self.responses.message()).await.expect("silence").expect_err("it goes on")
    }
}

impl Watches {
    pub(crate) async fn open(channel: &Channel, metadata: &[(&'static str, &str)]) -> Result<Self, Status> {
        Self::to(channel, "/etcdserverpb.Watch/Watch", metadata).await
    }

    pub(crate) async fn send(&self, union: RequestUnion) {
        self.requests.send(pb::WatchRequest { request_union: Some(union) }).await.unwrap();
    }

    pub(crate) async fn create(&mut self, create: pb::WatchCreateRequest) -> pb::WatchResponse {
        self.send(RequestUnion::CreateRequest(create)).await;
        self.next().await
    }
}

impl Renewals {
    pub(crate) async fn open(channel: &Channel, metadata: &[(&'static str, &str)]) -> Result<Self, Status> {
        Self::to(channel, "/etcdserverpb.Lease/LeaseKeepAlive", metadata).await
    }

    pub(crate) async fn send(&self, id: i64) {
        self.requests.send(pb::LeaseKeepAliveRequest { id }).await.unwrap();
    }
}
