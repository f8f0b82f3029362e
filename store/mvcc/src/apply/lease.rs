//! Lease commands. Ids and remaining times come from the leader, inside the command.

use super::LeaseWrite;
use super::write::Write;
use crate::error::{Error, Fatal};
use crate::mvcc::Mvcc;
use crate::values::Values;
use store_types::etcdserverpb as pb;

impl Mvcc {
    pub(super) fn lease_grant(
        &mut self,
        request: &pb::LeaseGrantRequest,
        writes: &mut Vec<LeaseWrite>,
    ) -> Result<pb::LeaseGrantResponse, Error> {
        let record = self.leases.grant(request.id, request.ttl)?;
        writes.push(LeaseWrite::Put(record));
        Ok(pb::LeaseGrantResponse {
            header: self.header(),
            id: record.id,
            ttl: record.ttl_seconds,
            error: String::new(),
        })
    }

    /// A lease that has been revoked meanwhile is passed over.
    pub(super) fn lease_checkpoint(&mut self, remaining: &[(i64, i64)], writes: &mut Vec<LeaseWrite>) {
        let records = remaining.iter().filter_map(|(id, seconds)| self.leases.checkpoint(*id, *seconds));
        writes.extend(records.map(LeaseWrite::Put));
    }
}

impl<V: Values> Write<'_, V> {
    /// Deletes the lease's keys in key order, which is the same on all members.
    pub(super) fn lease_revoke(
        &mut self,
        request: &pb::LeaseRevokeRequest,
        writes: &mut Vec<LeaseWrite>,
    ) -> Result<Result<pb::LeaseRevokeResponse, Error>, Fatal<V::Error>> {
        let keys = match self.mvcc.leases.revoke(request.id) {
            Ok(keys) => keys,
            Err(refusal) => return Ok(Err(refusal)),
        };
        writes.push(LeaseWrite::Delete(request.id));
        for key in keys {
            self.delete(key, None)?;
        }
        Ok(Ok(pb::LeaseRevokeResponse { header: self.header() }))
    }
}
