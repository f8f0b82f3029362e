//! Refusals: clients tell them apart by code and text, so both are compared.

use super::scope::Scope;
use crate::Error;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::request_op::Request;

/// No client gets this id, and no check grants it.
const UNKNOWN_LEASE: i64 = 0x7ead_1ea5e;

pub(super) async fn malformed_requests_have_their_own_errors(scope: Scope) {
    let store = &scope.store;
    let before = scope.put("k", "v").await;
    assert_eq!(store.range(pb::RangeRequest::default()).await, Err(Error::EMPTY_KEY));
    assert_eq!(store.put(pb::PutRequest::default()).await, Err(Error::EMPTY_KEY));
    assert_eq!(store.delete_range(pb::DeleteRangeRequest::default()).await, Err(Error::EMPTY_KEY));
    let request = |name: &str, value: &str| scope.put_request(name, value);
    for (request, expected) in [
        (pb::PutRequest { ignore_value: true, ..request("k", "v") }, Error::VALUE_PROVIDED),
        (pb::PutRequest { ignore_lease: true, lease: 1, ..request("k", "v") }, Error::LEASE_PROVIDED),
        (pb::PutRequest { ignore_value: true, ..request("absent", "") }, Error::KEY_NOT_FOUND),
        (pb::PutRequest { ignore_lease: true, ..request("absent", "v") }, Error::KEY_NOT_FOUND),
        (pb::PutRequest { lease: UNKNOWN_LEASE, ..request("k", "v") }, Error::LEASE_NOT_FOUND),
    ] {
        assert_eq!(store.put(request.clone()).await, Err(expected), "{request:?}");
    }
    assert_eq!(scope.revision().await, before, "a refusal changes nothing");
}

pub(super) async fn malformed_transactions_have_their_own_errors(scope: Scope) {
    let op = |request| pb::RequestOp { request: Some(request) };
    let put = |name: &str| op(Request::RequestPut(scope.put_request(name, "v")));
    let delete = |from: &str, to: &str| {
        let request = pb::DeleteRangeRequest { key: scope.key(from), range_end: scope.key(to), prev_kv: false };
        op(Request::RequestDeleteRange(request))
    };
    let nested = |success, failure| op(Request::RequestTxn(pb::TxnRequest { compare: vec![], success, failure }));
    let read = op(Request::RequestRange(scope.get_request("k")));
    let before = scope.revision().await;
    for (success, expected) in [
        (vec![put("a"), put("a")], Error::DUPLICATE_KEY),
        (vec![delete("a", "c"), put("b")], Error::DUPLICATE_KEY),
        (vec![put("a"), nested(vec![put("a")], vec![])], Error::DUPLICATE_KEY),
        (vec![op(Request::RequestPut(pb::PutRequest::default()))], Error::EMPTY_KEY),
        (vec![nested(vec![op(Request::RequestRange(pb::RangeRequest::default()))], vec![])], Error::EMPTY_KEY),
        (vec![read.clone(); 129], Error::TOO_MANY_OPS),
        (vec![nested(vec![read.clone(); 128], vec![])], Error::TOO_MANY_OPS),
    ] {
        let response = scope.store.txn(pb::TxnRequest { success: success.clone(), ..Default::default() }).await;
        assert_eq!(response, Err(expected), "{success:?}");
    }
    let no_key = pb::TxnRequest { compare: vec![pb::Compare::default()], ..Default::default() };
    assert_eq!(scope.store.txn(no_key).await, Err(Error::EMPTY_KEY));
    assert_eq!(scope.revision().await, before, "a refusal changes nothing");
    for success in [vec![read; 128], vec![nested(vec![put("a")], vec![put("a")])]] {
        let response = scope.store.txn(pb::TxnRequest { success, ..Default::default() }).await;
        assert!(response.is_ok(), "{response:?}");
    }
}

pub(super) async fn unknown_sort_options_are_refused(scope: Scope) {
    for request in [
        pb::RangeRequest { sort_order: 9, ..scope.get_request("k") },
        pb::RangeRequest { sort_target: 9, ..scope.get_request("k") },
    ] {
        assert_eq!(scope.store.range(request).await, Err(Error::INVALID_SORT_OPTION));
    }
}

pub(super) async fn a_future_revision_is_refused(scope: Scope) {
    let revision = scope.put("k", "v").await;
    assert!(scope.get_at("k", revision).await.is_ok());
    assert_eq!(scope.get_at("k", revision + 1).await, Err(Error::FUTURE_REVISION));
}

pub(super) async fn a_large_request_is_refused(scope: Scope) {
    let before = scope.revision().await;
    let value = vec![b'v'; store_mvcc::check::REQUEST_BYTES_MAX + 1];
    let request = pb::PutRequest { value: value.into(), ..scope.put_request("k", "") };
    assert_eq!(scope.store.put(request).await, Err(Error::REQUEST_TOO_LARGE));
    assert_eq!(scope.revision().await, before);
    let value = vec![b'v'; 1024 * 1024];
    let request = pb::PutRequest { value: value.into(), ..scope.put_request("k", "") };
    scope.store.put(request).await.expect("a request below the limit is served");
}
