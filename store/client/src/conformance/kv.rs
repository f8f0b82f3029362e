//! Puts, deletions and reads of one key.

use super::scope::{Scope, header_revision};
use store_types::etcdserverpb as pb;

pub(super) async fn a_put_creates_and_then_versions_a_key(scope: Scope) {
    let first = scope.put("k", "one").await;
    let second = scope.put("k", "two").await;
    let kv = scope.get("k").await.expect("the key was put");
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (first, second, 2));
    assert_eq!((kv.value.as_ref(), kv.lease), (b"two".as_slice(), 0));
}

pub(super) async fn every_write_is_one_revision(scope: Scope) {
    let before = scope.revision().await;
    for step in 1..=5 {
        assert_eq!(scope.put("k", "v").await, before + step);
    }
    assert_eq!(scope.delete("k").await, before + 6);
    assert_eq!(scope.revision().await, before + 6);
}

pub(super) async fn old_values_are_read_at_their_revision(scope: Scope) {
    let before = scope.revision().await;
    let one = scope.put("k", "one").await;
    let two = scope.put("k", "two").await;
    let gone = scope.delete("k").await;
    for (revision, value) in [(before, None), (one, Some("one")), (two, Some("two")), (gone, None)] {
        let found = scope.get_at("k", revision).await.expect("nothing is compacted");
        assert_eq!(found.map(|kv| kv.value), value.map(Into::into), "at revision {revision}");
    }
    let response = scope.range(pb::RangeRequest { revision: one, ..scope.get_request("k") }).await;
    assert_eq!(header_revision(response.header), gone, "the header tells the store's revision, not the one read");
}

pub(super) async fn a_deleted_key_starts_over(scope: Scope) {
    scope.put("k", "v").await;
    scope.put("k", "v").await;
    scope.delete("k").await;
    let again = scope.put("k", "v").await;
    let kv = scope.get("k").await.expect("the key was put again");
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (again, again, 1));
}

pub(super) async fn deleting_nothing_makes_no_revision(scope: Scope) {
    let before = scope.put("k", "v").await;
    let request = pb::DeleteRangeRequest { key: scope.key("absent"), ..Default::default() };
    let response = scope.store.delete_range(request).await.expect("the deletion is well formed");
    assert_eq!((response.deleted, header_revision(response.header)), (0, before));
    assert_eq!(scope.revision().await, before);
}

pub(super) async fn previous_values_come_back_if_asked_for(scope: Scope) {
    let ask = |value: &str| pb::PutRequest { prev_kv: true, ..scope.put_request("a", value) };
    let put = |request| async { scope.store.put(request).await.expect("the put is well formed").prev_kv };
    assert_eq!(put(ask("one")).await, None);
    assert_eq!(put(ask("two")).await.map(|kv| kv.value), Some("one".into()));
    assert_eq!(put(scope.put_request("a", "three")).await, None);
    scope.put("b", "other").await;
    let request = pb::DeleteRangeRequest { key: scope.key(""), range_end: scope.end(), prev_kv: true };
    let response = scope.store.delete_range(request).await.expect("the deletion is well formed");
    let values: Vec<_> = response.prev_kvs.iter().map(|kv| kv.value.as_ref()).collect();
    assert_eq!(response.deleted, 2);
    assert_eq!(values, [b"three".as_slice(), b"other"]);
    assert_eq!(response.prev_kvs[0].version, 3);
}

pub(super) async fn value_or_lease_can_be_kept(scope: Scope) {
    let lease = scope.grant(60).await;
    let put = |request| async { scope.store.put(request).await.expect("the put is well formed") };
    put(pb::PutRequest { lease, ..scope.put_request("k", "one") }).await;
    put(pb::PutRequest { ignore_lease: true, ..scope.put_request("k", "two") }).await;
    let kv = scope.get("k").await.expect("the key was put");
    assert_eq!((kv.value.as_ref(), kv.lease), (b"two".as_slice(), lease));
    put(pb::PutRequest { ignore_value: true, ..scope.put_request("k", "") }).await;
    let kv = scope.get("k").await.expect("the key was put");
    assert_eq!((kv.value.as_ref(), kv.lease, kv.version), (b"two".as_slice(), 0, 3));
    scope.revoke(lease).await;
    assert!(scope.get("k").await.is_some(), "the key had left the lease");
}

pub(super) async fn keys_and_values_are_any_bytes(scope: Scope) {
    let mut key = scope.key("").to_vec();
    key.extend([0, 0xff, 0, 0x80]);
    let value: Vec<u8> = (0..=255).collect();
    let request = pb::PutRequest { key: key.clone().into(), value: value.clone().into(), ..Default::default() };
    scope.store.put(request).await.expect("the put is well formed");
    let request = pb::RangeRequest { key: key.into(), ..Default::default() };
    assert_eq!(scope.range(request).await.kvs[0].value, value);
    scope.put("empty", "").await;
    assert_eq!(scope.get("empty").await.map(|kv| kv.value.len()), Some(0));
}

pub(super) async fn the_member_tells_about_itself(scope: Scope) {
    let status = scope.store.status(pb::StatusRequest {}).await.expect("a member has a status");
    let header = status.header.expect("every answer has a header");
    assert!(!status.version.is_empty());
    assert_ne!(status.leader, 0, "a member that answers linearizable reads knows its leader");
    let members = scope.store.member_list(pb::MemberListRequest { linearizable: true }).await;
    let members = members.expect("a cluster has members").members;
    assert!(members.iter().any(|member| member.id == header.member_id), "the member is in its own list");
}
