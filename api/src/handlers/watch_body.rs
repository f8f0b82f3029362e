//! The frames of a watch. What is ready goes out together; an event's bytes are shared by all watchers it goes to.
//!
//! One small struct a watch, no task and no buffer of its own: an idle watch costs what its connection costs.

use super::{partial, table};
use crate::http::BoxError;
use crate::registry::{KindInfo, Registry};
use api_machinery::table::IncludeObject;
use api_storage::{EventKind, Watch, WatchItem};
use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Events that are ready at once are joined up to this size: one chunk, one TLS record.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// How events become bytes where they are not sent as they are.
pub(super) struct Encoder {
    /// Finds the kind again.
    pub(super) registry: Arc<Registry>,
    /// Which kind.
    pub(super) info: &'static KindInfo,
    /// What is sent of an object.
    pub(super) view: EncodedView,
}

/// What is sent of an object.
pub(super) enum EncodedView {
    /// PartialObjectMetadata.
    Partial,
    /// Tables of one row; the first has the columns.
    Table {
        /// What rows carry.
        include: IncludeObject,
        /// Whether the columns are still to be sent.
        first: bool,
    },
}

/// The body of a watch's response.
pub(super) struct WatchBody {
    watch: Watch,
    encoder: Option<Encoder>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    /// An event that did not fit into the frame before.
    held: Option<Bytes>,
    done: bool,
}

impl WatchBody {
    pub(super) fn new(watch: Watch, encoder: Option<Encoder>, closing: CancellationToken) -> Self {
        Self { watch, encoder, closing: Box::pin(closing.cancelled_owned()), held: None, done: false }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(Some(held));
        }
        if self.done {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.watch).poll_next(cx) {
            Poll::Ready(Some(item)) => {
                Poll::Ready(Some(tracing::trace_span!("wire").in_scope(|| match &mut self.encoder {
                    None => item.wire(),
                    Some(encoder) => encoder.encode(&item),
                })))
            }
            Poll::Ready(None) => {
                self.done = true;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl http_body::Body for WatchBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let first = match this.poll_event(cx) {
            Poll::Ready(Some(first)) => first,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                if std::future::Future::poll(this.closing.as_mut(), cx).is_ready() {
                    this.done = true;
                    return Poll::Ready(None);
                }
                return Poll::Pending;
            }
        };
        let mut joined: Option<BytesMut> = None;
        while let Poll::Ready(Some(next)) = this.poll_event(cx) {
            let bytes = joined.as_ref().map_or(first.len(), BytesMut::len);
            if bytes + next.len() > JOINED_BYTES_MAX {
                this.held = Some(next);
                break;
            }
            let joined = joined.get_or_insert_with(|| {
                let mut joined = BytesMut::with_capacity(JOINED_BYTES_MAX);
                joined.put_slice(&first);
                joined
            });
            joined.put_slice(&next);
        }
        Poll::Ready(Some(Ok(Frame::data(joined.map_or(first, BytesMut::freeze)))))
    }

    fn is_end_stream(&self) -> bool {
        self.done && self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Encoder {
    fn encode(&mut self, item: &Arc<WatchItem>) -> Bytes {
        let kind = self.registry.kinds().find(self.info.group, self.info.version, self.info.resource);
        let (Some(kind), false) = (kind, item.kind() == EventKind::Error) else { return item.wire() };
        match &mut self.view {
            EncodedView::Partial => item.encoded(partial::KEY, |item| {
                let object = match item.object() {
                    Some(object) => partial::stored(object),
                    None => table::bookmark("meta.k8s.io/v1", "PartialObjectMetadata", item),
                };
                frame(item, &object)
            }),
            EncodedView::Table { include, first } => {
                let rows = table::Rows { kind, include: *include, now: jiff::Timestamp::now() };
                let columns = std::mem::take(first);
                rows.event(item, columns).map_or_else(|| item.wire(), |table| frame(item, &table))
            }
        }
    }
}

/// `{"type":...,"object":...}` with the object made anew.
fn frame(item: &WatchItem, object: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(object.len() + 40);
    out.put_slice(b"{\"type\":\"");
    out.put_slice(item.kind().as_str().as_bytes());
    out.put_slice(b"\",\"object\":");
    out.put_slice(object);
    out.put_slice(b"}\n");
    out.freeze()
}
