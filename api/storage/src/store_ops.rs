//! The requests that storage makes of the store, in etcd's terms.

use crate::error::StorageError;
use crate::resource::Resource;
use crate::stored::Stored;
use bytes::Bytes;
use std::ops::Bound;
use std::sync::Arc;
use store_client::Store;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use store_types::etcdserverpb::request_op::Request;
use store_types::etcdserverpb::response_op::Response;
use store_types::{KeyRange, KeyValue};
use tracing::Instrument;

/// Objects that are read from the store at once when all are wanted.
const PAGE_OBJECTS: i64 = 500;

/// A range read at `revision`, 0 for the current one; `limit` 0 is all.
pub(crate) fn range_request(range: KeyRange, limit: i64, revision: i64) -> pb::RangeRequest {
    let (key, range_end) = range.into_pair();
    pb::RangeRequest { key, range_end, limit, revision, ..Default::default() }
}

/// A watch from `start` on; `start` 0 is from now on.
pub(crate) fn watch_request(range: KeyRange, start: i64, prev_kv: bool) -> pb::WatchCreateRequest {
    let (key, range_end) = range.into_pair();
    pb::WatchCreateRequest {
        key,
        range_end,
        start_revision: start,
        progress_notify: true,
        prev_kv,
        ..Default::default()
    }
}

/// Everything in a range at one revision, page by page.
pub(crate) async fn list_all(
    store: &dyn Store,
    resource: &Resource,
    range: &KeyRange,
) -> Result<(Vec<Arc<Stored>>, i64), StorageError> {
    let prefix_bytes = resource.prefix().len();
    let mut objects = Vec::new();
    let mut next = range.clone();
    let mut revision = 0;
    loop {
        let page = store.range(range_request(next.clone(), PAGE_OBJECTS, revision)).await?;
        if revision == 0 {
            revision = header_revision(page.header.as_ref());
        }
        for kv in &page.kvs {
            objects.push(Stored::from_store(resource, prefix_bytes, kv)?);
        }
        match page.kvs.last() {
            Some(last) if page.more => next = after(&next, &last.key),
            _ => return Ok((objects, revision)),
        }
    }
}

/// What is left of a range behind a key.
pub(crate) fn after(range: &KeyRange, key: &[u8]) -> KeyRange {
    starting_at(range, successor(key))
}

/// What is left of a range from a key on.
pub(crate) fn starting_at(range: &KeyRange, start: Bytes) -> KeyRange {
    match range {
        KeyRange::HalfOpen { end, .. } => KeyRange::HalfOpen { start, end: end.clone() },
        KeyRange::One(_) | KeyRange::From(_) => KeyRange::From(start),
    }
}

/// The smallest key greater than `key`.
pub(crate) fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

/// What became of a conditional write.
pub(crate) enum Conditional {
    /// It happened at this revision.
    Done(i64),
    /// The key was not at the expected revision; this is what it holds, if anything.
    Lost(Option<KeyValue>),
}

impl Conditional {
    /// What was done, or what was found instead.
    pub(crate) fn map<T>(self, done: impl FnOnce(i64) -> T) -> Result<T, Option<KeyValue>> {
        match self {
            Self::Done(revision) => Ok(done(revision)),
            Self::Lost(found) => Err(found),
        }
    }
}

/// Puts if the key's mod revision is `expected` (0: the key does not exist).
pub(crate) async fn put_if(
    store: &dyn Store,
    key: &Bytes,
    expected: i64,
    value: Bytes,
    lease: i64,
) -> Result<Conditional, StorageError> {
    let put = pb::PutRequest { key: key.clone(), value, lease, ..Default::default() };
    conditional(store, key, expected, Request::RequestPut(put)).await
}

/// Deletes if the key's mod revision is `expected`.
pub(crate) async fn delete_if(store: &dyn Store, key: &Bytes, expected: i64) -> Result<Conditional, StorageError> {
    let delete = pb::DeleteRangeRequest { key: key.clone(), ..Default::default() };
    conditional(store, key, expected, Request::RequestDeleteRange(delete)).await
}

async fn conditional(
    store: &dyn Store,
    key: &Bytes,
    expected: i64,
    write: Request,
) -> Result<Conditional, StorageError> {
    let unchanged = pb::Compare {
        result: CompareResult::Equal as i32,
        target: CompareTarget::Mod as i32,
        key: key.clone(),
        target_union: Some(TargetUnion::ModRevision(expected)),
        ..Default::default()
    };
    let read = Request::RequestRange(range_request(KeyRange::One(key.clone()), 0, 0));
    let response = store
        .txn(pb::TxnRequest {
            compare: vec![unchanged],
            success: vec![pb::RequestOp { request: Some(write) }],
            failure: vec![pb::RequestOp { request: Some(read) }],
        })
        .instrument(tracing::trace_span!("store_call"))
        .await?;
    if response.succeeded {
        return Ok(Conditional::Done(header_revision(response.header.as_ref())));
    }
    let found = response.responses.into_iter().next().and_then(|first| match first.response {
        Some(Response::ResponseRange(range)) => range.kvs.into_iter().next(),
        _ => None,
    });
    Ok(Conditional::Lost(found))
}

/// Revision of a response.
pub(crate) fn header_revision(header: Option<&pb::ResponseHeader>) -> i64 {
    header.map_or(0, |header| header.revision)
}

/// A range as the bounds of an ordered map.
pub(crate) fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    match range {
        KeyRange::One(key) => (Bound::Included(key), Bound::Included(key)),
        KeyRange::HalfOpen { start, end } => (Bound::Included(start), Bound::Excluded(end)),
        KeyRange::From(start) => (Bound::Included(start), Bound::Unbounded),
    }
}
