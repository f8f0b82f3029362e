//! What a check works with: the store below a prefix, short forms of requests, and watches whose guarantees are
//! verified on the way.

use super::WAIT_SECONDS_MAX;
use crate::watch::{WatchEvent, WatchHandle};
use crate::{Error, Store};
use bytes::Bytes;
use futures::StreamExt;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use store_types::etcdserverpb as pb;
use store_types::mvccpb::event::EventType;
use store_types::{Event, KeyValue};

/// One check's part of a store.
#[derive(Clone)]
pub struct Scope {
    pub(super) store: Arc<dyn Store>,
    prefix: String,
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.prefix)
    }
}

/// Waits for something that must come.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(WAIT_SECONDS_MAX), future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {WAIT_SECONDS_MAX} s in vain for {what}"),
    }
}

impl Scope {
    pub(super) async fn new(store: Arc<dyn Store>, name: &str) -> Self {
        let mut scope = Self { store, prefix: String::new() };
        // The revision makes the prefix new even if the check has run on this store before.
        scope.prefix = format!("conformance/{name}/{}/", scope.revision().await);
        scope
    }

    /// A key of this check.
    pub(super) fn key(&self, name: &str) -> Bytes {
        format!("{}{name}", self.prefix).into()
    }

    /// First key after all keys of this check.
    pub(super) fn end(&self) -> Bytes {
        store_types::range::prefix_end(self.prefix.as_bytes()).expect("the prefix is not all 0xff")
    }

    /// The key without the check's prefix.
    pub(super) fn name(&self, kv: &KeyValue) -> String {
        String::from_utf8_lossy(&kv.key[self.prefix.len()..]).into_owned()
    }

    /// Current revision of the store.
    pub(super) async fn revision(&self) -> i64 {
        let request = pb::RangeRequest { key: "conformance".into(), count_only: true, ..Default::default() };
        header_revision(self.store.range(request).await.expect("reading must work").header)
    }

    /// A put request.
    pub(super) fn put_request(&self, name: &str, value: &str) -> pb::PutRequest {
        pb::PutRequest { key: self.key(name), value: Bytes::copy_from_slice(value.as_bytes()), ..Default::default() }
    }

    /// Puts and returns the revision.
    pub(super) async fn put(&self, name: &str, value: &str) -> i64 {
        let response = self.store.put(self.put_request(name, value)).await.expect("the put is well formed");
        header_revision(response.header)
    }

    /// A request for one key.
    pub(super) fn get_request(&self, name: &str) -> pb::RangeRequest {
        pb::RangeRequest { key: self.key(name), ..Default::default() }
    }

    /// A request for all keys of the check.
    pub(super) fn list_request(&self) -> pb::RangeRequest {
        pb::RangeRequest { key: self.key(""), range_end: self.end(), ..Default::default() }
    }

    /// Reads one key.
    pub(super) async fn get(&self, name: &str) -> Option<KeyValue> {
        self.range(self.get_request(name)).await.kvs.pop()
    }

    /// Reads one key at a revision.
    pub(super) async fn get_at(&self, name: &str, revision: i64) -> Result<Option<KeyValue>, Error> {
        let request = pb::RangeRequest { revision, ..self.get_request(name) };
        Ok(self.store.range(request).await?.kvs.pop())
    }

    /// Reads a range.
    pub(super) async fn range(&self, request: pb::RangeRequest) -> pb::RangeResponse {
        self.store.range(request).await.expect("the range is well formed and readable")
    }

    /// Names of the keys that a range finds.
    pub(super) async fn names(&self, request: pb::RangeRequest) -> Vec<String> {
        self.range(request).await.kvs.iter().map(|kv| self.name(kv)).collect()
    }

    /// Deletes one key and returns the revision.
    pub(super) async fn delete(&self, name: &str) -> i64 {
        let request = pb::DeleteRangeRequest { key: self.key(name), ..Default::default() };
        header_revision(self.store.delete_range(request).await.expect("the deletion is well formed").header)
    }

    /// Compacts, space given back too.
    pub(super) async fn compact(&self, revision: i64) -> Result<pb::CompactionResponse, Error> {
        self.store.compact(pb::CompactionRequest { revision, physical: true }).await
    }

    /// Grants a lease and returns its id.
    pub(super) async fn grant(&self, ttl_seconds: i64) -> i64 {
        let request = pb::LeaseGrantRequest { ttl: ttl_seconds, id: 0 };
        let granted = self.store.lease_grant(request).await.expect("the grant is well formed");
        assert_ne!(granted.id, 0, "the server chooses an id");
        granted.id
    }

    /// Ends a lease.
    pub(super) async fn revoke(&self, id: i64) -> i64 {
        let revoked = self.store.lease_revoke(pb::LeaseRevokeRequest { id }).await;
        header_revision(revoked.expect("the lease exists").header)
    }

    /// A watch on all keys of the check.
    pub(super) fn watch_request(&self, start_revision: i64) -> pb::WatchCreateRequest {
        pb::WatchCreateRequest { key: self.key(""), range_end: self.end(), start_revision, ..Default::default() }
    }

    /// Opens a watch and waits until it stands.
    pub(super) async fn watch(&self, request: pb::WatchCreateRequest) -> Watched {
        let start_revision = request.start_revision;
        let handle = within("the opening of a watch", self.store.watch(request)).await.expect("the watch opens");
        let mut watched = Watched {
            handle,
            ready: VecDeque::new(),
            seen: HashSet::new(),
            last: start_revision - 1,
            progress: 0,
            created: 0,
            ended: None,
        };
        watched.step().await;
        assert!(watched.created > 0, "a watch begins with Created");
        watched
    }

    /// Opens a watch on all keys of the check.
    pub(super) async fn watch_from(&self, start_revision: i64) -> Watched {
        self.watch(self.watch_request(start_revision)).await
    }
}

/// The revision in an answer's header.
pub(super) fn header_revision(header: Option<pb::ResponseHeader>) -> i64 {
    header.expect("every answer has a header").revision
}

/// `put` or `delete`, key and revision: what most checks compare.
pub(super) type Seen = (&'static str, String, i64);

/// A watch that verifies order, uniqueness, atomicity and progress with every batch.
pub(super) struct Watched {
    handle: WatchHandle,
    ready: VecDeque<Event>,
    seen: HashSet<(Bytes, i64)>,
    /// Last revision that was delivered or skipped.
    last: i64,
    /// Last progress mark.
    pub(super) progress: i64,
    /// Revision in `Created`.
    pub(super) created: i64,
    ended: Option<(i64, Bytes)>,
}

impl Watched {
    /// Takes in one thing that the watch says.
    async fn step(&mut self) {
        assert!(self.ended.is_none(), "a canceled watch says no more");
        let event = within("something from the watch", self.handle.next()).await;
        match event.expect("the watch does not end by itself") {
            WatchEvent::Created { revision } => {
                assert_eq!(self.created, 0, "a watch is created once");
                self.created = revision;
            }
            WatchEvent::Events { revision, events } => {
                assert!(!events.is_empty(), "a batch has events");
                let mut last_of_batch = self.last;
                for event in events.iter() {
                    let kv = event.kv.as_ref().expect("an event has a key");
                    assert!(kv.mod_revision > self.last, "revision {} spans two batches or is old", kv.mod_revision);
                    assert!(kv.mod_revision >= last_of_batch, "events are in revision order");
                    assert!(kv.mod_revision > self.progress, "an event follows a progress mark that covers it");
                    assert!(self.seen.insert((kv.key.clone(), kv.mod_revision)), "an event came twice: {kv:?}");
                    last_of_batch = kv.mod_revision;
                    self.ready.push_back(event.clone());
                }
                assert!(revision >= last_of_batch, "a batch is not ahead of the store");
                self.last = last_of_batch;
            }
            WatchEvent::Progress { revision } => {
                assert!(revision >= self.progress, "progress does not fall");
                self.progress = revision;
            }
            WatchEvent::Canceled { compact_revision, reason } => self.ended = Some((compact_revision, reason)),
        }
    }

    /// The next event.
    pub(super) async fn event(&mut self) -> Event {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            self.step().await;
            assert!(self.ended.is_none(), "canceled: {:?}", self.ended);
        }
    }

    /// The next `count` events in short form.
    pub(super) async fn events(&mut self, scope: &Scope, count: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        while seen.len() < count {
            seen.push(short(scope, &self.event().await));
        }
        seen
    }

    /// Asks for progress until a mark of at least `revision` comes. A member may keep silent while it is behind, so the
    /// question is repeated.
    pub(super) async fn progress_to(&mut self, revision: i64) {
        let asking = async {
            while self.progress < revision {
                self.handle.request_progress();
                let again = tokio::time::timeout(Duration::from_secs(1), self.step());
                let _ = again.await;
            }
        };
        within("a progress mark", asking).await;
    }

    /// Waits for the end; returns the compact revision and the reason.
    pub(super) async fn canceled(&mut self) -> (i64, String) {
        loop {
            if let Some((compact_revision, reason)) = &self.ended {
                return (*compact_revision, String::from_utf8_lossy(reason).into_owned());
            }
            self.step().await;
        }
    }

    /// Events that have been read ahead.
    pub(super) fn pending(&self) -> usize {
        self.ready.len()
    }
}

/// The short form of an event.
pub(super) fn short(scope: &Scope, event: &Event) -> Seen {
    let kv = event.kv.as_ref().expect("an event has a key");
    let kind = if event.r#type == EventType::Delete as i32 { "delete" } else { "put" };
    (kind, scope.name(kv), kv.mod_revision)
}

/// One event in short form.
pub(super) fn seen(kind: &'static str, name: &str, revision: i64) -> Seen {
    (kind, name.to_owned(), revision)
}
