//! One watch over a gRPC stream of its own, so that nothing but its own reader can hold it up.

use super::services::watch_client::WatchClient;
use super::{answer, error};
use crate::error::{Code, Error, Result};
use crate::watch::{WatchEvent, WatchHandle};
use bytes::Bytes;
use futures::stream;
use std::collections::VecDeque;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::watch_request::RequestUnion;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

/// Requests on their way to the server: the creation, then progress requests. When it is full, a progress request is
/// dropped: those before it are not answered yet, and their mark will be as new as this one's.
const REQUESTS_PENDING_MAX: usize = 4;

struct Reader {
    responses: tonic::Streaming<pb::WatchResponse>,
    /// What one response said, in order. At most two: a refused watch is created and canceled at once.
    ready: VecDeque<WatchEvent>,
    ended: bool,
    /// Events of a revision that came in fragments, until the last one is here.
    fragments: Vec<store_types::Event>,
    /// Keeps the request half open for as long as the watch is read.
    _requests: mpsc::Sender<pb::WatchRequest>,
}

pub(super) async fn open(mut client: WatchClient<Channel>, request: pb::WatchCreateRequest) -> Result<WatchHandle> {
    let (sender, receiver) = mpsc::channel(REQUESTS_PENDING_MAX);
    let create = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(request)) };
    sender.try_send(create).map_err(|_| Error::new(Code::Internal, "the new queue has no room"))?;
    let mut stream = tonic::Request::new(ReceiverStream::new(receiver));
    // Lets the server end the watch when it has lost its leader, instead of keeping it silent.
    stream.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
    let responses = answer(client.watch(stream).await)?;
    let requests = sender.clone();
    let mut reader =
        Reader { responses, ready: VecDeque::new(), ended: false, fragments: Vec::new(), _requests: sender };
    // The creation is awaited here, so that a server that cannot serve fails the call and not the stream.
    reader.read().await?;
    let events = stream::unfold(reader, |mut reader| async move { reader.next().await.map(|event| (event, reader)) });
    Ok(WatchHandle::new(events, move || {
        let progress = RequestUnion::ProgressRequest(pb::WatchProgressRequest {});
        let _ = requests.try_send(pb::WatchRequest { request_union: Some(progress) });
    }))
}

impl Reader {
    async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended || self.read().await.is_err() {
                return None;
            }
        }
    }

    /// Reads one response into `ready`; an error is the end of the stream.
    async fn read(&mut self) -> Result<()> {
        let response = self.responses.message().await.map_err(|status| error(&status))?;
        let response = response.ok_or_else(|| Error::new(Code::Unavailable, "the server ended the watch"))?;
        let revision = response.header.as_ref().map_or(0, |header| header.revision);
        if response.created {
            self.ready.push_back(WatchEvent::Created { revision });
        }
        self.fragments.extend(response.events);
        if response.canceled {
            self.ended = true;
            let compact_revision = response.compact_revision;
            let reason = if response.cancel_reason.is_empty() && compact_revision > 0 {
                Error::COMPACTED.to_string()
            } else {
                response.cancel_reason
            };
            self.ready.push_back(WatchEvent::Canceled { compact_revision, reason: Bytes::from(reason) });
        } else if !self.fragments.is_empty() && !response.fragment {
            let events = std::mem::take(&mut self.fragments).into();
            self.ready.push_back(WatchEvent::Events { revision, events });
        } else if !response.created && !response.fragment {
            self.ready.push_back(WatchEvent::Progress { revision });
        }
        Ok(())
    }
}
