//! Members in this process and the network between them.

use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use store::peer::{CallError, Handler, Method, Target, Transport};
use store::{Config, Member, start};
use store_client::{Store, WatchEvent, WatchHandle};
use store_types::etcdserverpb as pb;
use tempfile::TempDir;

/// Nothing in these tests takes longer unless it is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Waits for a condition.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let looked = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, looked).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// A lone member without listeners; small log segments keep tests light.
pub(crate) fn single(data_dir: &Path) -> Config {
    let mut config = Config::single(data_dir);
    config.segment_bytes = 1 << 20;
    config.auto_compaction_retention = Duration::ZERO;
    config
}

pub(crate) async fn start_single(data_dir: &Path) -> Member {
    start(single(data_dir), &daemon::Supervisor::new()).await.unwrap()
}

pub(crate) fn put(key: &str, value: &str) -> pb::PutRequest {
    pb::PutRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        ..Default::default()
    }
}

pub(crate) fn get(key: &str) -> pb::RangeRequest {
    pb::RangeRequest { key: Bytes::copy_from_slice(key.as_bytes()), ..Default::default() }
}

pub(crate) fn delete(key: &str) -> pb::DeleteRangeRequest {
    pb::DeleteRangeRequest { key: Bytes::copy_from_slice(key.as_bytes()), ..Default::default() }
}

/// All keys from `start_revision` on.
pub(crate) fn watch_all(start_revision: i64) -> pb::WatchCreateRequest {
    pb::WatchCreateRequest {
        key: Bytes::from_static(&[0]),
        range_end: Bytes::from_static(&[0]),
        start_revision,
        ..Default::default()
    }
}

/// Stores a value and returns the revision of that.
pub(crate) async fn put_at(store: &Arc<dyn Store>, key: &str, value: &str) -> i64 {
    store.put(put(key, value)).await.unwrap().header.unwrap().revision
}

/// The next thing that a watch says.
pub(crate) async fn next(watch: &mut WatchHandle) -> Option<WatchEvent> {
    tokio::time::timeout(LIMIT, watch.next()).await.expect("the watch is silent")
}

/// Revisions of the events up to and including `last`.
pub(crate) async fn revisions_until(watch: &mut WatchHandle, last: i64) -> Vec<i64> {
    let mut revisions = Vec::new();
    while revisions.last().is_none_or(|revision| *revision < last) {
        match next(watch).await {
            Some(WatchEvent::Events { events, .. }) => {
                revisions.extend(events.iter().map(|event| event.kv.as_ref().unwrap().mod_revision));
            }
            Some(WatchEvent::Created { .. } | WatchEvent::Progress { .. }) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    revisions
}

/// The network of a cluster in this process. Members can be cut off.
#[derive(Default)]
pub(crate) struct Net {
    handlers: Mutex<HashMap<u64, Weak<dyn Handler>>>,
    cut: Mutex<HashSet<u64>>,
}

/// One member's end of the network.
struct Link {
    net: Arc<Net>,
    own: OnceLock<u64>,
}

impl Net {
    pub(crate) fn cut(&self, member_id: u64) {
        self.cut.lock().insert(member_id);
    }

    pub(crate) fn heal(&self) {
        self.cut.lock().clear();
    }

    fn is_cut(&self, ids: [u64; 2]) -> bool {
        let cut = self.cut.lock();
        ids.iter().any(|id| cut.contains(id))
    }
}

#[async_trait::async_trait]
impl Transport for Link {
    async fn call(&self, target: &Target, method: Method, request: Bytes, limit: Duration) -> Result<Bytes, CallError> {
        let own = *self.own.get().expect("serve is called before anything is sent");
        let handler = self.net.handlers.lock().get(&target.id).and_then(Weak::upgrade);
        let Some(handler) = handler.filter(|_| !self.net.is_cut([own, target.id])) else {
            return Err(CallError::Unreachable("cut off".into()));
        };
        match tokio::time::timeout(limit, handler.answer(own, method, request)).await {
            Err(_) => Err(CallError::Timeout),
            Ok(_) if self.net.is_cut([own, target.id]) => Err(CallError::Timeout),
            Ok(answer) => answer.map_err(CallError::Refused),
        }
    }

    fn serve(&self, member_id: u64, answers: Weak<dyn Handler>) {
        self.own.set(member_id).expect("a member has one end");
        self.net.handlers.lock().insert(member_id, answers);
    }
}

/// Three members.
pub(crate) struct Cluster {
    pub(crate) net: Arc<Net>,
    directories: Vec<TempDir>,
    members: Vec<Option<Member>>,
    adjust: fn(&mut Config),
}

impl Cluster {
    pub(crate) async fn start(adjust: fn(&mut Config)) -> Self {
        let directories = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut cluster = Self { net: Arc::default(), directories, members: vec![None, None, None], adjust };
        for index in 0..3 {
            cluster.start_member(index).await;
        }
        cluster.leader().await;
        cluster
    }

    pub(crate) async fn start_member(&mut self, index: usize) {
        let mut config = single(self.directories[index].path());
        config.name = format!("m{index}");
        config.initial_cluster = (0..3).map(|index| (format!("m{index}"), format!("http://m{index}:2380"))).collect();
        config.heartbeat_interval = Duration::from_millis(30);
        config.election_timeout = Duration::from_millis(300);
        config.transport = Some(Arc::new(Link { net: Arc::clone(&self.net), own: OnceLock::new() }));
        (self.adjust)(&mut config);
        self.members[index] = Some(start(config, &daemon::Supervisor::new()).await.unwrap());
    }

    pub(crate) async fn stop_member(&mut self, index: usize) {
        let member = self.members[index].take().expect("it runs");
        self.net.handlers.lock().remove(&member.status().identity.member_id);
        member.shut_down().await;
    }

    pub(crate) fn member(&self, index: usize) -> &Member {
        self.members[index].as_ref().expect("it runs")
    }

    pub(crate) fn client(&self, index: usize) -> Arc<dyn Store> {
        self.member(index).client()
    }

    /// The index of the member that leads, once the running ones agree.
    pub(crate) async fn leader(&self) -> usize {
        eventually("a leader that all agree on", || async {
            let running: Vec<_> = self.members.iter().flatten().map(Member::status).collect();
            let leader = running.first()?.leader;
            let agreed = leader != 0 && running.iter().all(|status| status.leader == leader);
            let index = self.members.iter().position(|member| {
                member
                    .as_ref()
                    .is_some_and(|member| member.status().identity.member_id == leader && member.status().is_leader)
            });
            index.filter(|_| agreed)
        })
        .await
    }

    /// The index of a member that leads and is not `excluded`, which may still think that it does.
    pub(crate) async fn leader_besides(&self, excluded: usize) -> usize {
        eventually("a leader among the others", || async {
            let leads = |index: &usize| {
                *index != excluded && self.members[*index].is_some() && self.member(*index).status().is_leader
            };
            (0..3).find(leads)
        })
        .await
    }

    /// A running member that does not lead.
    pub(crate) async fn follower(&self) -> usize {
        let leader = self.leader().await;
        (0..3).find(|index| *index != leader && self.members[*index].is_some()).expect("two members run")
    }
}
