//! Reading a stored object never parses it: alone in its process, because the decode counter is the process's.
#![allow(clippy::unwrap_used, reason = "an error fails the test")]

#[path = "conformance/support.rs"]
mod support;

use api_machinery::codec;
use api_storage::{ListOptions, ReadRevision, WatchStart};
use serde_json::json;
use support::{Fixture, NAMESPACE, by_label, next};

#[tokio::test]
async fn get_list_and_watch_decode_nothing() {
    for fixture in Fixture::both() {
        let mut watch = fixture.watch(WatchStart::Unset).await;
        let before_writes = codec::decodes();
        for index in 0..10 {
            fixture.create_in(NAMESPACE, &format!("p{index}"), "n1", json!({"app": "web"})).await;
        }
        assert_eq!(codec::decodes(), before_writes, "a create has its object already");
        fixture.update("p0", |value| value["spec"]["x"] = json!(1)).await;
        let before = codec::decodes();
        assert_eq!(before, before_writes + 1, "an update decodes once");
        for _ in 0..11 {
            assert!(!next(&mut watch).await.wire().is_empty());
        }
        for revision in [ReadRevision::Consistent, ReadRevision::Any] {
            assert!(!fixture.pods.get(Some(NAMESPACE), "p1", revision).await.unwrap().to_json().is_empty());
        }
        let options = ListOptions { predicate: by_label("app=web"), ..Default::default() };
        assert_eq!(fixture.pods.list(options).await.unwrap().items.len(), 10);
        assert_eq!(codec::decodes(), before, "{}", fixture.name);
    }
}
