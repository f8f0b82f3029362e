//! Any etcd v3 server over gRPC: a member of ours, or a stock etcd.
//!
//! The channel dials again by itself; a watch that breaks ends, and the caller resumes it at the revision after the last
//! that it saw. Requests are never sent twice: whether a write may be repeated only its caller knows.

mod watch;

use crate::Store;
use crate::error::{Code, Error, Result};
use crate::watch::WatchHandle;
use async_trait::async_trait;
use std::time::Duration;
use store_types::etcdserverpb as pb;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code as Grpc, Status};

#[allow(missing_docs, clippy::all, unreachable_pub)]
mod services {
    include!(concat!(env!("OUT_DIR"), "/etcdserverpb.rs"));
}

use services::cluster_client::ClusterClient;
use services::kv_client::KvClient;
use services::lease_client::LeaseClient;
use services::maintenance_client::MaintenanceClient;
use services::watch_client::WatchClient;

/// Largest answer that is accepted, as in etcd's own client; a larger one fails the request. Lists are as large as the
/// caller's limit lets them be.
const ANSWER_BYTES_MAX: usize = i32::MAX as usize;
/// How long a connection may take to come about before the request fails.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence after which a connection is probed, and how long the probe may take before the connection counts as dead.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a server may send ahead on one stream, and so what one stalled watch can hold in memory.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// The largest that HTTP/2 allows: streams share it, and a stalled watch must not hold up the requests beside it. Fixed
/// windows, because measuring them takes pings, and etcd hangs up on clients that ping often.
const CONNECTION_WINDOW_BYTES: u32 = i32::MAX as u32;

/// Where the servers are, and who we are.
#[derive(Clone, Debug, Default)]
pub struct RemoteOptions {
    /// URLs of client ports, `http://` or `https://`; requests are spread over those that answer.
    pub endpoints: Vec<String>,
    /// Needed for `https://`.
    pub tls: Option<RemoteTls>,
}

/// TLS material, PEM.
#[derive(Clone)]
pub struct RemoteTls {
    /// Authorities that may have signed the server's certificate.
    pub trusted_ca_pem: Vec<u8>,
    /// Our certificate chain and key, if the server asks for them.
    pub identity_pem: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for RemoteTls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key must not reach a log.
        formatter.debug_struct("RemoteTls").field("identity", &self.identity_pem.is_some()).finish_non_exhaustive()
    }
}

/// The options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No endpoint was given.
    #[error("no endpoint of a store is given")]
    NoEndpoint,
    /// A URL is malformed, or the TLS material does not fit it.
    #[error("endpoint {0:?} cannot be used")]
    Endpoint(String, #[source] tonic::transport::Error),
    /// An `https://` URL without TLS material.
    #[error("endpoint {0:?} needs TLS material")]
    TlsMissing(String),
}

/// A client of etcd v3 servers. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct RemoteStore {
    channel: Channel,
}

impl RemoteStore {
    /// Prepares the connections; they are made when first used. Must be called inside a runtime.
    pub fn new(options: &RemoteOptions) -> std::result::Result<Self, RemoteError> {
        let endpoints: Vec<Endpoint> =
            options.endpoints.iter().map(|url| endpoint(url, options)).collect::<std::result::Result<_, _>>()?;
        let channel = match endpoints.as_slice() {
            [] => return Err(RemoteError::NoEndpoint),
            [only] => only.connect_lazy(),
            _ => Channel::balance_list(endpoints.into_iter()),
        };
        Ok(Self { channel })
    }

    fn kv(&self) -> KvClient<Channel> {
        KvClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    fn lease(&self) -> LeaseClient<Channel> {
        LeaseClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    fn watcher(&self) -> WatchClient<Channel> {
        WatchClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }
}

fn endpoint(url: &str, options: &RemoteOptions) -> std::result::Result<Endpoint, RemoteError> {
    let invalid = |error| RemoteError::Endpoint(url.to_owned(), error);
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(invalid)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .tcp_nodelay(true);
    if !url.starts_with("https://") {
        return Ok(endpoint);
    }
    let tls = options.tls.as_ref().ok_or_else(|| RemoteError::TlsMissing(url.to_owned()))?;
    let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.trusted_ca_pem));
    if let Some((certificate, key)) = &tls.identity_pem {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    endpoint.tls_config(config).map_err(invalid)
}

#[async_trait]
impl Store for RemoteStore {
    async fn range(&self, request: pb::RangeRequest) -> Result<pb::RangeResponse> {
        answer(self.kv().range(request).await)
    }

    async fn put(&self, request: pb::PutRequest) -> Result<pb::PutResponse> {
        answer(self.kv().put(request).await)
    }

    async fn delete_range(&self, request: pb::DeleteRangeRequest) -> Result<pb::DeleteRangeResponse> {
        answer(self.kv().delete_range(request).await)
    }

    async fn txn(&self, request: pb::TxnRequest) -> Result<pb::TxnResponse> {
        answer(self.kv().txn(request).await)
    }

    async fn compact(&self, request: pb::CompactionRequest) -> Result<pb::CompactionResponse> {
        answer(self.kv().compact(request).await)
    }

    async fn watch(&self, request: pb::WatchCreateRequest) -> Result<WatchHandle> {
        watch::open(self.watcher(), request).await
    }

    async fn lease_grant(&self, request: pb::LeaseGrantRequest) -> Result<pb::LeaseGrantResponse> {
        answer(self.lease().lease_grant(request).await)
    }

    async fn lease_revoke(&self, request: pb::LeaseRevokeRequest) -> Result<pb::LeaseRevokeResponse> {
        answer(self.lease().lease_revoke(request).await)
    }

    async fn lease_keep_alive(&self, request: pb::LeaseKeepAliveRequest) -> Result<pb::LeaseKeepAliveResponse> {
        // The stream stays open on our side until the answer is here: a server may drop requests of a closed one.
        let (sender, requests) = tokio::sync::mpsc::channel(1);
        // The one slot is free, and the receiver is at hand.
        let _ = sender.try_send(request);
        let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
        let mut answers = answer(self.lease().lease_keep_alive(requests).await)?;
        let renewed = answers.message().await.map_err(|status| error(&status))?;
        drop(sender);
        renewed.ok_or_else(|| Error::new(Code::Unavailable, "the server ended the stream without an answer"))
    }

    async fn lease_time_to_live(&self, request: pb::LeaseTimeToLiveRequest) -> Result<pb::LeaseTimeToLiveResponse> {
        answer(self.lease().lease_time_to_live(request).await)
    }

    async fn lease_leases(&self, request: pb::LeaseLeasesRequest) -> Result<pb::LeaseLeasesResponse> {
        answer(self.lease().lease_leases(request).await)
    }

    async fn member_list(&self, request: pb::MemberListRequest) -> Result<pb::MemberListResponse> {
        answer(ClusterClient::new(self.channel.clone()).member_list(request).await)
    }

    async fn status(&self, request: pb::StatusRequest) -> Result<pb::StatusResponse> {
        answer(MaintenanceClient::new(self.channel.clone()).status(request).await)
    }
}

fn answer<T>(answer: std::result::Result<tonic::Response<T>, Status>) -> Result<T> {
    answer.map(tonic::Response::into_inner).map_err(|status| error(&status))
}

/// A documented text keeps its code even where a proxy on the way did not: clients tell errors by the text.
fn error(status: &Status) -> Error {
    if let Some(documented) = Error::DOCUMENTED.iter().find(|documented| documented.message == status.message()) {
        return documented.clone();
    }
    // The connection broke, whatever code the transport made of it: a request that was sent may have been served.
    if std::error::Error::source(status).is_some() {
        return Error::new(Code::Unavailable, status.message().to_owned());
    }
    let code = match status.code() {
        Grpc::Cancelled => Code::Canceled,
        Grpc::InvalidArgument => Code::InvalidArgument,
        Grpc::DeadlineExceeded => Code::DeadlineExceeded,
        Grpc::NotFound => Code::NotFound,
        Grpc::PermissionDenied => Code::PermissionDenied,
        Grpc::ResourceExhausted => Code::ResourceExhausted,
        Grpc::FailedPrecondition => Code::FailedPrecondition,
        Grpc::OutOfRange => Code::OutOfRange,
        Grpc::Unimplemented => Code::Unimplemented,
        Grpc::Internal => Code::Internal,
        Grpc::Unavailable => Code::Unavailable,
        Grpc::DataLoss => Code::DataLoss,
        Grpc::Unauthenticated => Code::Unauthenticated,
        Grpc::Ok | Grpc::Unknown | Grpc::AlreadyExists | Grpc::Aborted => Code::Unknown,
    };
    Error::new(code, status.message().to_owned())
}

#[cfg(test)]
mod tests;
