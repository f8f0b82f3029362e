//! What the index knows about one key: its kept changes, oldest first, without the values.
//!
//! A tombstone is a mark of version 0. Everything between two tombstones is one life of the key; each mark carries its
//! create revision and version, so a life needs no structure of its own.

use crate::revision::Revision;
use smallvec::SmallVec;

/// One change of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub revision: Revision,
    /// Revision that created the key; 0 in a tombstone.
    pub create: i64,
    /// Changes since creation, from 1; 0 in a tombstone.
    pub version: i64,
    /// Attached lease, 0 for none.
    pub lease: i64,
}

impl Mark {
    /// The mark of a deletion.
    pub const fn tombstone(revision: Revision) -> Self {
        Self { revision, create: 0, version: 0, lease: 0 }
    }

    /// Whether the change deleted the key.
    pub const fn is_tombstone(&self) -> bool {
        self.version == 0
    }

    /// The mark of a put at `revision` on a key whose newest change is `newest`.
    pub fn put(newest: Option<&Mark>, revision: Revision, lease: i64) -> Self {
        match newest.filter(|mark| !mark.is_tombstone()) {
            Some(live) => Self { revision, create: live.create, version: live.version + 1, lease },
            None => Self { revision, create: revision.main, version: 1, lease },
        }
    }
}

/// The kept changes of one key, ascending. Most keys have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    marks: SmallVec<[Mark; 1]>,
}

impl History {
    /// Appends a change; it must be newer than all others.
    pub fn push(&mut self, mark: Mark) {
        debug_assert!(self.newest().is_none_or(|newest| newest.revision < mark.revision));
        self.marks.push(mark);
    }

    /// The newest change, tombstone or not.
    pub fn newest(&self) -> Option<&Mark> {
        self.marks.last()
    }

    /// The newest change, unless it deleted the key.
    pub fn live(&self) -> Option<&Mark> {
        self.newest().filter(|mark| !mark.is_tombstone())
    }

    /// The change that is in force at the end of revision `main`; `None` if the key did not exist then.
    pub fn at(&self, main: i64) -> Option<&Mark> {
        // Reads of the newest state are by far the most frequent.
        if self.newest().is_some_and(|newest| newest.revision.main <= main) {
            return self.live();
        }
        let after = self.marks.partition_point(|mark| mark.revision.main <= main);
        self.marks.get(after.checked_sub(1)?).filter(|mark| !mark.is_tombstone())
    }

    /// Forgets what no read at or above `main` and no watch from `main` on can see; hands the forgotten revisions to
    /// `forgotten`, oldest first. Returns whether anything is left.
    ///
    /// Kept: the change in force at `main`, and a tombstone made exactly at `main`, because a watch may start there
    /// (etcd bugs 18089 and 19179).
    pub fn compact(&mut self, main: i64, mut forgotten: impl FnMut(Revision)) -> bool {
        let upto = self.marks.partition_point(|mark| mark.revision.main <= main);
        if let Some(last) = upto.checked_sub(1) {
            let mark = &self.marks[last];
            let drop = if mark.is_tombstone() && mark.revision.main < main { upto } else { last };
            if drop > 0 {
                self.marks.drain(..drop).for_each(|mark| forgotten(mark.revision));
                self.marks.shrink_to_fit();
            }
        }
        !self.marks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts at 2, 3; deleted at 5; put at 7.
    fn two_lives() -> History {
        let mut history = History::default();
        for main in [2, 3] {
            history.push(Mark::put(history.newest(), Revision::new(main, 0), 0));
        }
        history.push(Mark::tombstone(Revision::new(5, 0)));
        history.push(Mark::put(history.newest(), Revision::new(7, 0), 0));
        history
    }

    fn compacted(main: i64) -> (Vec<i64>, Vec<i64>) {
        let mut history = two_lives();
        let mut forgotten = Vec::new();
        history.compact(main, |revision| forgotten.push(revision.main));
        (forgotten, history.marks.iter().map(|mark| mark.revision.main).collect())
    }

    #[test]
    fn the_mark_in_force_is_found_at_every_revision() {
        let history = two_lives();
        let found: Vec<_> =
            (1..=8).map(|main| history.at(main).map(|mark| (mark.revision.main, mark.create, mark.version))).collect();
        let (first, second, third) = (Some((2, 2, 1)), Some((3, 2, 2)), Some((7, 7, 1)));
        assert_eq!(found, [None, first, second, second, None, None, third, third]);
    }

    #[test]
    fn compaction_keeps_what_is_in_force_and_a_tombstone_exactly_at_it() {
        assert_eq!(compacted(1), (vec![], vec![2, 3, 5, 7]));
        assert_eq!(compacted(2), (vec![], vec![2, 3, 5, 7]));
        assert_eq!(compacted(3), (vec![2], vec![3, 5, 7]));
        assert_eq!(compacted(4), (vec![2], vec![3, 5, 7]));
        assert_eq!(compacted(5), (vec![2, 3], vec![5, 7]));
        assert_eq!(compacted(6), (vec![2, 3, 5], vec![7]));
        assert_eq!(compacted(7), (vec![2, 3, 5], vec![7]));
        assert_eq!(compacted(8), (vec![2, 3, 5], vec![7]));
    }

    #[test]
    fn a_key_deleted_before_the_compaction_leaves_nothing() {
        let mut history = History::default();
        history.push(Mark::put(None, Revision::new(2, 0), 0));
        history.push(Mark::tombstone(Revision::new(3, 0)));
        assert!(history.compact(3, |_| {}));
        assert!(!history.compact(4, |_| {}));
    }
}
