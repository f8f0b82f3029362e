//! Leases. Times are whole seconds and generous: the promise is that a lease does not end early, and does end.

use super::scope::{Scope, header_revision, seen};
use crate::Error;
use store_types::etcdserverpb as pb;

async fn time_to_live(scope: &Scope, id: i64) -> pb::LeaseTimeToLiveResponse {
    let request = pb::LeaseTimeToLiveRequest { id, keys: true };
    scope.store.lease_time_to_live(request).await.expect("every id has an answer")
}

async fn put_leased(scope: &Scope, name: &str, lease: i64) -> i64 {
    let request = pb::PutRequest { lease, ..scope.put_request(name, "v") };
    header_revision(scope.store.put(request).await.expect("the lease exists").header)
}

async fn listed(scope: &Scope, id: i64) -> bool {
    let leases = scope.store.lease_leases(pb::LeaseLeasesRequest {}).await.expect("leases can be listed");
    leases.leases.iter().any(|lease| lease.id == id)
}

pub(super) async fn a_lease_is_granted_listed_and_revoked(scope: Scope) {
    let before = scope.revision().await;
    // An id that the client chooses: the revision makes it new.
    let id = 0x1ea5_0000_0000 + before;
    let request = pb::LeaseGrantRequest { id, ttl: 100 };
    let granted = scope.store.lease_grant(request).await.expect("the id is free");
    assert_eq!((granted.id, granted.ttl, granted.error.as_str()), (id, 100, ""));
    assert_eq!(header_revision(granted.header), before, "a grant is no change of keys");
    assert_eq!(scope.store.lease_grant(request).await, Err(Error::LEASE_EXISTS));
    let left = time_to_live(&scope, id).await;
    assert_eq!((left.id, left.granted_ttl, left.keys.len()), (id, 100, 0));
    assert!((90..=100).contains(&left.ttl), "{left:?}");
    assert!(listed(&scope, id).await);
    assert_eq!(scope.revoke(id).await, before, "a revocation without keys is no change of keys");
    assert!(!listed(&scope, id).await);
    let short = pb::LeaseGrantRequest { id, ttl: 0 };
    let short = scope.store.lease_grant(short).await.expect("the id is free again");
    assert!(short.ttl >= 1, "a lease that ends before a leader can change is of no use: {short:?}");
    scope.revoke(id).await;
    let long = pb::LeaseGrantRequest { id, ttl: 9_000_000_001 };
    assert_eq!(scope.store.lease_grant(long).await, Err(Error::LEASE_TTL_TOO_LARGE));
}

pub(super) async fn a_revocation_deletes_the_attached_keys_in_one_revision(scope: Scope) {
    let id = scope.grant(60).await;
    for name in ["b", "a", "c"] {
        put_leased(&scope, name, id).await;
    }
    let before = scope.put("other", "v").await;
    assert_eq!(scope.get("a").await.map(|kv| kv.lease), Some(id));
    let mut watch = scope.watch_from(before + 1).await;
    assert_eq!(scope.revoke(id).await, before + 1);
    assert_eq!(scope.names(scope.list_request()).await, ["other"]);
    let deleted = ["a", "b", "c"].map(|name| seen("delete", name, before + 1));
    assert_eq!(watch.events(&scope, 3).await, deleted);
}

pub(super) async fn a_key_belongs_to_its_last_lease(scope: Scope) {
    let (first, second) = (scope.grant(60).await, scope.grant(60).await);
    put_leased(&scope, "moved", first).await;
    put_leased(&scope, "moved", second).await;
    put_leased(&scope, "freed", first).await;
    scope.put("freed", "v").await;
    put_leased(&scope, "kept", first).await;
    put_leased(&scope, "deleted", first).await;
    scope.delete("deleted").await;
    assert_eq!(time_to_live(&scope, first).await.keys, [scope.key("kept")]);
    assert_eq!(time_to_live(&scope, second).await.keys, [scope.key("moved")]);
    scope.revoke(first).await;
    assert_eq!(scope.names(scope.list_request()).await, ["freed", "moved"]);
    scope.revoke(second).await;
    assert_eq!(scope.names(scope.list_request()).await, ["freed"]);
}

pub(super) async fn an_expired_lease_takes_its_keys(scope: Scope) {
    let id = scope.grant(2).await;
    let put = put_leased(&scope, "k", id).await;
    let mut watch = scope.watch_from(put).await;
    let events = watch.events(&scope, 2).await;
    assert_eq!(events, [seen("put", "k", put), seen("delete", "k", put + 1)]);
    assert_eq!(time_to_live(&scope, id).await.ttl, -1);
    assert!(!listed(&scope, id).await);
}

pub(super) async fn a_renewed_lease_lives(scope: Scope) {
    // The second lease ends first only if renewing the first one counts: both get the same time.
    let (renewed, left_alone) = (scope.grant(4).await, scope.grant(4).await);
    let start = put_leased(&scope, "renewed", renewed).await;
    put_leased(&scope, "left alone", left_alone).await;
    let mut watch = scope.watch_from(start + 2).await;
    for _ in 0..3 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let answer = scope.store.lease_keep_alive(pb::LeaseKeepAliveRequest { id: renewed }).await;
        let answer = answer.expect("a lease can be renewed");
        assert_eq!((answer.id, answer.ttl), (renewed, 4));
    }
    assert_eq!(watch.events(&scope, 1).await, [seen("delete", "left alone", start + 2)]);
    assert!(scope.get("renewed").await.is_some(), "a renewed lease ended with one that was not");
    scope.revoke(renewed).await;
}

pub(super) async fn unknown_leases_have_their_own_answers(scope: Scope) {
    let id = scope.grant(60).await;
    scope.revoke(id).await;
    assert_eq!(scope.store.lease_revoke(pb::LeaseRevokeRequest { id }).await, Err(Error::LEASE_NOT_FOUND));
    let renewed = scope.store.lease_keep_alive(pb::LeaseKeepAliveRequest { id }).await.expect("every id has an answer");
    assert_eq!((renewed.id, renewed.ttl), (id, 0));
    let left = time_to_live(&scope, id).await;
    assert_eq!((left.id, left.ttl, left.granted_ttl), (id, -1, 0));
}
