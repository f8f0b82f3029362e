//! Regressions named after the correctness bugs that etcd recorded: each shows the rule that the bug broke.

use crate::support::*;
use std::path::Path;
use std::sync::Arc;
use store::start;
use store_client::{Error, WatchEvent};
use store_types::etcdserverpb as pb;
use store_wal::disk::{Disk, File, RealDisk};
use tokio::sync::watch;

/// etcd 13766: after a crash a member had its applied index on disk without the data. Here both are one write, so members
/// that stopped at any point agree afterwards.
// proves: ST-40
#[tokio::test]
async fn bug_13766_members_agree_after_restarts_under_load() {
    let mut cluster = Cluster::start(|config| config.flush_log_bytes = 20_000).await;
    for round in 0..3 {
        let writer = cluster.client(cluster.leader().await);
        let away = cluster.follower().await;
        let writes = async {
            for count in 0..60 {
                // A write whose leader goes away may fail; the next one goes to the next.
                let _ = writer.put(put(&format!("k{}", count % 9), &format!("{round}.{count}"))).await;
            }
        };
        let restarts = async {
            cluster.stop_member(away).await;
            cluster.start_member(away).await;
        };
        tokio::join!(writes, restarts);
    }
    let leader = cluster.client(cluster.leader().await);
    let all = pb::RangeRequest { range_end: "z".into(), ..get("a") };
    let expected = leader.range(all.clone()).await.unwrap();
    for index in 0..3 {
        let read = cluster.client(index).range(all.clone()).await.unwrap();
        assert_eq!((read.header.unwrap().revision, &read.kvs), (expected.header.unwrap().revision, &expected.kvs));
    }
}

/// The operating system's disk, with writes of the log held back while the gate is shut.
struct GatedDisk {
    inner: RealDisk,
    open: watch::Receiver<bool>,
}

struct GatedFile {
    inner: Arc<dyn File>,
    open: watch::Receiver<bool>,
}

impl GatedDisk {
    fn gate(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(GatedFile { inner: file, open: self.open.clone() })
    }
}

impl Disk for GatedDisk {
    fn create_dir_all(&self, dir: &Path) -> std::io::Result<()> {
        self.inner.create_dir_all(dir)
    }

    fn lock(&self, path: &Path) -> std::io::Result<Box<dyn Send + Sync>> {
        self.inner.lock(path)
    }

    fn list(&self, dir: &Path) -> std::io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn open(&self, path: &Path) -> std::io::Result<Arc<dyn File>> {
        Ok(self.gate(self.inner.open(path)?))
    }

    fn create_zeroed(&self, path: &Path, bytes: u64) -> std::io::Result<Arc<dyn File>> {
        Ok(self.gate(self.inner.create_zeroed(path, bytes)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn entropy(&self) -> u64 {
        self.inner.entropy()
    }
}

impl File for GatedFile {
    fn bytes(&self) -> std::io::Result<u64> {
        self.inner.bytes()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.inner.read_exact_at(buffer, offset)
    }

    fn write_durable(&self, blocks: &[u8], offset: u64) -> std::io::Result<()> {
        while !*self.open.borrow() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        self.inner.write_durable(blocks, offset)
    }
}

/// etcd 14370: a single member answered before its own log was synced. Here a write is neither answered nor readable nor
/// watchable before.
// proves: ST-40
// proves: ST-02
#[tokio::test(flavor = "multi_thread")]
async fn bug_14370_a_single_member_shows_nothing_before_its_own_sync() {
    let directory = tempfile::tempdir().unwrap();
    let (gate, open) = watch::channel(true);
    let mut config = single(directory.path());
    let disk = Arc::new(GatedDisk { inner: RealDisk::default(), open });
    config.log_environment = Some(store_wal::Environment { disk, ..Default::default() });
    let member = start(config, &daemon::Supervisor::new()).await.unwrap();
    let store = member.client();
    let mut watch = store.watch(watch_all(0)).await.unwrap();
    assert!(matches!(next(&mut watch).await, Some(WatchEvent::Created { revision: 1 })));

    gate.send_replace(false);
    let mut pending = Box::pin(store.put(put("a", "1")));
    let short = std::time::Duration::from_millis(200);
    assert!(tokio::time::timeout(short, &mut pending).await.is_err(), "answered before it was durable");
    for serializable in [false, true] {
        let read = store.range(pb::RangeRequest { serializable, ..get("a") }).await.unwrap();
        assert_eq!(read.kvs, [], "readable before it was durable");
    }
    let early = tokio::time::timeout(short, futures::StreamExt::next(&mut watch)).await;
    assert!(early.is_err(), "watchable before it was durable: {early:?}");

    gate.send_replace(true);
    assert_eq!(pending.await.unwrap().header.unwrap().revision, 2);
    assert!(matches!(next(&mut watch).await, Some(WatchEvent::Events { .. })));
    member.shut_down().await;
}

/// etcd 15220: a progress mark overtook events that were still queued.
// proves: ST-40
// proves: ST-18
#[tokio::test(flavor = "multi_thread")]
async fn bug_15220_no_event_follows_a_progress_mark_that_covers_it() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    let mut watch = store.watch(watch_all(0)).await.unwrap();
    let writer = async {
        let mut last = 0;
        for round in 0..300 {
            last = put_at(&store, "k", &round.to_string()).await;
        }
        last
    };
    let reader = async {
        let (mut marked, mut seen, mut marks) = (0, 1, 0);
        while seen < 301 {
            watch.request_progress();
            // Marks alone must not keep the writer waiting: both share one task.
            tokio::task::yield_now().await;
            match next(&mut watch).await.unwrap() {
                WatchEvent::Events { events, .. } => {
                    for event in events.iter() {
                        let revision = event.kv.as_ref().unwrap().mod_revision;
                        assert!(revision > marked, "event {revision} after mark {marked}");
                        assert_eq!(revision, seen + 1);
                        seen = revision;
                    }
                }
                WatchEvent::Progress { revision } => {
                    assert_eq!(revision, seen, "a mark that does not match what was delivered");
                    (marked, marks) = (revision, marks + 1);
                }
                WatchEvent::Created { .. } => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        marks
    };
    let (last, marks) = tokio::join!(writer, reader);
    assert_eq!(last, 301);
    assert!(marks > 0, "no mark was given at all");
    member.shut_down().await;
}

/// etcd 15271: a watch at a member that got a snapshot went back in time.
// proves: ST-40
// proves: ST-04
#[tokio::test]
async fn bug_15271_a_watch_keeps_its_place_across_a_snapshot() {
    let cluster = Cluster::start(|config| config.catch_up_entries = 5).await;
    let behind = cluster.follower().await;
    let mut watch = cluster.client(behind).watch(watch_all(0)).await.unwrap();
    let Some(WatchEvent::Created { revision: start }) = next(&mut watch).await else { panic!("not created") };
    let store = cluster.client(cluster.leader().await);
    let mut last = put_at(&store, "seen", "1").await;
    assert_eq!(revisions_until(&mut watch, last).await, [start + 1]);

    cluster.net.cut(cluster.member(behind).status().identity.member_id);
    let store = cluster.client(cluster.leader_besides(behind).await);
    for round in 0..60 {
        last = put_at(&store, &format!("k{}", round % 5), &round.to_string()).await;
    }
    for index in (0..3).filter(|index| *index != behind) {
        cluster.member(index).flush().await.unwrap();
    }
    for round in 60..70 {
        last = put_at(&store, &format!("k{}", round % 5), &round.to_string()).await;
    }
    cluster.net.heal();
    assert_eq!(revisions_until(&mut watch, last).await, (start + 2..=last).collect::<Vec<_>>());
}

/// etcd 17529: compaction passed a starved watcher, which then silently missed events.
// proves: ST-40
// proves: ST-21
#[tokio::test]
async fn bug_17529_a_watcher_below_the_compaction_is_cancelled_and_never_skips() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    let first = put_at(&store, "k", "0").await;
    // A slow reader: it begins in the past, far enough for its history to come from the backend.
    let mut slow = store.watch(watch_all(first)).await.unwrap();
    let mut last = first;
    for round in 0..50 {
        last = put_at(&store, "k", &round.to_string()).await;
    }
    store.compact(pb::CompactionRequest { revision: last, physical: true }).await.unwrap();
    assert!(matches!(next(&mut slow).await, Some(WatchEvent::Created { .. })));
    let mut expected = first;
    loop {
        match next(&mut slow).await {
            Some(WatchEvent::Events { events, .. }) => {
                for event in events.iter() {
                    assert_eq!(event.kv.as_ref().unwrap().mod_revision, expected, "a revision was skipped");
                    expected += 1;
                }
                if expected > last {
                    break;
                }
            }
            Some(WatchEvent::Canceled { compact_revision, .. }) => {
                assert_eq!(compact_revision, last);
                break;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    let mut late = store.watch(watch_all(first)).await.unwrap();
    assert!(matches!(next(&mut late).await, Some(WatchEvent::Created { .. })));
    let Some(WatchEvent::Canceled { compact_revision, reason }) = next(&mut late).await else {
        panic!("not cancelled")
    };
    assert_eq!((compact_revision, reason.as_ref()), (last, Error::COMPACTED.message.as_bytes()));
    assert_eq!(next(&mut late).await, None);
    member.shut_down().await;
}

/// etcd 17780: after a compaction and a crash the revision was taken from the rows that were left.
/// etcd 18089 and 19179: a deletion exactly at the compaction revision was lost.
// proves: ST-40
#[tokio::test]
async fn bug_17780_18089_19179_compaction_and_restart_keep_the_revision_and_the_tombstone() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    put_at(&store, "k", "1").await;
    let deleted = store.delete_range(delete("k")).await.unwrap().header.unwrap().revision;
    store.compact(pb::CompactionRequest { revision: deleted, physical: true }).await.unwrap();
    member.shut_down().await;

    let member = start_single(directory.path()).await;
    let store = member.client();
    assert_eq!(member.status().revision, deleted);
    assert_eq!(member.status().compacted_revision, deleted);
    let mut watch = store.watch(watch_all(deleted)).await.unwrap();
    assert_eq!(revisions_until(&mut watch, deleted).await, [deleted]);
    let compacted = store.range(pb::RangeRequest { revision: deleted - 1, ..get("k") }).await;
    assert_eq!(compacted, Err(Error::COMPACTED));
    member.shut_down().await;
}

/// etcd 20221: a watch that starts in the future got progress marks and old events at a member that was behind.
// proves: ST-40
#[tokio::test]
async fn bug_20221_a_watch_in_the_future_is_silent_until_its_start() {
    let cluster = Cluster::start(|config| config.catch_up_entries = 5).await;
    let behind = cluster.follower().await;
    let leader = cluster.client(cluster.leader().await);
    let now = put_at(&leader, "k", "0").await;
    let lagging = cluster.client(behind);
    eventually("it has the first write", || async { (cluster.member(behind).status().revision >= now).then_some(()) })
        .await;
    cluster.net.cut(cluster.member(behind).status().identity.member_id);
    let start = now + 50;
    let mut watch = lagging.watch(watch_all(start)).await.unwrap();
    assert!(matches!(next(&mut watch).await, Some(WatchEvent::Created { .. })));
    watch.request_progress();
    let silent = tokio::time::timeout(std::time::Duration::from_millis(50), futures::StreamExt::next(&mut watch)).await;
    assert!(silent.is_err(), "not silent: {silent:?}");

    let store = cluster.client(cluster.leader_besides(behind).await);
    let mut last = now;
    while last < start + 20 {
        last = put_at(&store, "k", "x").await;
    }
    for index in (0..3).filter(|index| *index != behind) {
        cluster.member(index).flush().await.unwrap();
    }
    for _ in 0..10 {
        last = put_at(&store, "k", "y").await;
    }
    cluster.net.heal();
    assert_eq!(revisions_until(&mut watch, last).await, (start..=last).collect::<Vec<_>>());
}
