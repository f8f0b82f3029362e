//! Three members: every member serves, a lost leader is replaced, a member that was away catches up.

use crate::channel::*;
use crate::support::*;
use store_client::remote::{RemoteOptions, RemoteStore};
use store_client::{Code, Error, Store};
use store_types::etcdserverpb as pb;

// proves: ST-01
// proves: ST-06
#[tokio::test]
async fn a_write_at_any_member_is_read_at_every_member() {
    let cluster = Cluster::start(|_| {}).await;
    for writer in 0..3 {
        let value = writer.to_string();
        put_at(&cluster.client(writer), "key", &value).await;
        // Its own member shows it even to a serializable read.
        let own = pb::RangeRequest { serializable: true, ..get("key") };
        assert_eq!(cluster.client(writer).range(own).await.unwrap().kvs[0].value, value);
        for reader in 0..3 {
            let read = cluster.client(reader).range(get("key")).await.unwrap();
            assert_eq!(read.kvs[0].value, value, "written at {writer}, read at {reader}");
        }
    }
}

#[tokio::test]
async fn refusals_of_the_state_reach_the_client_of_a_follower_unchanged() {
    let cluster = Cluster::start(|_| {}).await;
    let store = cluster.client(cluster.follower().await);
    let missing = store.put(pb::PutRequest { lease: 404, ..put("a", "1") }).await;
    assert_eq!(missing, Err(store_client::Error::LEASE_NOT_FOUND));
    let future = store.compact(pb::CompactionRequest { revision: 99, physical: false }).await;
    assert_eq!(future, Err(store_client::Error::FUTURE_REVISION));
}

// proves: ST-05
#[tokio::test]
async fn writes_go_on_when_the_leader_stops_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::start(|_| {}).await;
    let leader = cluster.leader().await;
    let before = put_at(&cluster.client(leader), "before", "1").await;
    cluster.stop_member(leader).await;
    let survivor = cluster.follower().await;
    assert!(put_at(&cluster.client(survivor), "after", "2").await > before);
    assert_eq!(cluster.client(survivor).range(get("before")).await.unwrap().kvs.len(), 1);
    cluster.start_member(leader).await;
    let back = cluster.client(leader);
    let read = eventually("the old leader serves again", || async { back.range(get("after")).await.ok() }).await;
    assert_eq!(read.kvs[0].value.as_ref(), b"2");
}

// proves: ST-05
#[tokio::test]
async fn a_leader_without_a_quorum_answers_no_linearizable_read() {
    let cluster = Cluster::start(|_| {}).await;
    let old = cluster.leader().await;
    put_at(&cluster.client(old), "key", "old").await;
    cluster.net.cut(cluster.member(old).status().identity.member_id);
    let others: Vec<_> = (0..3).filter(|index| *index != old).collect();
    let new = eventually("another leader", || async {
        others.iter().copied().find(|index| cluster.member(*index).status().is_leader)
    })
    .await;
    put_at(&cluster.client(new), "key", "new").await;
    let cut_off = cluster.client(old);
    let stale = tokio::time::timeout(std::time::Duration::from_millis(500), cut_off.range(get("key"))).await;
    assert!(!matches!(&stale, Ok(Ok(_))), "{stale:?}");
    let local = cut_off.range(pb::RangeRequest { serializable: true, ..get("key") }).await.unwrap();
    assert_eq!(local.kvs[0].value.as_ref(), b"old");
    cluster.net.heal();
    let read = eventually("it reads again", || async { cut_off.range(get("key")).await.ok() }).await;
    assert_eq!(read.kvs[0].value.as_ref(), b"new");
}

// proves: ST-04
#[tokio::test]
async fn a_member_behind_the_purged_log_gets_a_snapshot_and_serves_all_of_it() {
    let mut cluster = Cluster::start(|config| config.catch_up_entries = 5).await;
    let away = cluster.follower().await;
    put_at(&cluster.client(away), "early", "1").await;
    cluster.stop_member(away).await;
    let leader = cluster.leader().await;
    let store = cluster.client(leader);
    let mut last = 0;
    for round in 0..60 {
        last = put_at(&store, &format!("k{}", round % 10), &round.to_string()).await;
    }
    for index in (0..3).filter(|index| *index != away) {
        cluster.member(index).flush().await.unwrap();
    }
    // More entries, so that the purge position is behind a flushed state for certain.
    for round in 60..70 {
        last = put_at(&store, &format!("k{}", round % 10), &round.to_string()).await;
    }
    cluster.start_member(away).await;
    let back = cluster.client(away);
    eventually("it caught up", || async { (cluster.member(away).status().revision >= last).then_some(()) }).await;
    let mine = back.range(pb::RangeRequest { range_end: "z".into(), serializable: true, ..get("a") }).await.unwrap();
    let theirs = store.range(pb::RangeRequest { range_end: "z".into(), ..get("a") }).await.unwrap();
    assert_eq!(mine.kvs, theirs.kvs);
    put_at(&back, "late", "1").await;
    cluster.stop_member(away).await;
    cluster.start_member(away).await;
    let again = cluster.client(away);
    let read = eventually("it serves after a restart", || async { again.range(get("late")).await.ok() }).await;
    assert_eq!(read.kvs.len(), 1);
}

// proves: ST-22
#[tokio::test]
async fn a_lease_granted_at_a_follower_is_kept_by_the_leader_and_survives_it() {
    let mut cluster = Cluster::start(|_| {}).await;
    let follower = cluster.follower().await;
    let store = cluster.client(follower);
    let granted = store.lease_grant(pb::LeaseGrantRequest { ttl: 60, id: 0 }).await.unwrap();
    assert!(granted.id > 0);
    let renewed = store.lease_keep_alive(pb::LeaseKeepAliveRequest { id: granted.id }).await.unwrap();
    assert_eq!(renewed.ttl, 60);
    let leader = cluster.leader().await;
    cluster.stop_member(leader).await;
    let survivor = cluster.client(cluster.follower().await);
    let renewed = eventually("the new leader knows it", || async {
        survivor.lease_keep_alive(pb::LeaseKeepAliveRequest { id: granted.id }).await.ok()
    })
    .await;
    assert_eq!(renewed.ttl, 60);
}

#[tokio::test]
async fn all_members_are_listed_with_their_urls() {
    let cluster = Cluster::start(|_| {}).await;
    let listed = cluster.client(0).member_list(pb::MemberListRequest { linearizable: true }).await.unwrap();
    let mut names: Vec<_> =
        listed.members.iter().map(|member| (member.name.as_str(), member.peer_ur_ls.len())).collect();
    names.sort_unstable();
    assert_eq!(names, [("m0", 1), ("m1", 1), ("m2", 1)]);
}

// proves: ST-05
#[tokio::test]
async fn members_without_a_quorum_say_soon_that_there_is_no_leader_and_find_one_when_it_is_back() {
    let cluster = Cluster::start(|_| {}).await;
    let old = cluster.leader().await;
    put_at(&cluster.client(old), "key", "old").await;
    let ids = [0, 1, 2].map(|index| cluster.member(index).status().identity.member_id);
    let cut_off = std::time::Instant::now();
    ids.iter().for_each(|id| cluster.net.cut(*id));
    for (index, id) in ids.iter().enumerate() {
        eventually("it forgets the leader", || async { (cluster.member(index).status().leader == 0).then_some(()) })
            .await;
        assert!(!cluster.member(index).status().is_leader, "{id}");
        let status = cluster.client(index).status(pb::StatusRequest {}).await.unwrap();
        assert_eq!((status.leader, status.errors), (0, vec!["etcdserver: no leader".to_owned()]));
    }
    // Two of its election timeouts, and what a busy machine takes.
    assert!(cut_off.elapsed() < std::time::Duration::from_secs(5), "{:?}", cut_off.elapsed());
    let local = cluster.client(old).range(pb::RangeRequest { serializable: true, ..get("key") }).await.unwrap();
    assert_eq!(local.kvs.len(), 1);
    cluster.net.heal();
    let leader = cluster.leader().await;
    put_at(&cluster.client(leader), "key", "new").await;
    for index in 0..3 {
        let status = cluster.client(index).status(pb::StatusRequest {}).await.unwrap();
        assert_eq!((status.leader, status.errors.len()), (ids[leader], 0));
    }
}

#[tokio::test]
async fn without_a_quorum_reads_time_out_leases_have_no_leader_and_can_be_listed_all_the_same() {
    let cluster = Cluster::start(|_| {}).await;
    let store = cluster.client(cluster.leader().await);
    let granted = store.lease_grant(pb::LeaseGrantRequest { ttl: 60, id: 0 }).await.unwrap().id;
    (0..3).for_each(|index| cluster.net.cut(cluster.member(index).status().identity.member_id));
    eventually("it forgets the leader", || async {
        (store.status(pb::StatusRequest {}).await.unwrap().leader == 0).then_some(())
    })
    .await;
    let leases = store.lease_leases(pb::LeaseLeasesRequest {}).await.unwrap().leases;
    assert_eq!(leases.iter().map(|lease| lease.id).collect::<Vec<_>>(), [granted]);
    let (range, remaining, renewal) = tokio::join!(
        store.range(get("key")),
        store.lease_time_to_live(pb::LeaseTimeToLiveRequest { id: granted, keys: false }),
        store.lease_keep_alive(pb::LeaseKeepAliveRequest { id: granted }),
    );
    assert_eq!(range.unwrap_err(), Error::TIMEOUT);
    assert_eq!(remaining.unwrap_err(), Error::NO_LEADER);
    assert_eq!(renewal.unwrap_err(), Error::NO_LEADER);
}

#[tokio::test]
async fn on_the_wire_a_write_that_no_leader_takes_is_a_context_that_ended() {
    let cluster = Cluster::start(|config| config.listen_client_urls = vec!["http://127.0.0.1:0".into()]).await;
    let endpoints = vec![format!("http://{}", cluster.member(0).client_addresses()[0])];
    let store = RemoteStore::new(&RemoteOptions { endpoints, tls: None }).unwrap();
    (0..3).for_each(|index| cluster.net.cut(cluster.member(index).status().identity.member_id));
    eventually("it forgets the leader", || async { (cluster.member(0).status().leader == 0).then_some(()) }).await;
    let request = pb::PutRequest { key: "key".into(), value: "1".into(), ..Default::default() };
    let refused = store.put(request).await.unwrap_err();
    assert_eq!((refused.code, &*refused.message), (Code::DeadlineExceeded, "context deadline exceeded"));
}

// proves: ST-19
#[tokio::test]
async fn streams_that_require_a_leader_end_without_one_and_the_others_stay() {
    let cluster = Cluster::start(|config| config.listen_client_urls = vec!["http://127.0.0.1:0".into()]).await;
    let channel = connect(cluster.member(0)).await;
    let mut required = Watches::open(&channel, &[REQUIRES_LEADER]).await.unwrap();
    let mut patient = Watches::open(&channel, &[]).await.unwrap();
    assert!(required.create(watch_all(0)).await.created);
    assert!(patient.create(watch_all(0)).await.created);
    let mut renewals = Renewals::open(&channel, &[REQUIRES_LEADER]).await.unwrap();
    (0..3).for_each(|index| cluster.net.cut(cluster.member(index).status().identity.member_id));
    for ended in [required.end().await, renewals.end().await] {
        assert_eq!((ended.code(), ended.message()), (tonic::Code::Unavailable, "etcdserver: no leader"));
    }
    let refused = Watches::open(&channel, &[REQUIRES_LEADER]).await.err().expect("there is no leader");
    assert_eq!((refused.code(), refused.message()), (tonic::Code::Unavailable, "etcdserver: no leader"));
    cluster.net.heal();
    let leader = cluster.leader().await;
    let revision = put_at(&cluster.client(leader), "key", "1").await;
    assert_eq!(patient.next().await.events[0].kv.as_ref().unwrap().mod_revision, revision);
}
