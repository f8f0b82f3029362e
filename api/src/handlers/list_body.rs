//! The bytes of a list, made while they are sent: a large list is never in memory twice.

use crate::http::{Body, BoxError};
use crate::registry::Kind;
use crate::registry::form::Form;
use api_machinery::codec;
use api_machinery::list::{self, ListMeta};
use api_storage::{ListPage, Stored};
use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A frame is sent when it holds this much; a list that is smaller is sent whole with its length.
const FRAME_BYTES: usize = 64 * 1024;

/// How much shorter an item may be than the most that it says of itself: it goes without kind and version.
const ITEM_DIFFERENCE_BYTES_MAX: usize = 256;

/// The list as a body.
pub(super) fn objects(kind: &Kind, page: ListPage) -> Body {
    let bytes: usize = page.items.iter().map(|item| item.json_bytes_max() + 1).sum();
    if bytes <= FRAME_BYTES {
        let mut out = whole(kind, &page);
        out.put_u8(b'\n');
        return Body::full(out.freeze());
    }
    let mut out = BytesMut::with_capacity(FRAME_BYTES + 4096);
    head(kind, &page, &mut out);
    let form = kind.strategy.form();
    let spliced = page.items.len() * ITEM_DIFFERENCE_BYTES_MAX;
    let bytes_min = if form.is_some() { bytes / 2 } else { bytes.saturating_sub(spliced) };
    Body::boxed(Frames { out, form, items: page.items.into_iter(), bytes_min, first: true, done: false })
}

/// The list in one piece, without a final line feed.
pub(super) fn whole(kind: &Kind, page: &ListPage) -> BytesMut {
    let bytes: usize = page.items.iter().map(|item| item.json_bytes_max() + 1).sum();
    let mut out = BytesMut::with_capacity(bytes + 256);
    head(kind, page, &mut out);
    for (at, item) in page.items.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        write_item(kind.strategy.form(), item, &mut out);
    }
    list::write_tail(&mut out);
    out
}

fn head(kind: &Kind, page: &ListPage, out: &mut BytesMut) {
    let list_kind = format!("{}List", kind.info.kind);
    list::write_head(&kind.api_version, &list_kind, &meta(page), out);
}

/// The metadata of a page.
pub(super) fn meta(page: &ListPage) -> ListMeta<'_> {
    ListMeta {
        resource_version: page.resource_version,
        continue_token: page.continue_token.as_deref().unwrap_or_default(),
        remaining_item_count: page.remaining_item_count,
    }
}

/// Appends an item, under the names of the form where there is one.
fn write_item(form: Option<&Form>, item: &Stored, out: &mut BytesMut) {
    let Some(form) = form else { return item.write_json_item(out) };
    let mut json = BytesMut::new();
    item.write_json_item(&mut json);
    codec::rename_into(&json, "", form.fields, out);
}

struct Frames {
    out: BytesMut,
    form: Option<&'static Form>,
    items: std::vec::IntoIter<Arc<Stored>>,
    /// The body is at least this long as long as nothing of it is sent. Whoever decides about compression asks.
    bytes_min: usize,
    first: bool,
    done: bool,
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        while this.out.len() < FRAME_BYTES {
            let Some(item) = this.items.next() else {
                list::write_tail(&mut this.out);
                this.out.put_u8(b'\n');
                (this.done, this.bytes_min) = (true, 0);
                return Poll::Ready(Some(Ok(Frame::data(this.out.split().freeze()))));
            };
            if !std::mem::take(&mut this.first) {
                this.out.put_u8(b',');
            }
            write_item(this.form, &item, &mut this.out);
        }
        this.bytes_min = 0;
        Poll::Ready(Some(Ok(Frame::data(this.out.split().freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::default();
        hint.set_lower(self.bytes_min as u64);
        hint
    }
}
