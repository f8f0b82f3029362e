//! One member: revisions and history survive, refusals have etcd's texts, errors at start are one clear line.

use crate::support::*;
use store::{StartError, start};
use store_client::{Error, WatchEvent};
use store_types::etcdserverpb as pb;

// proves: ST-01
// proves: ST-08
#[tokio::test]
async fn a_restart_keeps_revision_history_and_leases() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    let lease = store.lease_grant(pb::LeaseGrantRequest { ttl: 600, id: 9 }).await.unwrap();
    let first = put_at(&store, "a", "1").await;
    let second = put_at(&store, "a", "2").await;
    store.put(pb::PutRequest { lease: lease.id, ..put("leased", "x") }).await.unwrap();
    let last = store.delete_range(delete("a")).await.unwrap().header.unwrap().revision;
    let before = member.status();
    member.shut_down().await;

    let member = start_single(directory.path()).await;
    let store = member.client();
    assert_eq!(member.status().revision, last);
    assert_eq!(member.status().identity, before.identity);
    let old = store.range(pb::RangeRequest { revision: first, ..get("a") }).await.unwrap();
    assert_eq!(old.kvs[0].value.as_ref(), b"1");
    assert_eq!(store.range(get("a")).await.unwrap().kvs, []);
    let left = store.lease_time_to_live(pb::LeaseTimeToLiveRequest { id: 9, keys: true }).await.unwrap();
    assert_eq!((left.granted_ttl, left.keys), (600, vec!["leased".into()]));
    let mut watch = store.watch(watch_all(second)).await.unwrap();
    assert_eq!(revisions_until(&mut watch, last).await, [second, last - 1, last]);
    member.shut_down().await;
}

#[tokio::test]
async fn a_restart_without_a_flush_replays_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    let mut last = 0;
    for round in 0..100 {
        last = put_at(&store, &format!("k{}", round % 7), &round.to_string()).await;
    }
    // What a power cut leaves of a running member: its files as they are.
    copy_files(directory.path(), copy.path());
    let member_after = start_single(copy.path()).await;
    assert_eq!(member_after.status().revision, last);
    let response = member_after.client().range(get("k1")).await.unwrap();
    assert_eq!(response.kvs[0].value.as_ref(), b"99");
    assert_eq!(response.kvs, store.range(get("k1")).await.unwrap().kvs);
    member_after.shut_down().await;
    member.shut_down().await;
}

// proves: ST-06
// proves: ST-07
#[tokio::test]
async fn many_clients_at_once_get_one_revision_each_and_read_their_writes() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let clients = (0..64).map(|client| {
        let store = member.client();
        async move {
            let mut revisions = Vec::new();
            for round in 0..10 {
                let key = format!("client{client}");
                revisions.push(put_at(&store, &key, &round.to_string()).await);
                for serializable in [false, true] {
                    let read = store.range(pb::RangeRequest { serializable, ..get(&key) }).await.unwrap();
                    assert_eq!(read.kvs[0].value, round.to_string());
                    assert_eq!(read.kvs[0].version, round + 1);
                }
            }
            revisions
        }
    });
    let mut revisions: Vec<i64> = futures::future::join_all(clients).await.concat();
    revisions.sort_unstable();
    assert_eq!(revisions, (2..=641).collect::<Vec<_>>());
    member.shut_down().await;
}

#[tokio::test]
async fn headers_name_cluster_member_revision_and_term() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    let status = member.status();
    let expected = |revision| pb::ResponseHeader {
        cluster_id: status.identity.cluster_id,
        member_id: status.identity.member_id,
        revision,
        raft_term: status.term,
    };
    assert_eq!(store.put(put("a", "1")).await.unwrap().header, Some(expected(2)));
    assert_eq!(store.range(get("a")).await.unwrap().header, Some(expected(2)));
    assert_eq!(store.txn(pb::TxnRequest::default()).await.unwrap().header, Some(expected(2)));
    assert_eq!(store.lease_leases(pb::LeaseLeasesRequest {}).await.unwrap().header, Some(expected(2)));
    member.shut_down().await;
}

// proves: ST-29
#[tokio::test]
async fn status_tells_leader_indexes_sizes_and_version() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    put_at(&store, "a", "1").await;
    let status = store.status(pb::StatusRequest {}).await.unwrap();
    assert_eq!(status.leader, member.status().identity.member_id);
    assert_eq!(status.raft_index, status.raft_applied_index);
    assert_eq!((status.version.as_str(), status.errors.len()), (store::COMPATIBLE_VERSION, 0));
    assert!(status.db_size > 0 && status.db_size_in_use > 0);
    member.shut_down().await;
}

#[tokio::test]
async fn a_request_above_the_limit_is_refused_with_etcds_text() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let large = "x".repeat(store::REQUEST_BYTES_MAX + 1);
    assert_eq!(member.client().put(put("a", &large)).await, Err(Error::REQUEST_TOO_LARGE));
    member.shut_down().await;
}

#[tokio::test]
async fn a_lease_that_nobody_renews_takes_its_keys_along() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    store.lease_grant(pb::LeaseGrantRequest { ttl: 2, id: 7 }).await.unwrap();
    let stored = store.put(pb::PutRequest { lease: 7, ..put("leased", "x") }).await.unwrap();
    let revision = stored.header.unwrap().revision;
    let mut watch = store.watch(watch_all(revision + 1)).await.unwrap();
    assert!(matches!(next(&mut watch).await, Some(WatchEvent::Created { .. })));
    let Some(WatchEvent::Events { events, .. }) = next(&mut watch).await else { panic!("no events") };
    assert_eq!(events[0].kv.as_ref().unwrap().key, "leased");
    let left = store.lease_time_to_live(pb::LeaseTimeToLiveRequest { id: 7, keys: false }).await.unwrap();
    assert_eq!(left.ttl, -1);
    assert_eq!(store.lease_keep_alive(pb::LeaseKeepAliveRequest { id: 7 }).await.unwrap().ttl, 0);
    member.shut_down().await;
}

// proves: ST-14
#[tokio::test]
async fn history_older_than_the_retention_is_compacted_without_being_asked() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = single(directory.path());
    config.auto_compaction_retention = std::time::Duration::from_millis(300);
    let member = start(config, &daemon::Supervisor::new()).await.unwrap();
    let store = member.client();
    let first = put_at(&store, "a", "1").await;
    put_at(&store, "a", "2").await;
    eventually("the first value is compacted", || async {
        let read = store.range(pb::RangeRequest { revision: first, ..get("a") }).await;
        (read == Err(Error::COMPACTED)).then_some(())
    })
    .await;
    assert_eq!(store.range(get("a")).await.unwrap().kvs[0].value.as_ref(), b"2");
    member.shut_down().await;
}

// proves: ST-14
#[tokio::test]
async fn all_but_the_revisions_to_keep_are_compacted_without_being_asked() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = single(directory.path());
    config.auto_compaction_revisions = 3;
    config.auto_compaction_revisions_interval = std::time::Duration::from_millis(50);
    let member = start(config, &daemon::Supervisor::new()).await.unwrap();
    let store = member.client();
    let mut last = 0;
    for value in 0..10 {
        last = put_at(&store, "a", &value.to_string()).await;
    }
    eventually("all but the last are compacted", || async {
        (member.status().compacted_revision == last - 3).then_some(())
    })
    .await;
    let kept = store.range(pb::RangeRequest { revision: last - 3, ..get("a") }).await.unwrap();
    assert_eq!(kept.kvs[0].value.as_ref(), b"6");
    let gone = store.range(pb::RangeRequest { revision: last - 4, ..get("a") }).await;
    assert_eq!(gone, Err(Error::COMPACTED));
    member.shut_down().await;
}

#[tokio::test]
async fn a_data_directory_in_use_or_of_another_member_is_one_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let again = start(single(directory.path()), &daemon::Supervisor::new()).await;
    assert!(matches!(again, Err(StartError::DataDirInUse(_))));
    member.shut_down().await;
    let mut other = single(directory.path());
    other.initial_cluster_token = "another".into();
    let error = start(other, &daemon::Supervisor::new()).await.err().unwrap();
    assert!(error.to_string().contains("belongs to member"), "{error}");
    let member = start_single(directory.path()).await;
    member.shut_down().await;
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut config = single(directory.path());
    config.listen_client_urls = vec![format!("http://{}", taken.local_addr().unwrap())];
    let error = start(config, &daemon::Supervisor::new()).await.err().unwrap();
    assert!(error.to_string().starts_with("cannot listen on http://127.0.0.1:"), "{error}");
}

/// Copies a directory as it is.
fn copy_files(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_files(&entry.path(), &target);
        } else if !entry.file_name().to_string_lossy().eq_ignore_ascii_case("lock") {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
