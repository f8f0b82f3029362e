//! The state itself, and what can be asked about it.

use crate::alarm::Alarms;
use crate::history::Mark;
use crate::index::Index;
use crate::lease::{LeaseRecord, Leases};
use crate::revision::Revision;
use bytes::Bytes;

/// The two revisions that must be stored in the same batch as the changes they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Current revision, from 1.
    pub revision: i64,
    /// Last compaction, 0 if there was none.
    pub compacted: i64,
}

impl Default for Meta {
    fn default() -> Self {
        Self { revision: 1, compacted: 0 }
    }
}

impl Meta {
    const VERSION: u8 = 1;
    /// Length of [`Self::encode`].
    pub const ROW_BYTES: usize = 17;

    /// Version byte, current and compacted revision, big endian.
    pub fn encode(&self) -> [u8; Self::ROW_BYTES] {
        let mut row = [0; Self::ROW_BYTES];
        row[0] = Self::VERSION;
        row[1..9].copy_from_slice(&self.revision.to_be_bytes());
        row[9..].copy_from_slice(&self.compacted.to_be_bytes());
        row
    }

    /// Reads what [`Self::encode`] wrote; `None` if it did not.
    pub fn decode(row: &[u8]) -> Option<Self> {
        let row: &[u8; Self::ROW_BYTES] = row.try_into().ok()?;
        (row[0] == Self::VERSION).then_some(())?;
        let revision = i64::from_be_bytes(row[1..9].try_into().ok()?);
        let compacted = i64::from_be_bytes(row[9..].try_into().ok()?);
        (revision >= 1 && (0..=revision).contains(&compacted)).then_some(Self { revision, compacted })
    }
}

/// Multi-version state of the store, without the values. Changed by [`Mvcc::apply`] alone.
#[derive(Clone, Debug)]
pub struct Mvcc {
    pub(crate) index: Index,
    pub(crate) leases: Leases,
    pub(crate) alarms: Alarms,
    pub(crate) meta: Meta,
    pub(crate) sweep: Option<Sweep>,
    pub(crate) load_previous: bool,
}

/// A pass over the index that forgets what was compacted.
#[derive(Clone, Debug)]
pub(crate) struct Sweep {
    /// Compaction that the pass carries out; fixed for the pass, so that late compactions cannot starve the last keys.
    pub(crate) target: i64,
    pub(crate) next: Bytes,
}

/// What one step of compaction asks the backend to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepStep {
    /// Rows to delete. All of one key's rows are in one step, so a step must reach the disk as a whole or not at all: a
    /// tombstone deleted before the put under it would bring the key back at the next start.
    pub forgotten: Vec<Revision>,
    /// Whether nothing is left to do.
    pub done: bool,
}

impl Default for Mvcc {
    fn default() -> Self {
        Self {
            index: Index::default(),
            leases: Leases::default(),
            alarms: Alarms::default(),
            meta: Meta::default(),
            sweep: None,
            load_previous: true,
        }
    }
}

impl Mvcc {
    /// An empty store at revision 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// Current revision.
    pub fn revision(&self) -> i64 {
        self.meta.revision
    }

    /// Last compaction, 0 if there was none. It can still be read; everything below it cannot.
    pub fn compacted_revision(&self) -> i64 {
        self.meta.compacted
    }

    /// Both revisions, to be stored with the changes.
    pub fn meta(&self) -> Meta {
        self.meta
    }

    /// Keys in the index, deleted but not yet compacted ones included.
    pub fn key_count(&self) -> usize {
        self.index.len()
    }

    /// Whether [`crate::Change::event`] carries the previous value (default) or only [`crate::Change::previous`] says where it is.
    /// Loading costs a read of the backend per change; without watchers nobody needs it. Answers do not depend on it.
    pub fn set_load_previous(&mut self, load: bool) {
        self.load_previous = load;
    }

    /// The newest change of `key`, unless that deleted it.
    pub fn live(&self, key: &[u8]) -> Option<&Mark> {
        self.index.history(key)?.live()
    }

    /// Where the value of `key` just before revision `main` is; `None` if the key did not exist, or if compaction
    /// reached so far that it cannot be known.
    pub fn previous(&self, key: &[u8], main: i64) -> Option<Revision> {
        let before = main.checked_sub(1).filter(|before| *before >= self.meta.compacted)?;
        Some(self.index.at(key, before)?.revision)
    }

    /// The lease of this id.
    pub fn lease(&self, id: i64) -> Option<&LeaseRecord> {
        self.leases.get(id)
    }

    /// The keys attached to a lease, in order.
    pub fn lease_keys(&self, id: i64) -> impl Iterator<Item = &Bytes> {
        self.leases.keys(id)
    }

    /// All leases, by id.
    pub fn leases(&self) -> impl Iterator<Item = &LeaseRecord> {
        self.leases.iter()
    }

    /// The active alarms.
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// Carries a compaction on by at most `keys_max` keys. To be called, and its deletions stored, until it is done;
    /// reads and watches never see how far it has come.
    pub fn sweep(&mut self, keys_max: usize) -> SweepStep {
        let mut step = SweepStep::default();
        let Some(sweep) = self.sweep.take() else {
            step.done = true;
            return step;
        };
        let forgotten = &mut step.forgotten;
        let next = self.index.compact(sweep.next, sweep.target, keys_max.max(1), |revision| forgotten.push(revision));
        self.sweep = match next {
            Some(next) => Some(Sweep { target: sweep.target, next }),
            None => Sweep::begin(self.meta.compacted).filter(|again| again.target > sweep.target),
        };
        step.done = self.sweep.is_none();
        step
    }
}

impl Sweep {
    pub(crate) fn begin(target: i64) -> Option<Self> {
        (target > 0).then_some(Self { target, next: Bytes::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_survives_the_round_trip_and_refuses_nonsense() {
        let meta = Meta { revision: 9, compacted: 4 };
        assert_eq!(Meta::decode(&meta.encode()), Some(meta));
        assert_eq!(Meta::decode(&Meta { revision: 3, compacted: 4 }.encode()), None);
        assert_eq!(Meta::decode(&Meta { revision: 0, compacted: 0 }.encode()), None);
        assert_eq!(Meta::decode(b""), None);
    }
}
