//! Random steps over few keys, so that they meet.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use store_types::command::Operation;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::compare::TargetUnion;
use store_types::etcdserverpb::request_op::Request;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Apply(Operation),
    /// Compacts to so many revisions below the current one; negative is the future.
    CompactBack(i64),
    /// Reads, at so many revisions below the current one.
    Range {
        request: pb::RangeRequest,
        back: Option<i64>,
    },
    Sweep(usize),
    Restart,
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => put().prop_map(|put| Step::Apply(Operation::Put(put))),
        4 => delete().prop_map(|delete| Step::Apply(Operation::DeleteRange(delete))),
        6 => txn().prop_map(|txn| Step::Apply(Operation::Txn(txn))),
        2 => lease().prop_map(Step::Apply),
        4 => (range(), prop::option::of(-1i64..12)).prop_map(|(request, back)| Step::Range { request, back }),
        2 => (-1i64..8).prop_map(Step::CompactBack),
        2 => (1usize..4).prop_map(Step::Sweep),
        1 => Just(Step::Restart),
    ];
    vec(step, 1..60)
}

fn key() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec!["a", "b", "c", "d", "e"]).prop_map(Bytes::from)
}

fn end() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec!["", "", "", "\0", "\0", "b", "c", "e", "f"]).prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec!["", "v", "w", "x"]).prop_map(Bytes::from)
}

fn put() -> impl Strategy<Value = pb::PutRequest> {
    let flags = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (key(), value(), prop_oneof![3 => Just(0i64), 1 => 1i64..4], flags).prop_map(
        |(key, value, lease, (prev_kv, ignore_value, ignore_lease))| pb::PutRequest {
            key,
            value: if ignore_value { Bytes::new() } else { value },
            lease: if ignore_lease { 0 } else { lease },
            prev_kv,
            ignore_value,
            ignore_lease,
        },
    )
}

fn delete() -> impl Strategy<Value = pb::DeleteRangeRequest> {
    (key(), end(), any::<bool>()).prop_map(|(key, range_end, prev_kv)| pb::DeleteRangeRequest {
        key,
        range_end,
        prev_kv,
    })
}

fn range() -> impl Strategy<Value = pb::RangeRequest> {
    // Wide enough to let several keys through more often than not.
    let min = || prop_oneof![4 => Just(0i64), 1 => 1i64..12];
    let max = || prop_oneof![4 => Just(0i64), 1 => 8i64..60];
    let bounds = (min(), max(), min(), max());
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (key(), end(), -1i64..4, (0i32..3, 0i32..5), flags, bounds).prop_map(
        |(key, range_end, limit, (sort_order, sort_target), (keys_only, count_only), bounds)| pb::RangeRequest {
            key,
            range_end,
            limit,
            revision: 0,
            sort_order,
            sort_target,
            serializable: false,
            keys_only,
            count_only,
            min_mod_revision: bounds.0,
            max_mod_revision: bounds.1,
            min_create_revision: bounds.2,
            max_create_revision: bounds.3,
        },
    )
}

fn compare() -> impl Strategy<Value = pb::Compare> {
    let wanted = prop_oneof![
        (0i64..4).prop_map(TargetUnion::Version),
        (0i64..40).prop_map(TargetUnion::CreateRevision),
        (0i64..40).prop_map(TargetUnion::ModRevision),
        value().prop_map(TargetUnion::Value),
        (0i64..4).prop_map(TargetUnion::Lease),
    ];
    // Targets and wanted values are drawn apart: a wrong kind of value counts as zero.
    (key(), end(), 0i32..4, 0i32..5, prop::option::of(wanted)).prop_map(
        |(key, range_end, result, target, target_union)| pb::Compare { result, target, key, range_end, target_union },
    )
}

fn txn() -> impl Strategy<Value = pb::TxnRequest> {
    let leaf = prop_oneof![
        4 => put().prop_map(Request::RequestPut),
        2 => delete().prop_map(Request::RequestDeleteRange),
        2 => (range(), prop_oneof![4 => Just(0i64), 1 => 1i64..30]).prop_map(|(range, revision)| {
            Request::RequestRange(pb::RangeRequest { revision, ..range })
        }),
    ];
    let request = leaf.prop_recursive(2, 12, 3, |inner| {
        let branch = || vec(inner.clone(), 0..3).prop_map(operations);
        (vec(compare(), 0..2), branch(), branch())
            .prop_map(|(compare, success, failure)| Request::RequestTxn(pb::TxnRequest { compare, success, failure }))
    });
    let branch = vec(request, 0..4).prop_map(operations).boxed();
    (vec(compare(), 0..3), branch.clone(), branch).prop_map(|(compare, success, failure)| pb::TxnRequest {
        compare,
        success,
        failure,
    })
}

fn operations(requests: Vec<Request>) -> Vec<pb::RequestOp> {
    requests.into_iter().map(|request| pb::RequestOp { request: Some(request) }).collect()
}

fn lease() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => (0i64..4, 0i64..100).prop_map(|(id, ttl)| Operation::LeaseGrant(pb::LeaseGrantRequest { id, ttl })),
        1 => (1i64..4).prop_map(|id| Operation::LeaseRevoke(pb::LeaseRevokeRequest { id })),
        1 => vec((1i64..4, 0i64..50), 0..3).prop_map(Operation::LeaseCheckpoint),
        1 => Just(Operation::Noop),
        1 => alarm().prop_map(Operation::Alarm),
    ]
}

/// Ended more often than raised, or nothing else would ever succeed.
fn alarm() -> impl Strategy<Value = pb::AlarmRequest> {
    let action = prop_oneof![1 => Just(1), 6 => Just(2)];
    (action, 0..3).prop_map(|(action, alarm)| pb::AlarmRequest { action, member_id: 1, alarm })
}
