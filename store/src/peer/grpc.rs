//! Calls over gRPC. Heartbeats and votes, entries, snapshots, and clients' business have a connection each, so that none
//! of them waits behind another's bytes.

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

use super::proto::{Envelope, peer_client::PeerClient};
use super::{CallError, MESSAGE_BYTES_MAX, Method, Target, Transport};
use crate::config::Tls;
use crate::identity::Identity;
use crate::rpc::client_config;

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// HTTP/2 flow-control window of a connection: bytes under way before the receiver must have read some.
const WINDOW_BYTES: u32 = 8 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Lane {
    Liveness,
    Entries,
    Snapshot,
    Clients,
}

/// gRPC channels to the other members, made on first use and reconnecting by themselves.
pub(crate) struct GrpcTransport {
    identity: Identity,
    tls: Option<Tls>,
    channels: Mutex<HashMap<(u64, Lane), PeerClient<Channel>>>,
}

impl GrpcTransport {
    pub(crate) fn new(identity: Identity, tls: Option<Tls>) -> Self {
        Self { identity, tls, channels: Mutex::default() }
    }

    fn client(&self, target: &Target, lane: Lane) -> Result<PeerClient<Channel>, CallError> {
        let mut channels = self.channels.lock();
        if let Some(client) = channels.get(&(target.id, lane)) {
            return Ok(client.clone());
        }
        let unreachable = |error: tonic::transport::Error| CallError::Unreachable(describe(&error));
        let tls = self.tls.as_ref().map(client_config).transpose();
        let tls = tls.map_err(|error| CallError::Unreachable(error.to_string()))?;
        let mut endpoints = Vec::with_capacity(target.urls.len());
        for url in &target.urls {
            let mut endpoint = Endpoint::from_shared(url.clone())
                .map_err(unreachable)?
                .connect_timeout(CONNECT_TIMEOUT)
                .tcp_nodelay(true)
                .initial_connection_window_size(WINDOW_BYTES)
                .initial_stream_window_size(WINDOW_BYTES);
            if let Some(tls) = &tls {
                endpoint = endpoint.tls_config(tls.clone()).map_err(unreachable)?;
            }
            endpoints.push(endpoint);
        }
        let channel = match endpoints.len() {
            0 => return Err(CallError::Unreachable("no URL is known".into())),
            1 => endpoints.remove(0).connect_lazy(),
            _ => Channel::balance_list(endpoints.into_iter()),
        };
        let client = PeerClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        channels.insert((target.id, lane), client.clone());
        Ok(client)
    }
}

#[async_trait]
impl Transport for GrpcTransport {
    async fn call(&self, target: &Target, method: Method, request: Bytes, limit: Duration) -> Result<Bytes, CallError> {
        let lane = match method {
            // An append without entries is a heartbeat; it is short.
            Method::Append if request.len() < 256 => Lane::Liveness,
            Method::Append => Lane::Entries,
            Method::Vote | Method::PreVote | Method::TransferLeader => Lane::Liveness,
            Method::Snapshot => Lane::Snapshot,
            Method::Propose | Method::ReadIndex | Method::Lease | Method::Describe => Lane::Clients,
        };
        let mut client = self.client(target, lane)?;
        let envelope = Envelope {
            cluster_id: self.identity.cluster_id,
            from: self.identity.member_id,
            to: target.id,
            method: method as u32,
            payload: request,
        };
        match tokio::time::timeout(limit, client.call(envelope)).await {
            Err(_) => Err(CallError::Timeout),
            Ok(Ok(reply)) => Ok(reply.into_inner().payload),
            Ok(Err(status)) => Err(match status.code() {
                // tonic says this when no connection could be made, and when one broke.
                tonic::Code::Unavailable => {
                    if self.tls.is_some() {
                        // The next one is made with what the files hold then.
                        self.channels.lock().remove(&(target.id, lane));
                    }
                    CallError::Unreachable(status.message().to_owned())
                }
                tonic::Code::Unknown | tonic::Code::Cancelled | tonic::Code::DeadlineExceeded => CallError::Timeout,
                _ => CallError::Refused(status.message().to_owned()),
            }),
        }
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
