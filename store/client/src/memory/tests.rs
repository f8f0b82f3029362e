use super::*;
use crate::watch::WatchEvent;
use futures::StreamExt;

fn put(key: &'static str, value: &'static str) -> pb::PutRequest {
    pb::PutRequest { key: key.into(), value: value.into(), ..Default::default() }
}

#[tokio::test]
async fn a_watch_ends_when_the_store_is_dropped() {
    let store = MemoryStore::new();
    let request = pb::WatchCreateRequest { key: "k".into(), ..Default::default() };
    let mut watch = store.watch(request).await.unwrap();
    assert_eq!(watch.next().await, Some(WatchEvent::Created { revision: 1 }));
    drop(store);
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_batch_ends_at_a_whole_revision() {
    let store = MemoryStore::new();
    for count in 0..2_500 {
        let key = format!("k{count}");
        store.put(pb::PutRequest { key: key.into(), ..Default::default() }).await.unwrap();
    }
    store
        .delete_range(pb::DeleteRangeRequest { key: "k".into(), range_end: "l".into(), prev_kv: false })
        .await
        .unwrap();
    let request =
        pb::WatchCreateRequest { key: "k".into(), range_end: "l".into(), start_revision: 2, ..Default::default() };
    let mut watch = store.watch(request).await.unwrap();
    let (mut sizes, mut last) = (Vec::new(), 0);
    while last < 2_502 {
        if let Some(WatchEvent::Events { events, .. }) = watch.next().await {
            assert!(events[0].kv.as_ref().unwrap().mod_revision > last, "a revision spans two batches");
            last = events.last().unwrap().kv.as_ref().unwrap().mod_revision;
            sizes.push(events.len());
        }
    }
    assert_eq!(sizes, [1_000, 1_000, 3_000]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_gets_a_progress_mark_if_it_asked_for_them() {
    let store = MemoryStore::new();
    let request = pb::WatchCreateRequest { key: "k".into(), progress_notify: true, ..Default::default() };
    let mut watch = store.watch(request).await.unwrap();
    store.put(put("other", "v")).await.unwrap();
    assert_eq!(watch.next().await, Some(WatchEvent::Created { revision: 1 }));
    assert_eq!(watch.next().await, Some(WatchEvent::Progress { revision: 2 }));
}

#[tokio::test(start_paused = true)]
async fn leases_end_in_time_without_any_request() {
    let store = MemoryStore::new();
    let granted = store.lease_grant(pb::LeaseGrantRequest { ttl: 60, id: 0 }).await.unwrap();
    let watch = pb::WatchCreateRequest { key: "k".into(), ..Default::default() };
    let mut watch = store.watch(watch).await.unwrap();
    let before = tokio::time::Instant::now();
    store.put(pb::PutRequest { lease: granted.id, ..put("k", "v") }).await.unwrap();
    for _ in 0..2 {
        watch.next().await.unwrap();
    }
    let Some(WatchEvent::Events { events, .. }) = watch.next().await else { panic!("no deletion") };
    assert_eq!(events[0].r#type, store_types::mvccpb::event::EventType::Delete as i32);
    assert_eq!(before.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn a_request_above_the_limit_is_refused() {
    let store = MemoryStore::new();
    let value = vec![0; check::REQUEST_BYTES_MAX + 1];
    let refused = store.put(pb::PutRequest { key: "k".into(), value: value.into(), ..Default::default() }).await;
    assert_eq!(refused, Err(Error::REQUEST_TOO_LARGE));
}
