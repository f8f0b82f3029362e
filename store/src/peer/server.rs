//! The gRPC side of a member that is called: checks who calls whom, then hands over to the [`Handler`].

use std::sync::Arc;
use tonic::{Request, Response, Status};

use super::proto::{Envelope, Reply, peer_server};
use super::{Handler, MESSAGE_BYTES_MAX, Method};
use crate::identity::Identity;

/// Who answers.
pub(crate) type Answers = Arc<dyn Handler>;

/// The peer service of one member.
pub(crate) struct PeerService {
    identity: Identity,
    answers: Answers,
}

impl PeerService {
    /// The service, ready for a tonic server.
    pub(crate) fn server(identity: Identity, answers: Answers) -> peer_server::PeerServer<Self> {
        peer_server::PeerServer::new(Self { identity, answers })
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl peer_server::Peer for PeerService {
    async fn call(&self, request: Request<Envelope>) -> Result<Response<Reply>, Status> {
        let envelope = request.into_inner();
        if envelope.cluster_id != self.identity.cluster_id {
            return Err(Status::failed_precondition(format!(
                "cluster ID mismatch: this is {:x}, the caller's is {:x}",
                self.identity.cluster_id, envelope.cluster_id
            )));
        }
        if envelope.to != self.identity.member_id {
            return Err(Status::failed_precondition(format!(
                "this is member {:x}, the call is for {:x}",
                self.identity.member_id, envelope.to
            )));
        }
        let method = Method::from_number(envelope.method)
            .ok_or_else(|| Status::unimplemented(format!("method {} is unknown", envelope.method)))?;
        match self.answers.answer(envelope.from, method, envelope.payload).await {
            Ok(payload) => Ok(Response::new(Reply { payload })),
            Err(reason) => Err(Status::failed_precondition(reason)),
        }
    }
}
