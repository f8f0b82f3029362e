//! What a start finds in the database: the position in the log, and the index rebuilt from one scan.

use rocksdb::IteratorMode;
use std::io;
use store_mvcc::{Alarms, LeaseRecord, Meta, Mvcc, Restore};

use store_types::etcdserverpb::AlarmMember;

use super::columns::{ALARMS_ROW, APPLIED_ROW, Column, MEMBERSHIP_ROW, REVISIONS_ROW, handle};
use super::{Generation, failed, invalid};
use crate::raft::codec;
use crate::raft::records::{LogIdRecord, MembershipAtRecord};
use crate::raft::types::{LogId, StoredMembership};

/// The state as the last flush left it.
pub(crate) struct Recovered {
    /// Log position; `None` in an empty database.
    pub(crate) last: Option<LogId>,
    /// Who the members are.
    pub(crate) membership: StoredMembership,
    /// Index, leases and revisions.
    pub(crate) mvcc: Mvcc,
}

impl Generation {
    /// Reads the state back.
    pub(crate) fn recover(&self) -> io::Result<Recovered> {
        let (last, membership) = self.position()?;
        if last.is_none() {
            return Ok(Recovered { last, membership, mvcc: Mvcc::new() });
        }
        let meta = self.db()?.get_pinned_cf(handle(self.db()?, Column::Meta), REVISIONS_ROW).map_err(failed)?;
        let meta = meta
            .and_then(|row| Meta::decode(&row))
            .ok_or_else(|| invalid("the row of current and compacted revision is missing or malformed".into()))?;
        let mut restore = Restore::new(meta);
        for row in self.db()?.iterator_cf(handle(self.db()?, Column::Leases), IteratorMode::Start) {
            let (key, row) = row.map_err(failed)?;
            let lease =
                LeaseRecord::decode(&row).ok_or_else(|| invalid(format!("lease row {key:02x?} is malformed")))?;
            restore.lease(lease);
        }
        if let Some(row) = self.db()?.get_pinned_cf(handle(self.db()?, Column::Meta), ALARMS_ROW).map_err(failed)? {
            restore.alarms(Alarms::restore(codec::decode::<Vec<AlarmMember>>(&row)?));
        }
        self.scan(0, |revision, row| {
            restore.row(revision, row).map_err(|error| invalid(error.to_string()))?;
            Ok(true)
        })?;
        Ok(Recovered { last, membership, mvcc: restore.finish() })
    }

    /// The position in the log that the database stands at, and the members at that point.
    pub(crate) fn position(&self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let db = self.db()?;
        let row = |name| db.get_pinned_cf(handle(db, Column::Meta), name).map_err(failed);
        let last = row(APPLIED_ROW)?.map(|row| codec::decode::<LogIdRecord>(&row)).transpose()?.map(LogId::from);
        let membership = row(MEMBERSHIP_ROW)?.map(|row| codec::decode::<MembershipAtRecord>(&row)).transpose()?;
        Ok((last, membership.map(StoredMembership::try_from).transpose()?.unwrap_or_default()))
    }
}
