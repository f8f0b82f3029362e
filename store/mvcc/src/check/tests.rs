use super::*;
use bytes::Bytes;

fn put_op(key: &'static str) -> pb::RequestOp {
    let request = pb::PutRequest { key: key.into(), value: "v".into(), ..Default::default() };
    pb::RequestOp { request: Some(Request::RequestPut(request)) }
}

fn delete_op(key: &'static str, end: &'static str) -> pb::RequestOp {
    let request = pb::DeleteRangeRequest { key: key.into(), range_end: end.into(), prev_kv: false };
    pb::RequestOp { request: Some(Request::RequestDeleteRange(request)) }
}

fn txn_op(success: Vec<pb::RequestOp>, failure: Vec<pb::RequestOp>) -> pb::RequestOp {
    let request = pb::TxnRequest { compare: vec![], success, failure };
    pb::RequestOp { request: Some(Request::RequestTxn(request)) }
}

fn check(success: Vec<pb::RequestOp>) -> Result<(), Error> {
    txn(&pb::TxnRequest { compare: vec![], success, failure: vec![] })
}

#[test]
fn two_puts_of_one_key_collide() {
    assert_eq!(check(vec![put_op("a"), put_op("b")]), Ok(()));
    assert_eq!(check(vec![put_op("a"), put_op("a")]), Err(Error::DuplicateKey));
}

#[test]
fn a_put_inside_a_deleted_range_collides_in_either_order() {
    for range in [delete_op("a", "c"), delete_op("b", ""), delete_op("a", "\0")] {
        assert_eq!(check(vec![range.clone(), put_op("b")]), Err(Error::DuplicateKey));
        assert_eq!(check(vec![put_op("b"), range]), Err(Error::DuplicateKey));
    }
    assert_eq!(check(vec![delete_op("a", "c"), put_op("c")]), Ok(()));
    assert_eq!(check(vec![delete_op("a", "c"), delete_op("b", "d")]), Ok(()));
}

#[test]
fn the_branches_of_a_nested_transaction_exclude_each_other() {
    assert_eq!(check(vec![txn_op(vec![put_op("a")], vec![put_op("a")])]), Ok(()));
    assert_eq!(check(vec![txn_op(vec![put_op("a")], vec![delete_op("a", "b")])]), Ok(()));
    assert_eq!(check(vec![txn_op(vec![put_op("a")], vec![]), put_op("a")]), Err(Error::DuplicateKey));
    assert_eq!(check(vec![put_op("a"), txn_op(vec![], vec![put_op("a")])]), Err(Error::DuplicateKey));
    assert_eq!(check(vec![txn_op(vec![put_op("a"), put_op("a")], vec![])]), Err(Error::DuplicateKey));
}

#[test]
fn two_nested_transactions_collide_in_either_order() {
    let put = txn_op(vec![put_op("a")], vec![]);
    let delete = txn_op(vec![], vec![delete_op("a", "")]);
    assert_eq!(check(vec![put.clone(), delete.clone()]), Err(Error::DuplicateKey));
    assert_eq!(check(vec![delete, put.clone()]), Err(Error::DuplicateKey));
    assert_eq!(check(vec![put.clone(), put]), Err(Error::DuplicateKey));
}

#[test]
fn operations_are_counted_along_the_path() {
    let reads = |count: usize| -> Vec<pb::RequestOp> { (0..count).map(|_| delete_op("a", "")).collect() };
    assert_eq!(check(reads(128)), Ok(()));
    assert_eq!(check(reads(129)), Err(Error::TooManyOps));
    assert_eq!(check(vec![txn_op(reads(127), vec![])]), Ok(()));
    assert_eq!(check(vec![txn_op(reads(128), vec![])]), Err(Error::TooManyOps));
    let compare = vec![pb::Compare { key: "a".into(), ..Default::default() }; 129];
    assert_eq!(txn(&pb::TxnRequest { compare, ..Default::default() }), Err(Error::TooManyOps));
}

#[test]
fn every_malformed_request_has_its_own_answer() {
    let key = Bytes::from_static(b"k");
    assert_eq!(range(&pb::RangeRequest::default()), Err(Error::EmptyKey));
    let sorted = pb::RangeRequest { key: key.clone(), sort_order: 3, ..Default::default() };
    assert_eq!(range(&sorted), Err(Error::InvalidSortOption));
    let sorted = pb::RangeRequest { key: key.clone(), sort_target: 5, ..Default::default() };
    assert_eq!(range(&sorted), Err(Error::InvalidSortOption));
    let both = pb::PutRequest { key: key.clone(), value: "v".into(), ignore_value: true, ..Default::default() };
    assert_eq!(put(&both), Err(Error::ValueProvided));
    let both = pb::PutRequest { key, lease: 1, ignore_lease: true, ..Default::default() };
    assert_eq!(put(&both), Err(Error::LeaseProvided));
    assert_eq!(delete_range(&pb::DeleteRangeRequest::default()), Err(Error::EmptyKey));
    assert_eq!(check(vec![pb::RequestOp { request: None }]), Err(Error::KeyNotFound));
    let compare = vec![pb::Compare::default()];
    assert_eq!(txn(&pb::TxnRequest { compare, ..Default::default() }), Err(Error::EmptyKey));
}
