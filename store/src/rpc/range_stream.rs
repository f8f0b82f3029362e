//! A range in chunks, all of one revision: etcd 3.7's way to read what is too large for one answer.
//!
//! The rows are chosen once; each chunk is fetched when the client has room for it.

use futures::Stream;
use futures::stream::try_unfold;
use prost::Message;
use std::sync::Arc;
use store_client::Error;
use store_mvcc::RangePlan;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::range_request::{SortOrder, SortTarget};
use tonic::Status;

use super::status::status;
use crate::client::{LocalStore, REQUEST_BYTES_MAX};

/// Rows of the first chunk, as in etcd.
const FIRST_CHUNK_ROWS: usize = 10;
/// Rows of the largest chunk.
const CHUNK_ROWS_MAX: usize = 10_000;
/// Bytes that chunks are meant to have, about.
const CHUNK_BYTES: usize = REQUEST_BYTES_MAX;

/// What is left to be sent.
struct Rest {
    store: Arc<LocalStore>,
    plan: RangePlan,
    more: bool,
    /// Rows of the next chunk.
    rows: usize,
}

/// Refuses what etcd does not stream either.
pub(super) fn check(request: &pb::RangeRequest) -> Result<(), Status> {
    store_mvcc::check::range(request).map_err(|refusal| status(refusal.into()))?;
    let by_key = request.sort_target() == SortTarget::Key && request.sort_order() == SortOrder::Ascend;
    if request.sort_order() != SortOrder::None && !by_key {
        return Err(Status::unimplemented("RangeStream does not support custom sort orders"));
    }
    let filters =
        [request.min_mod_revision, request.max_mod_revision, request.min_create_revision, request.max_create_revision];
    if filters != [0; 4] {
        return Err(Status::unimplemented("RangeStream does not support revision filters"));
    }
    Ok(())
}

/// The chunks. Header, count and whether there is more come with the last one.
pub(super) async fn chunks(
    store: Arc<LocalStore>,
    request: pb::RangeRequest,
) -> Result<impl Stream<Item = Result<pb::RangeStreamResponse, Status>> + Send, Status> {
    if !request.serializable {
        store.replica().linearize().await.map_err(status)?;
    }
    let state = Arc::clone(store.replica().state());
    let chosen = tokio::task::spawn_blocking(move || state.choose_now(&request)).await;
    let mut plan = chosen.map_err(|_| status(Error::STOPPED))?.map_err(status)?;
    let more = plan.keep_to_limit();
    let rest = Rest { store, plan, more, rows: FIRST_CHUNK_ROWS };
    Ok(try_unfold(Some(rest), |rest| async {
        match rest {
            None => Ok(None),
            Some(rest) => rest.next().await.map(Some),
        }
    }))
}

impl Rest {
    async fn next(mut self) -> Result<(pb::RangeStreamResponse, Option<Self>), Status> {
        let (state, chunk) = (Arc::clone(self.store.replica().state()), self.plan.split_first(self.rows));
        let fetched = tokio::task::spawn_blocking(move || state.fetch_now(chunk)).await;
        let fetched = fetched.map_err(|_| status(Error::STOPPED))?.map_err(status)?;
        let mut response = pb::RangeResponse { kvs: fetched.kvs, ..Default::default() };
        let bytes = response.encoded_len();
        if bytes < CHUNK_BYTES / 2 {
            self.rows = (self.rows * 2).min(CHUNK_ROWS_MAX);
        } else if bytes > CHUNK_BYTES * 2 {
            self.rows = (self.rows / 2).max(1);
        }
        let last = self.plan.rows() == 0;
        if last {
            response.header = Some(self.store.header(self.plan.revision()));
            response.more = self.more;
            response.count = self.plan.count();
        }
        let response = pb::RangeStreamResponse { range_response: Some(response) };
        Ok((response, (!last).then_some(self)))
    }
}
