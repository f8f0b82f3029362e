//! etcd's watch stream: many watches, one stream, in one task's hands.
//!
//! Step 12 of a write for clients of etcd's wire. The stream is polled by the connection: while the client does not read,
//! nothing is produced for it, and its watches stay where they are in history.

use bytes::Bytes;
use futures::future::OptionFuture;
use futures::{Stream, StreamExt};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use store_client::Error;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::watch_request::RequestUnion;
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Response, Status, Streaming};

use super::encoded::WatchResponse;
use super::proto::watch_server;
use super::services::{Services, requires_leader};
use super::status::{status, too_large};
use crate::client::LocalStore;
use crate::metrics::Counted;
use crate::watch::{Cursor, Group, Selected, Step, refusal};

/// Watches of one stream. A further one is refused as cancelled.
const WATCHES_MAX: usize = 100_000;
/// A response with `fragment` is cut when its events have this many bytes, as etcd cuts at its limit for a message.
const FRAGMENT_BYTES_MAX: usize = super::dispatch::MESSAGE_BYTES_MAX;
/// Watch id of a progress mark that stands for the whole stream, and of a refused watch.
const NO_WATCH: i64 = -1;

type Responses = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

#[tonic::async_trait]
impl watch_server::Watch for Services {
    type WatchStream = Responses;

    async fn watch(&self, request: Request<Streaming<pb::WatchRequest>>) -> Result<Response<Responses>, Status> {
        self.check_leader(&request)?;
        let require_leader = requires_leader(&request);
        let session = Session {
            store: Arc::clone(&self.store),
            requests: request.into_inner(),
            requests_ended: false,
            require_leader,
            group: Arc::new(Group::default()),
            watches: HashMap::new(),
            next_id: 0,
            progress_wanted: false,
            out: VecDeque::new(),
            failed: None,
            notify_at: None,
            _counted: self.store.metrics().watch_stream(),
        };
        let responses = futures::stream::unfold(session, |mut session| async move {
            let response = session.next().await?;
            Some((response, session))
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

/// One stream.
struct Session {
    store: Arc<LocalStore>,
    requests: Streaming<pb::WatchRequest>,
    requests_ended: bool,
    require_leader: bool,
    group: Arc<Group>,
    watches: HashMap<i64, Watching>,
    next_id: i64,
    progress_wanted: bool,
    out: VecDeque<WatchResponse>,
    failed: Option<Status>,
    /// When silent watches with `progress_notify` get a mark.
    notify_at: Option<Instant>,
    _counted: Counted,
}

struct Watching {
    cursor: Cursor,
    progress_notify: bool,
    fragment: bool,
    /// Nothing was sent since the last progress mark.
    silent: bool,
}

enum Woken {
    Request(Option<Result<pb::WatchRequest, Status>>),
    Ready,
    Notify,
    LeaderLost,
}

impl Session {
    async fn next(&mut self) -> Option<Result<WatchResponse, Status>> {
        loop {
            if let Some(response) = self.out.pop_front() {
                return Some(Ok(response));
            }
            if let Some(failed) = self.failed.take() {
                self.requests_ended = true;
                self.watches.clear();
                return Some(Err(failed));
            }
            if self.requests_ended {
                return None;
            }
            if let Some(id) = self.group.pop_ready() {
                self.advance(id).await;
                continue;
            }
            if self.progress_wanted
                && let Some(revision) = Cursor::synced(self.store.replica().state().hub(), self.cursors())
            {
                self.progress_wanted = false;
                self.out.push_back(self.head(NO_WATCH, revision).into());
                continue;
            }
            match self.wait().await {
                Woken::Ready => {}
                Woken::Request(Some(Ok(request))) => self.request(request),
                Woken::Request(Some(Err(failed))) => self.failed = Some(too_large(failed)),
                Woken::Request(None) => self.requests_ended = true,
                Woken::Notify => self.notify(),
                Woken::LeaderLost => self.failed = Some(status(Error::NO_LEADER)),
            }
        }
    }

    async fn wait(&mut self) -> Woken {
        let lost = self.require_leader.then(|| self.store.replica().leadership().lost());
        let leader_lost = OptionFuture::from(lost);
        let notify_at = self.notify_at.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            request = self.requests.next() => Woken::Request(request),
            () = self.group.changed() => Woken::Ready,
            () = sleep_until(notify_at), if self.notify_at.is_some() => Woken::Notify,
            Some(()) = leader_lost => Woken::LeaderLost,
        }
    }

    fn request(&mut self, request: pb::WatchRequest) {
        match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => self.create(&create),
            Some(RequestUnion::CancelRequest(cancel)) => self.cancel(cancel.watch_id),
            // etcd does not answer where nothing is watched.
            Some(RequestUnion::ProgressRequest(_)) => self.progress_wanted = !self.watches.is_empty(),
            None => {}
        }
    }

    fn create(&mut self, create: &pb::WatchCreateRequest) {
        let refused = |session: &mut Self, reason: &str| {
            let head = session.head_now(NO_WATCH);
            let refused = pb::WatchResponse { created: true, canceled: true, cancel_reason: reason.into(), ..head };
            session.out.push_back(refused.into());
        };
        if self.watches.len() >= WATCHES_MAX {
            return refused(self, "etcdserver: too many watches on one stream");
        }
        if create.watch_id != 0 && self.watches.contains_key(&create.watch_id) {
            return refused(self, "mvcc: duplicate watch ID provided on the WatchStream");
        }
        // In the past of any compaction; etcd creates no watch for it either.
        if create.start_revision < 0 {
            return refused(self, &Error::COMPACTED.message);
        }
        if let Some(reason) = refusal(create) {
            return refused(self, reason);
        }
        let id = match create.watch_id {
            0 => {
                while self.watches.contains_key(&self.next_id) {
                    self.next_id += 1;
                }
                self.next_id += 1;
                self.next_id - 1
            }
            chosen => chosen,
        };
        let state = self.store.replica().state();
        let (cursor, now) = Cursor::open(state, create, id, &self.group);
        self.out.push_back(pb::WatchResponse { created: true, ..self.head(id, now) }.into());
        if let Some(compacted) = cursor.compacted_at_start() {
            return self.cancel_compacted(id, compacted);
        }
        if create.progress_notify && self.notify_at.is_none() {
            self.notify_at = Some(Instant::now() + state.watch_progress_notify_interval());
        }
        let watching =
            Watching { cursor, progress_notify: create.progress_notify, fragment: create.fragment, silent: true };
        self.watches.insert(id, watching);
        self.group.push_ready(id);
    }

    /// etcd says nothing about an unknown id.
    fn cancel(&mut self, id: i64) {
        if self.watches.remove(&id).is_some() {
            self.progress_wanted &= !self.watches.is_empty();
            let head = self.head_now(id);
            self.out.push_back(pb::WatchResponse { canceled: true, ..head }.into());
        }
    }

    /// Reads the next piece of one watch's history.
    async fn advance(&mut self, id: i64) {
        let Some(watching) = self.watches.get_mut(&id) else { return };
        match watching.cursor.step().await {
            Ok(Step::AtEnd) => {}
            Ok(Step::Compacted(compacted)) => {
                self.watches.remove(&id);
                self.progress_wanted &= !self.watches.is_empty();
                self.cancel_compacted(id, compacted);
            }
            Ok(Step::Selected(selected)) => {
                if !selected.is_empty() {
                    watching.silent = false;
                }
                match self.respond(id, selected) {
                    Ok(()) => self.group.push_ready(id),
                    Err(error) => self.fail(&error),
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Queues responses with whole revisions each; a revision is cut only for a watch that allows it.
    fn respond(&mut self, id: i64, selected: Vec<Selected>) -> io::Result<()> {
        let Some(watching) = self.watches.get(&id) else { return Ok(()) };
        let state = self.store.replica().state();
        let head = self.head(id, state.revision());
        let (mut events, mut bytes): (Vec<Bytes>, usize) = (Vec::new(), 0);
        let mut responses = Vec::new();
        let mut flush = |events: &mut Vec<Bytes>, fragment: bool| {
            let head = pb::WatchResponse { fragment, ..head.clone() };
            responses.push(WatchResponse { head, events: std::mem::take(events) });
        };
        for Selected { changes, picks } in selected {
            let encoded = match watching.cursor.with_previous() {
                true => changes.encoded_with_previous(&*state.generation())?,
                false => changes.encoded(),
            };
            let revision: Vec<Bytes> = match picks {
                None => encoded.to_vec(),
                Some(picks) => picks.into_iter().map(|index| encoded[index].clone()).collect(),
            };
            let revision_bytes: usize = revision.iter().map(Bytes::len).sum();
            if !events.is_empty() && bytes + revision_bytes > FRAGMENT_BYTES_MAX {
                flush(&mut events, false);
                bytes = 0;
            }
            if watching.fragment && revision_bytes > FRAGMENT_BYTES_MAX {
                for event in revision {
                    if !events.is_empty() && bytes + event.len() > FRAGMENT_BYTES_MAX {
                        flush(&mut events, true);
                        bytes = 0;
                    }
                    bytes += event.len();
                    events.push(event);
                }
            } else {
                bytes += revision_bytes;
                events.extend(revision);
            }
        }
        if !events.is_empty() {
            flush(&mut events, false);
        }
        self.out.extend(responses);
        Ok(())
    }

    /// Marks for the watches that asked for them, were silent, and have everything.
    fn notify(&mut self) {
        let hub = self.store.replica().state().hub();
        let mut marks = Vec::new();
        for (id, watching) in self.watches.iter_mut().filter(|(_, watching)| watching.progress_notify) {
            if watching.silent
                && let Some(revision) = Cursor::synced(hub, [&watching.cursor])
            {
                marks.push((*id, revision));
            }
            watching.silent = true;
        }
        for (id, revision) in marks {
            self.out.push_back(self.head(id, revision).into());
        }
        let interval = self.store.replica().state().watch_progress_notify_interval();
        self.notify_at = Some(Instant::now() + interval);
    }

    /// As etcd says it: without a reason or the current revision, the compacted one tells it all.
    fn cancel_compacted(&mut self, id: i64, compact_revision: i64) {
        let canceled = pb::WatchResponse { canceled: true, compact_revision, ..self.head(id, 0) };
        self.out.push_back(canceled.into());
    }

    fn fail(&mut self, error: &io::Error) {
        tracing::error!(%error, "a watch could not read its history");
        self.failed = Some(Status::internal(format!("etcdserver: {error}")));
    }

    fn cursors(&self) -> impl Iterator<Item = &Cursor> + Clone {
        self.watches.values().map(|watching| &watching.cursor)
    }

    fn head(&self, watch_id: i64, revision: i64) -> pb::WatchResponse {
        pb::WatchResponse { header: Some(self.store.header(revision)), watch_id, ..Default::default() }
    }

    fn head_now(&self, watch_id: i64) -> pb::WatchResponse {
        self.head(watch_id, self.store.replica().state().revision())
    }
}
