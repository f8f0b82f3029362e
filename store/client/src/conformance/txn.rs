//! Transactions.

use super::scope::{Scope, header_revision};
use crate::Error;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use store_types::etcdserverpb::request_op::Request;
use store_types::etcdserverpb::response_op::Response;

fn op(request: Request) -> pb::RequestOp {
    pb::RequestOp { request: Some(request) }
}

fn put(scope: &Scope, name: &str, value: &str) -> pb::RequestOp {
    op(Request::RequestPut(scope.put_request(name, value)))
}

fn get(scope: &Scope, name: &str) -> pb::RequestOp {
    op(Request::RequestRange(scope.get_request(name)))
}

fn delete(scope: &Scope, name: &str) -> pb::RequestOp {
    op(Request::RequestDeleteRange(pb::DeleteRangeRequest { key: scope.key(name), ..Default::default() }))
}

fn compare(scope: &Scope, name: &str, result: CompareResult, wanted: TargetUnion) -> pb::Compare {
    let target = match &wanted {
        TargetUnion::Version(_) => CompareTarget::Version,
        TargetUnion::CreateRevision(_) => CompareTarget::Create,
        TargetUnion::ModRevision(_) => CompareTarget::Mod,
        TargetUnion::Value(_) => CompareTarget::Value,
        TargetUnion::Lease(_) => CompareTarget::Lease,
    };
    pb::Compare {
        result: result as i32,
        target: target as i32,
        key: scope.key(name),
        range_end: Default::default(),
        target_union: Some(wanted),
    }
}

async fn run(scope: &Scope, request: pb::TxnRequest) -> pb::TxnResponse {
    scope.store.txn(request).await.expect("the transaction is well formed")
}

async fn holds(scope: &Scope, compare: pb::Compare) -> bool {
    run(scope, pb::TxnRequest { compare: vec![compare], ..Default::default() }).await.succeeded
}

/// Runs operations without a compare.
async fn always(scope: &Scope, success: Vec<pb::RequestOp>) -> Vec<Response> {
    let response = run(scope, pb::TxnRequest { success, ..Default::default() }).await;
    assert!(response.succeeded, "nothing to compare means success");
    response.responses.into_iter().map(|op| op.response.expect("every operation has an answer")).collect()
}

fn values(response: &Response) -> Vec<String> {
    let Response::ResponseRange(range) = response else { panic!("not the answer of a read: {response:?}") };
    range.kvs.iter().map(|kv| String::from_utf8_lossy(&kv.value).into_owned()).collect()
}

pub(super) async fn every_comparison_of_every_target(scope: Scope) {
    let lease = scope.grant(60).await;
    let create = scope.put("k", "a").await;
    let leased = pb::PutRequest { lease, ..scope.put_request("k", "m") };
    let modified = header_revision(scope.store.put(leased).await.expect("the lease exists").header);
    let around = |wrap: fn(i64) -> TargetUnion, value: i64| [wrap(value - 1), wrap(value), wrap(value + 1)];
    let rows = [
        around(TargetUnion::Version, 2),
        around(TargetUnion::CreateRevision, create),
        around(TargetUnion::ModRevision, modified),
        around(TargetUnion::Lease, lease),
        ["a", "m", "z"].map(|value| TargetUnion::Value(value.into())),
    ];
    for [below, same, above] in rows {
        for (wanted, equal, greater, less) in
            [(below, false, true, false), (same, true, false, false), (above, false, false, true)]
        {
            for (result, expected) in [
                (CompareResult::Equal, equal),
                (CompareResult::NotEqual, !equal),
                (CompareResult::Greater, greater),
                (CompareResult::Less, less),
            ] {
                let compare = compare(&scope, "k", result, wanted.clone());
                assert_eq!(holds(&scope, compare.clone()).await, expected, "{compare:?}");
            }
        }
    }
    scope.revoke(lease).await;
}

pub(super) async fn an_absent_key_compares_as_zero_and_never_by_value(scope: Scope) {
    use CompareResult::{Equal, Greater, NotEqual};
    for wrap in [TargetUnion::Version, TargetUnion::CreateRevision, TargetUnion::ModRevision, TargetUnion::Lease] {
        assert!(holds(&scope, compare(&scope, "absent", Equal, wrap(0))).await);
        assert!(!holds(&scope, compare(&scope, "absent", Greater, wrap(0))).await);
    }
    for result in [Equal, NotEqual] {
        assert!(!holds(&scope, compare(&scope, "absent", result, TargetUnion::Value("".into()))).await);
    }
}

pub(super) async fn a_compare_over_a_range_holds_for_all_or_not(scope: Scope) {
    scope.put("a", "v").await;
    scope.put("b", "v").await;
    let all = |result, wanted| pb::Compare { range_end: scope.end(), ..compare(&scope, "", result, wanted) };
    assert!(holds(&scope, all(CompareResult::Equal, TargetUnion::Version(1))).await);
    assert!(holds(&scope, all(CompareResult::Equal, TargetUnion::Value("v".into()))).await);
    scope.put("b", "w").await;
    assert!(!holds(&scope, all(CompareResult::Equal, TargetUnion::Version(1))).await);
    assert!(!holds(&scope, all(CompareResult::Equal, TargetUnion::Value("v".into()))).await);
    let none = pb::Compare { key: scope.key("x"), ..all(CompareResult::Equal, TargetUnion::Version(0)) };
    assert!(holds(&scope, none).await, "an empty range compares as one absent key");
}

pub(super) async fn a_transaction_is_one_revision(scope: Scope) {
    scope.put("gone", "v").await;
    let before = scope.revision().await;
    let success = vec![put(&scope, "a", "1"), put(&scope, "b", "2"), delete(&scope, "gone")];
    let response = run(&scope, pb::TxnRequest { success, ..Default::default() }).await;
    assert_eq!(header_revision(response.header), before + 1);
    for name in ["a", "b"] {
        let kv = scope.get(name).await.expect("the transaction put it");
        assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (before + 1, before + 1, 1));
    }
    assert_eq!(scope.get("gone").await, None);
    assert_eq!(scope.revision().await, before + 1);
}

pub(super) async fn reads_see_the_writes_before_them(scope: Scope) {
    scope.put("a", "old").await;
    let operations =
        vec![get(&scope, "a"), put(&scope, "a", "new"), get(&scope, "a"), delete(&scope, "b"), get(&scope, "b")];
    let responses = always(&scope, operations).await;
    assert_eq!(values(&responses[0]), ["old"]);
    assert_eq!(values(&responses[2]), ["new"]);
    assert_eq!(values(&responses[4]), [""; 0]);
    let responses = always(&scope, vec![delete(&scope, "a"), get(&scope, "a")]).await;
    let Response::ResponseDeleteRange(deleted) = &responses[0] else { panic!("not a deletion's answer") };
    assert_eq!(deleted.deleted, 1);
    assert_eq!(values(&responses[1]), [""; 0]);
}

pub(super) async fn nested_compares_see_the_state_before(scope: Scope) {
    let nested = pb::TxnRequest {
        compare: vec![compare(&scope, "a", CompareResult::Equal, TargetUnion::Version(0))],
        success: vec![put(&scope, "chosen", "success")],
        failure: vec![put(&scope, "chosen", "failure")],
    };
    let operations = vec![put(&scope, "a", "v"), op(Request::RequestTxn(nested)), get(&scope, "chosen")];
    let responses = always(&scope, operations).await;
    let Response::ResponseTxn(nested) = &responses[1] else { panic!("not a transaction's answer") };
    assert!(nested.succeeded && nested.responses.len() == 1);
    assert_eq!(values(&responses[2]), ["success"]);
    let kvs = scope.range(scope.list_request()).await.kvs;
    assert_eq!(kvs[0].mod_revision, kvs[1].mod_revision, "nested operations share the revision");
}

pub(super) async fn without_a_write_there_is_no_revision(scope: Scope) {
    let before = scope.put("k", "v").await;
    for operations in [vec![], vec![get(&scope, "k")], vec![delete(&scope, "absent"), get(&scope, "k")]] {
        let request = pb::TxnRequest { success: operations, ..Default::default() };
        assert_eq!(header_revision(run(&scope, request).await.header), before);
    }
    let failing = pb::TxnRequest {
        compare: vec![compare(&scope, "k", CompareResult::Equal, TargetUnion::Version(9))],
        success: vec![put(&scope, "k", "w")],
        failure: vec![get(&scope, "k")],
    };
    let response = run(&scope, failing).await;
    assert!(!response.succeeded && response.responses.len() == 1);
    assert_eq!(scope.revision().await, before);
}

pub(super) async fn a_refused_operation_undoes_all(scope: Scope) {
    let before = scope.put("k", "v").await;
    let keep_value = pb::PutRequest { ignore_value: true, ..scope.put_request("absent", "") };
    let no_lease = pb::PutRequest { lease: 0x7ead_1ea5e, ..scope.put_request("b", "v") };
    for (refused, expected) in [(keep_value, Error::KEY_NOT_FOUND), (no_lease, Error::LEASE_NOT_FOUND)] {
        let success = vec![put(&scope, "a", "v"), delete(&scope, "k"), op(Request::RequestPut(refused))];
        let response = scope.store.txn(pb::TxnRequest { success, ..Default::default() }).await;
        assert_eq!(response, Err(expected));
    }
    assert_eq!(scope.names(scope.list_request()).await, ["k"]);
    assert_eq!(scope.revision().await, before);
}

pub(super) async fn an_unreadable_revision_refuses_the_writes_too(scope: Scope) {
    let past = scope.put("k", "one").await;
    let kept = scope.put("k", "two").await;
    scope.compact(kept).await.expect("the revision exists and was not compacted");
    for (revision, expected) in [(past, Error::COMPACTED), (kept + 1, Error::FUTURE_REVISION)] {
        let read = pb::RangeRequest { revision, ..scope.get_request("k") };
        let success = vec![put(&scope, "a", "v"), op(Request::RequestRange(read))];
        let response = scope.store.txn(pb::TxnRequest { success, ..Default::default() }).await;
        assert_eq!(response, Err(expected));
    }
    assert_eq!(scope.get("a").await, None);
    let read = pb::RangeRequest { revision: kept, ..scope.get_request("k") };
    let responses = always(&scope, vec![put(&scope, "k", "three"), op(Request::RequestRange(read))]).await;
    assert_eq!(values(&responses[1]), ["two"], "a read of the past does not see the transaction's own writes");
}

pub(super) async fn optimistic_updates_as_an_api_server_makes_them(scope: Scope) {
    let update = |expected: i64, value: &str| pb::TxnRequest {
        compare: vec![compare(&scope, "k", CompareResult::Equal, TargetUnion::ModRevision(expected))],
        success: vec![put(&scope, "k", value)],
        failure: vec![get(&scope, "k")],
    };
    let created = run(&scope, update(0, "one")).await;
    assert!(created.succeeded);
    let conflict = run(&scope, update(0, "again")).await;
    assert!(!conflict.succeeded);
    let current = conflict.responses.into_iter().next().and_then(|op| op.response).expect("the failure branch reads");
    assert_eq!(values(&current), ["one"]);
    let revision = header_revision(created.header);
    assert!(run(&scope, update(revision, "two")).await.succeeded);
    assert!(!run(&scope, update(revision, "three")).await.succeeded);
    assert_eq!(scope.get("k").await.map(|kv| kv.value), Some("two".into()));
}
