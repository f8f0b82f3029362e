//! Whether a request is well formed, decided without any state; every server of the API asks here before it proposes.
//!
//! The order of the checks is etcd's, so a request with several faults gets the same answer.

use crate::error::Error;
use std::collections::HashSet;
use store_types::command::Operation;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::request_op::Request;

/// Most operations (or compares) on one path through a transaction; more are refused with [`Error::TooManyOps`].
pub const TXN_OPERATIONS_MAX: usize = 128;

/// Largest encoded request that changes something; a larger one is refused as too large before it is proposed.
pub const REQUEST_BYTES_MAX: usize = 1_536 * 1024;

/// Checks any operation that a client can send.
pub fn operation(operation: &Operation) -> Result<(), Error> {
    match operation {
        Operation::Put(request) => put(request),
        Operation::DeleteRange(request) => delete_range(request),
        Operation::Txn(request) => txn(request),
        Operation::Compact(_)
        | Operation::LeaseGrant(_)
        | Operation::LeaseRevoke(_)
        | Operation::LeaseCheckpoint(_)
        | Operation::Noop
        | Operation::Alarm(_) => Ok(()),
    }
}

/// Checks a read.
pub fn range(request: &pb::RangeRequest) -> Result<(), Error> {
    require(&request.key)?;
    let order = pb::range_request::SortOrder::try_from(request.sort_order);
    let target = pb::range_request::SortTarget::try_from(request.sort_target);
    if order.is_err() || target.is_err() { Err(Error::InvalidSortOption) } else { Ok(()) }
}

/// Checks a put.
pub fn put(request: &pb::PutRequest) -> Result<(), Error> {
    require(&request.key)?;
    if request.ignore_value && !request.value.is_empty() {
        return Err(Error::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Error::LeaseProvided);
    }
    Ok(())
}

/// Checks a deletion.
pub fn delete_range(request: &pb::DeleteRangeRequest) -> Result<(), Error> {
    require(&request.key)
}

/// Checks a transaction with everything nested in it: shape first, then that no path writes a key twice.
pub fn txn(request: &pb::TxnRequest) -> Result<(), Error> {
    shape(request, TXN_OPERATIONS_MAX)?;
    // Kubernetes sends one operation a branch, which cannot collide with itself.
    for branch in [&request.success, &request.failure] {
        if branch.len() > 1 || matches!(branch.first(), Some(pb::RequestOp { request: Some(Request::RequestTxn(_)) })) {
            Writes::of(branch)?;
        }
    }
    Ok(())
}

fn require(key: &[u8]) -> Result<(), Error> {
    if key.is_empty() { Err(Error::EmptyKey) } else { Ok(()) }
}

fn shape(request: &pb::TxnRequest, operations_max: usize) -> Result<(), Error> {
    let operations = request.compare.len().max(request.success.len()).max(request.failure.len());
    let rest = operations_max.checked_sub(operations).ok_or(Error::TooManyOps)?;
    request.compare.iter().try_for_each(|compare| require(&compare.key))?;
    request.success.iter().chain(&request.failure).try_for_each(|op| match &op.request {
        Some(Request::RequestRange(request)) => range(request),
        Some(Request::RequestPut(request)) => put(request),
        Some(Request::RequestDeleteRange(request)) => delete_range(request),
        Some(Request::RequestTxn(request)) => shape(request, rest),
        None => Err(Error::KeyNotFound),
    })
}

/// Keys and ranges that one branch may write. The branches of a nested transaction exclude each other, so they may
/// overlap; everything else may not. Stricter than etcd in one point: a put in one nested transaction and a deletion of
/// its key in a *later* one collide too, because both would carry the same revision.
#[derive(Default)]
struct Writes<'a> {
    puts: HashSet<&'a [u8]>,
    deletes: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Writes<'a> {
    fn of(branch: &'a [pb::RequestOp]) -> Result<Self, Error> {
        let mut writes = Self::default();
        for op in branch {
            if let Some(Request::RequestDeleteRange(request)) = &op.request {
                writes.deletes.push((&request.key, &request.range_end));
            }
        }
        for op in branch {
            if let Some(Request::RequestTxn(request)) = &op.request {
                let either = [Self::of(&request.success)?, Self::of(&request.failure)?];
                if either.iter().any(|nested| writes.collides(nested)) {
                    return Err(Error::DuplicateKey);
                }
                for nested in either {
                    writes.puts.extend(nested.puts);
                    writes.deletes.extend(nested.deletes);
                }
            }
        }
        for op in branch {
            if let Some(Request::RequestPut(request)) = &op.request
                && (writes.deleted(&request.key) || !writes.puts.insert(&request.key))
            {
                return Err(Error::DuplicateKey);
            }
        }
        Ok(writes)
    }

    fn collides(&self, other: &Self) -> bool {
        other.puts.iter().any(|key| self.puts.contains(key) || self.deleted(key))
            || self.puts.iter().any(|key| other.deleted(key))
    }

    fn deleted(&self, key: &[u8]) -> bool {
        self.deletes.iter().any(|(start, end)| match *end {
            [] => *start == key,
            [0] => *start <= key,
            end => *start <= key && key < end,
        })
    }
}

#[cfg(test)]
mod tests;
