//! Transactions: compare, choose a branch, check it, run it.
//!
//! All compares, nested ones too, are made against the state before the first change. Reads of the chosen branch see the
//! changes before them. Everything that can refuse the chosen path is checked on every member alike, reads included:
//! members that skipped the reads of others' clients went apart (etcd bug 18667).

use super::write::Write;
use crate::error::{Error, Fatal};
use crate::history::Mark;
use crate::values::Values;
use smallvec::SmallVec;
use std::cmp::Ordering;
use store_types::KeyRange;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use store_types::etcdserverpb::request_op::Request;
use store_types::etcdserverpb::response_op::Response;

/// For each transaction on the chosen path, outermost first, in the order of the operations: whether it succeeded.
type Path = SmallVec<[bool; 4]>;

type PathIter<'p> = std::iter::Copied<std::slice::Iter<'p, bool>>;

impl<V: Values> Write<'_, V> {
    pub(super) fn txn(&mut self, request: &pb::TxnRequest) -> Result<Result<pb::TxnResponse, Error>, Fatal<V::Error>> {
        let mut path = Path::new();
        self.decide(request, &mut path)?;
        // All puts before all reads, as etcd checks them.
        let checked = self
            .check_path(request, &mut path.iter().copied(), &Self::check_put)
            .and_then(|()| self.check_path(request, &mut path.iter().copied(), &Self::check_read));
        if let Err(refusal) = checked {
            return Ok(Err(refusal));
        }
        let mut response = self.run(request, &mut path.iter().copied())?;
        response.header = self.header();
        Ok(Ok(response))
    }

    fn decide(&self, request: &pb::TxnRequest, path: &mut Path) -> Result<(), Fatal<V::Error>> {
        let mut succeeded = true;
        for compare in &request.compare {
            if !self.holds(compare)? {
                succeeded = false;
                break;
            }
        }
        path.push(succeeded);
        for op in branch(request, succeeded) {
            if let Some(Request::RequestTxn(nested)) = &op.request {
                self.decide(nested, path)?;
            }
        }
        Ok(())
    }

    fn check_path(
        &self,
        request: &pb::TxnRequest,
        path: &mut PathIter<'_>,
        check: &impl Fn(&Self, &Request) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for op in branch(request, next(path)) {
            match &op.request {
                Some(Request::RequestTxn(nested)) => self.check_path(nested, path, check)?,
                Some(request) => check(self, request)?,
                None => {}
            }
        }
        Ok(())
    }

    fn check_put(&self, request: &Request) -> Result<(), Error> {
        let Request::RequestPut(put) = request else { return Ok(()) };
        if (put.ignore_value || put.ignore_lease) && self.mvcc.live(&put.key).is_none() {
            return Err(Error::KeyNotFound);
        }
        if put.lease != 0 && !self.mvcc.leases.contains(put.lease) {
            return Err(Error::LeaseNotFound);
        }
        Ok(())
    }

    fn check_read(&self, request: &Request) -> Result<(), Error> {
        let Request::RequestRange(range) = request else { return Ok(()) };
        self.mvcc.check_revision(range.revision)
    }

    fn run(&mut self, request: &pb::TxnRequest, path: &mut PathIter<'_>) -> Result<pb::TxnResponse, Fatal<V::Error>> {
        let succeeded = next(path);
        let operations = branch(request, succeeded);
        let mut responses = Vec::with_capacity(operations.len());
        for op in operations {
            let response = match &op.request {
                Some(Request::RequestRange(range)) => Some(Response::ResponseRange(self.range(range)?)),
                Some(Request::RequestPut(put)) => Some(Response::ResponsePut(self.put(put)?)),
                Some(Request::RequestDeleteRange(delete)) => {
                    Some(Response::ResponseDeleteRange(self.delete_range(delete)?))
                }
                Some(Request::RequestTxn(nested)) => Some(Response::ResponseTxn(self.run(nested, path)?)),
                None => None,
            };
            responses.push(pb::ResponseOp { response });
        }
        // Only the outermost transaction's header tells the revision, as in etcd.
        Ok(pb::TxnResponse { header: Some(pb::ResponseHeader::default()), succeeded, responses })
    }

    /// Whether the compare holds for every existing key of its range, or for the absent key if there is none.
    fn holds(&self, compare: &pb::Compare) -> Result<bool, Fatal<V::Error>> {
        let range = KeyRange::new(compare.key.clone(), compare.range_end.clone());
        let by_value = compare.target == CompareTarget::Value as i32;
        let mut any = false;
        for (_, mark) in self.mvcc.index.live(&range, i64::MAX) {
            any = true;
            let ordering = if by_value {
                let wanted = match &compare.target_union {
                    Some(TargetUnion::Value(value)) => value.as_ref(),
                    _ => b"",
                };
                self.value(mark.revision)?.value.as_ref().cmp(wanted)
            } else {
                compare_mark(compare, mark)
            };
            if !outcome(compare, ordering) {
                return Ok(false);
            }
        }
        // A value cannot be compared with none: the wire has no way to say "missing".
        let absent = Mark::tombstone(Default::default());
        Ok(any || !by_value && outcome(compare, compare_mark(compare, &absent)))
    }
}

fn branch(request: &pb::TxnRequest, succeeded: bool) -> &[pb::RequestOp] {
    if succeeded { &request.success } else { &request.failure }
}

fn next(path: &mut PathIter<'_>) -> bool {
    path.next().expect("decide noted one outcome for every transaction on the path")
}

/// Compares a field of the mark with the wanted number; a number of the wrong kind counts as 0, as in etcd.
fn compare_mark(compare: &pb::Compare, mark: &Mark) -> Ordering {
    let wanted = &compare.target_union;
    let (actual, wanted) = match (CompareTarget::try_from(compare.target), wanted) {
        (Ok(CompareTarget::Version), Some(TargetUnion::Version(wanted))) => (mark.version, *wanted),
        (Ok(CompareTarget::Version), _) => (mark.version, 0),
        (Ok(CompareTarget::Create), Some(TargetUnion::CreateRevision(wanted))) => (mark.create, *wanted),
        (Ok(CompareTarget::Create), _) => (mark.create, 0),
        (Ok(CompareTarget::Mod), Some(TargetUnion::ModRevision(wanted))) => (mark.revision.main, *wanted),
        (Ok(CompareTarget::Mod), _) => (mark.revision.main, 0),
        (Ok(CompareTarget::Lease), Some(TargetUnion::Lease(wanted))) => (mark.lease, *wanted),
        (Ok(CompareTarget::Lease), _) => (mark.lease, 0),
        (Ok(CompareTarget::Value) | Err(_), _) => (0, 0),
    };
    actual.cmp(&wanted)
}

fn outcome(compare: &pb::Compare, ordering: Ordering) -> bool {
    match CompareResult::try_from(compare.result) {
        Ok(CompareResult::Equal) => ordering.is_eq(),
        Ok(CompareResult::NotEqual) => ordering.is_ne(),
        Ok(CompareResult::Greater) => ordering.is_gt(),
        Ok(CompareResult::Less) => ordering.is_lt(),
        Err(_) => true,
    }
}
