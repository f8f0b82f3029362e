//! The frames of a watch. What is ready goes out together; an event's bytes are shared by all watchers it goes to.
//!
//! One small struct a watch, no task and no buffer of its own: an idle watch costs what its connection costs.

use super::{partial, table};
use crate::http::BoxError;
use crate::registry::form::Form;
use crate::registry::{KindInfo, Registry};
use api_machinery::codec;
use api_machinery::partial::MetaVersion;
use api_machinery::table::IncludeObject;
use api_storage::{EncodingKey, EventKind, Watch, WatchItem};
use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Events that are ready at once are joined up to this size: one chunk, one TLS record.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// Name of the encoding of events under the names of a form; no stored kind has two.
const FORM: EncodingKey = EncodingKey("Form");

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
    /// The object under the names of a form.
    Form(&'static Form),
    /// PartialObjectMetadata.
    Partial(MetaVersion),
    /// Tables of one row; the first has the columns.
    Table {
        /// What they are written in.
        version: MetaVersion,
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
    /// Events of one wake-up that did not fit into the frames before. Holds nothing while the watch is idle.
    rest: std::vec::IntoIter<Arc<WatchItem>>,
    /// The event before those, already encoded.
    held: Option<Bytes>,
    done: bool,
}

impl WatchBody {
    pub(super) fn new(watch: Watch, encoder: Option<Encoder>, closing: CancellationToken) -> Self {
        let rest = Vec::new().into_iter();
        Self { watch, encoder, closing: Box::pin(closing.cancelled_owned()), rest, held: None, done: false }
    }

    /// The next events, at least one; `false` when the watch is over.
    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if !self.is_drained() {
            return Poll::Ready(true);
        }
        if self.done {
            return Poll::Ready(false);
        }
        let mut items = Vec::new();
        match self.watch.poll_batch(cx, &mut items) {
            Poll::Ready(more) => {
                self.done = !more;
                self.rest = items.into_iter();
                Poll::Ready(more)
            }
            Poll::Pending if self.closing.as_mut().poll(cx).is_ready() => {
                self.done = true;
                Poll::Ready(false)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_drained(&self) -> bool {
        self.held.is_none() && self.rest.len() == 0
    }

    /// The next event's bytes, if it is there.
    fn next_bytes(&mut self) -> Option<Bytes> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        let item = self.rest.next()?;
        Some(tracing::trace_span!("wire").in_scope(|| match &mut self.encoder {
            None => item.wire(),
            Some(encoder) => encoder.encode(&item),
        }))
    }
}

impl http_body::Body for WatchBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if !ready!(this.poll_events(cx)) {
            return Poll::Ready(None);
        }
        let Some(first) = this.next_bytes() else { return Poll::Ready(None) };
        if this.rest.len() == 0 {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let mut joined = BytesMut::new();
        while let Some(next) = this.next_bytes() {
            let bytes = first.len().max(joined.len());
            if bytes + next.len() > JOINED_BYTES_MAX {
                this.held = Some(next);
                break;
            }
            if joined.is_empty() {
                joined.reserve(JOINED_BYTES_MAX.min(first.len() * (this.rest.len() + 2)));
                joined.put_slice(&first);
            }
            joined.put_slice(&next);
        }
        if joined.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        Poll::Ready(Some(Ok(Frame::data(joined.freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.done && self.is_drained()
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
            EncodedView::Form(form) => item.encoded(FORM, |item| {
                let object = match item.object() {
                    Some(object) => {
                        let mut out = BytesMut::new();
                        codec::rename_into(&object.to_json(), &kind.api_version, form.fields, &mut out);
                        out.freeze()
                    }
                    None => table::bookmark(&kind.api_version, kind.info.kind, item),
                };
                frame(item, &object)
            }),
            EncodedView::Partial(version) => item.encoded(partial::key(*version), |item| {
                let object = match item.object() {
                    Some(object) => partial::stored(*version, object),
                    None => table::bookmark(version.api_version(), "PartialObjectMetadata", item),
                };
                frame(item, &object)
            }),
            EncodedView::Table { version, include, first } => {
                let (version, include, now) = (*version, *include, jiff::Timestamp::now());
                let rows = table::Rows { kind, version, of_scales: false, include, now };
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
