//! Builds the state from what a backend holds after a start: [`Meta`], the leases, and all rows in revision order.

use crate::alarm::Alarms;
use crate::history::Mark;
use crate::index::Index;
use crate::lease::{LeaseRecord, Leases};
use crate::mvcc::{Meta, Mvcc, Sweep};
use crate::record::{DecodeError, Head};
use crate::revision::Revision;
use store_types::KeyRange;

/// The state under construction.
#[derive(Debug)]
pub struct Restore {
    meta: Meta,
    index: Index,
    leases: Leases,
    alarms: Alarms,
    last: Revision,
}

/// The backend does not hold what this crate once asked it to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A row is unreadable.
    #[error("row of revision {}.{} is unreadable", .0.main, .0.sub)]
    Row(Revision, #[source] DecodeError),
    /// Rows did not come in revision order.
    #[error("row of revision {}.{} follows {}.{}", .0.main, .0.sub, .1.main, .1.sub)]
    Order(Revision, Revision),
    /// A row is newer than the stored revision: data and revision did not travel in one batch.
    #[error("row of revision {}.{} is ahead of the stored revision {}", .0.main, .0.sub, .1)]
    Ahead(Revision, i64),
}

impl Restore {
    /// Begins; a backend without stored meta is empty and needs no restore.
    pub fn new(meta: Meta) -> Self {
        Self {
            meta,
            index: Index::default(),
            leases: Leases::default(),
            alarms: Alarms::default(),
            last: Revision::default(),
        }
    }

    /// Feeds one lease.
    pub fn lease(&mut self, record: LeaseRecord) {
        self.leases.restore(record);
    }

    /// Feeds the active alarms.
    pub fn alarms(&mut self, alarms: Alarms) {
        self.alarms = alarms;
    }

    /// Feeds one row; rows come in revision order. The value is not looked at.
    pub fn row(&mut self, revision: Revision, row: &[u8]) -> Result<(), RestoreError> {
        let head = Head::decode(row).map_err(|error| RestoreError::Row(revision, error))?;
        if revision <= self.last {
            return Err(RestoreError::Order(revision, self.last));
        }
        if revision.main > self.meta.revision {
            return Err(RestoreError::Ahead(revision, self.meta.revision));
        }
        self.last = revision;
        let mark = Mark { revision, create: head.create, version: head.version, lease: head.lease };
        self.index.restore(head.key, mark);
        Ok(())
    }

    /// The finished state. A compaction that was cut short is taken up again: call [`Mvcc::sweep`].
    pub fn finish(mut self) -> Mvcc {
        for (key, mark) in self.index.live(&KeyRange::From(bytes::Bytes::new()), self.meta.revision) {
            if mark.lease != 0 {
                self.leases.attach(mark.lease, key);
            }
        }
        Mvcc {
            index: self.index,
            leases: self.leases,
            alarms: self.alarms,
            sweep: Sweep::begin(self.meta.compacted),
            meta: self.meta,
            load_previous: true,
        }
    }
}
