//! One atomic write: the rows of one Raft entry together with the position of that entry.

use rocksdb::{ColumnFamily, DB, WriteBatch};
use std::io;
use store_mvcc::{Change, LeaseWrite, Meta, Revision};
use store_types::etcdserverpb::AlarmMember;

use super::Generation;
use super::columns::{ALARMS_ROW, APPLIED_ROW, Column, MEMBERSHIP_ROW, REVISIONS_ROW, handle};
use super::failed;
use crate::raft::codec;
use crate::raft::records::{LogIdRecord, MembershipAtRecord};

/// Rows under way to the database; nothing is visible before [`Batch::commit`].
pub(crate) struct Batch<'a> {
    db: &'a DB,
    writes: WriteBatch,
    revisions: &'a ColumnFamily,
    row: Vec<u8>,
}

impl Generation {
    /// An empty write with room for about so many bytes: one that has to grow copies everything again and again.
    pub(crate) fn batch(&self, bytes: usize) -> io::Result<Batch<'_>> {
        let db = self.db()?;
        let revisions = handle(db, Column::Revisions);
        Ok(Batch { db, writes: WriteBatch::with_capacity_bytes(bytes), revisions, row: Vec::new() })
    }
}

impl Batch<'_> {
    /// A changed key.
    pub(crate) fn change(&mut self, change: &Change) {
        self.row.clear();
        change.encode_row(&mut self.row);
        self.writes.put_cf(self.revisions, change.revision.to_key(), &self.row);
    }

    /// A changed lease.
    pub(crate) fn lease(&mut self, lease: &LeaseWrite) {
        let column = handle(self.db, Column::Leases);
        match lease {
            LeaseWrite::Put(record) => self.writes.put_cf(column, record.id.to_be_bytes(), record.encode()),
            LeaseWrite::Delete(id) => self.writes.delete_cf(column, id.to_be_bytes()),
        }
    }

    /// A change that compaction has made unreachable.
    pub(crate) fn forget(&mut self, revision: Revision) {
        self.writes.delete_cf(self.revisions, revision.to_key());
    }

    /// Where the state stands once this batch is in.
    pub(crate) fn applied(&mut self, last: LogIdRecord, meta: Meta) {
        let column = handle(self.db, Column::Meta);
        self.writes.put_cf(column, APPLIED_ROW, codec::encode(&last));
        self.writes.put_cf(column, REVISIONS_ROW, meta.encode());
    }

    /// Who the members are, once this batch is in.
    pub(crate) fn membership(&mut self, membership: &MembershipAtRecord) {
        let column = handle(self.db, Column::Meta);
        self.writes.put_cf(column, MEMBERSHIP_ROW, codec::encode(membership));
    }

    /// The alarms that are active once this batch is in.
    pub(crate) fn alarms(&mut self, active: &[AlarmMember]) {
        self.writes.put_cf(handle(self.db, Column::Meta), ALARMS_ROW, codec::encode(&active));
    }

    /// Writes everything at once, visible to readers when this returns, durable with the next flush.
    pub(crate) fn commit(self) -> io::Result<()> {
        self.db.write_without_wal(self.writes).map_err(failed)
    }
}
