//! A state that has reached its quota: what adds to it is refused until space was made and the alarm ended.

use crate::channel::*;
use crate::support::*;
use std::sync::Arc;
use store::start;
use store_client::{Error, Store};
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::alarm_request::AlarmAction;

const QUOTA_BYTES: u64 = 3 << 20;
const VALUE_BYTES: usize = 200 << 10;

/// Writes until the store is full; returns how many values it took.
async fn fill(store: &Arc<dyn Store>) -> usize {
    let value = "v".repeat(VALUE_BYTES);
    for count in 0..2 * QUOTA_BYTES as usize / VALUE_BYTES {
        match store.put(put(&format!("k{count}"), &value)).await {
            Ok(_) => {}
            Err(refused) if refused == Error::NO_SPACE => return count,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("twice the quota was written")
}

fn alarm(action: AlarmAction, member_id: u64) -> pb::AlarmRequest {
    pb::AlarmRequest { action: action as i32, member_id, alarm: pb::AlarmType::Nospace as i32 }
}

// proves: ST-16
#[tokio::test]
async fn a_full_member_refuses_what_adds_until_space_was_made_and_the_alarm_ended() {
    const ALARM: &str = "/etcdserverpb.Maintenance/Alarm";
    let directory = tempfile::tempdir().unwrap();
    let mut config = single(directory.path());
    config.quota_bytes = QUOTA_BYTES;
    config.listen_client_urls = vec!["http://127.0.0.1:0".into()];
    let member = start(config.clone(), &daemon::Supervisor::new()).await.unwrap();
    let member_id = member.status().identity.member_id;
    let count = fill(&member.client()).await;
    assert!(count > 1, "full after {count} values");
    // The alarm outlives a restart.
    member.shut_down().await;
    let member = start(config, &daemon::Supervisor::new()).await.unwrap();
    let (store, channel) = (member.client(), connect(&member).await);
    let active = vec![pb::AlarmMember { member_id, alarm: pb::AlarmType::Nospace as i32 }];
    let listed: pb::AlarmResponse = unary(&channel, ALARM, pb::AlarmRequest::default()).await.unwrap();
    assert_eq!(listed.alarms, active);
    assert_eq!(store.put(put("small", "1")).await, Err(Error::NO_SPACE));
    assert_eq!(store.lease_grant(pb::LeaseGrantRequest { ttl: 9, id: 9 }).await, Err(Error::NO_SPACE));
    let status = store.status(pb::StatusRequest {}).await.unwrap();
    assert_eq!(status.errors, [format!("memberID:{member_id} alarm:NOSPACE")]);
    assert_eq!(status.db_size_quota, QUOTA_BYTES as i64);

    let all = pb::DeleteRangeRequest { range_end: "l".into(), ..delete("k") };
    let deleted = store.delete_range(all).await.unwrap();
    assert_eq!(deleted.deleted, count as i64);
    let revision = deleted.header.unwrap().revision;
    store.compact(pb::CompactionRequest { revision, physical: true }).await.unwrap();
    let defragment = "/etcdserverpb.Maintenance/Defragment";
    unary::<_, pb::DefragmentResponse>(&channel, defragment, pb::DefragmentRequest {}).await.unwrap();
    assert_eq!(store.put(put("small", "1")).await, Err(Error::NO_SPACE), "the alarm has not ended");
    let ended: pb::AlarmResponse = unary(&channel, ALARM, alarm(AlarmAction::Deactivate, member_id)).await.unwrap();
    assert_eq!(ended.alarms, active);
    put_at(&store, "small", "1").await;
    assert!(store.status(pb::StatusRequest {}).await.unwrap().errors.is_empty());
    member.shut_down().await;
}

// proves: ST-16
#[tokio::test]
async fn an_alarm_of_one_member_is_the_whole_clusters() {
    const ALARM: &str = "/etcdserverpb.Maintenance/Alarm";
    let cluster = Cluster::start(|config| config.listen_client_urls = vec!["http://127.0.0.1:0".into()]).await;
    let follower = cluster.follower().await;
    let channel = connect(cluster.member(follower)).await;
    let raised: pb::AlarmResponse = unary(&channel, ALARM, alarm(AlarmAction::Activate, 5)).await.unwrap();
    assert_eq!(raised.alarms, [pb::AlarmMember { member_id: 5, alarm: pb::AlarmType::Nospace as i32 }]);
    for index in 0..3 {
        assert_eq!(cluster.client(index).put(put("k", "1")).await, Err(Error::NO_SPACE));
    }
    let ended: pb::AlarmResponse = unary(&channel, ALARM, alarm(AlarmAction::Deactivate, 5)).await.unwrap();
    assert_eq!(ended.alarms.len(), 1);
    for index in 0..3 {
        put_at(&cluster.client(index), "k", "1").await;
    }
}
