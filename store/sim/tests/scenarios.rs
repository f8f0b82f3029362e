//! Faults that were found or feared, step by step.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bytes::Bytes;
use store_sim::cluster::Cluster;
use store_sim::invariants;
use store_sim::observation::observe;
use store_types::etcdserverpb as pb;
use tokio::time::{Instant, timeout};

/// Long enough for some elections.
const PATIENCE: Duration = Duration::from_secs(60);

async fn leader(cluster: &Cluster) -> usize {
    let until = Instant::now() + PATIENCE;
    loop {
        for member in 0..cluster.len() {
            if cluster.running(member).is_some_and(|running| running.member.status().is_leader) {
                return member;
            }
        }
        assert!(Instant::now() < until, "no leader");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn put(cluster: &Cluster, member: usize, value: &'static str) -> Result<i64, String> {
    let store = cluster.running(member).unwrap().store.clone();
    let request = pb::PutRequest { key: "key".into(), value: value.into(), ..Default::default() };
    let answer = timeout(PATIENCE, store.put(request)).await.map_err(|_| "no answer".to_owned())?;
    answer.map(|response| response.header.unwrap().revision).map_err(|error| error.to_string())
}

async fn get(cluster: &Cluster, member: usize) -> Option<Bytes> {
    let until = Instant::now() + PATIENCE;
    loop {
        let store = cluster.running(member).unwrap().store.clone();
        let request = pb::RangeRequest { key: "key".into(), ..Default::default() };
        if let Ok(response) = store.range(request).await {
            return response.kvs.first().map(|kv| kv.value.clone());
        }
        assert!(Instant::now() < until, "member {member} does not answer");
    }
}

fn id(cluster: &Cluster, member: usize) -> u64 {
    cluster.running(member).unwrap().member.status().identity.member_id
}

/// Found by seed 2 of `seeds.rs`. The leader's disk is slow: followers commit a write that the leader's own disk never
/// gets. It crashes and comes back before anybody else can be elected.
#[tokio::test(start_paused = true)]
async fn a_leader_that_lost_what_its_followers_committed_does_not_go_on_in_its_term() {
    let cluster = Cluster::new(3, 7).unwrap();
    for member in 0..3 {
        cluster.start(member).await.unwrap();
    }
    let old = leader(&cluster).await;
    let others: Vec<usize> = (0..3).filter(|member| *member != old).collect();
    put(&cluster, old, "before").await.unwrap();
    cluster.set_disk_latency(old, Duration::from_secs(3600));
    let acknowledged = put(&cluster, old, "committed by the followers").await.unwrap();
    // The followers cannot elect each other, but both hear the old leader.
    cluster.network.cut(id(&cluster, others[0]), id(&cluster, others[1]));
    cluster.network.cut(id(&cluster, others[1]), id(&cluster, others[0]));
    cluster.crash(old).await.unwrap();
    cluster.set_disk_latency(old, Duration::from_millis(1));
    cluster.start(old).await.unwrap();
    let _ = put(&cluster, old, "another one").await;
    cluster.network.heal();
    leader(&cluster).await;
    assert!(put(&cluster, old, "after").await.unwrap() > acknowledged);
    for member in 0..3 {
        assert_eq!(get(&cluster, member).await, Some(Bytes::from_static(b"after")));
    }
    let observation = observe(&cluster).await.unwrap();
    for mut invariant in invariants::all() {
        invariant.check(&observation).unwrap();
    }
    for member in 0..3 {
        let store = cluster.running(member).unwrap().store.clone();
        let request = pb::RangeRequest { key: "key".into(), revision: acknowledged, ..Default::default() };
        let then = store.range(request).await.unwrap();
        assert_eq!(then.kvs[0].value, "committed by the followers", "member {member}");
    }
}

/// The state machine was flushed beyond the end of the log: a crash can leave it so, and the member must live with it.
#[tokio::test(start_paused = true)]
async fn a_member_whose_state_is_ahead_of_its_log_comes_back() {
    let cluster = Cluster::new(3, 8).unwrap();
    for member in 0..3 {
        cluster.start(member).await.unwrap();
    }
    let old = leader(&cluster).await;
    put(&cluster, old, "before").await.unwrap();
    cluster.set_disk_latency(old, Duration::from_secs(3600));
    let acknowledged = put(&cluster, old, "ahead").await.unwrap();
    let applied = cluster.running(old).unwrap().member.status().applied_index;
    let flush = cluster.running(old).unwrap();
    // The purge that follows the flush waits for the slow disk.
    let _ = timeout(Duration::from_millis(200), flush.member.flush()).await;
    drop(flush);
    cluster.crash(old).await.unwrap();
    cluster.set_disk_latency(old, Duration::from_millis(1));
    cluster.start(old).await.unwrap();
    let back = cluster.running(old).unwrap().member.status();
    assert!(back.applied_index <= applied, "{back:?}");
    let after = put(&cluster, old, "after").await;
    let after = match after {
        Ok(revision) => revision,
        Err(_) => {
            leader(&cluster).await;
            put(&cluster, old, "after").await.unwrap()
        }
    };
    assert!(after > acknowledged);
    for member in 0..3 {
        assert_eq!(get(&cluster, member).await, Some(Bytes::from_static(b"after")));
    }
}
