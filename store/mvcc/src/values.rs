//! Where the values live: a backend behind a small trait, and two views that need no disk.

use crate::change::Change;
use crate::record::Record;
use crate::revision::Revision;
use std::collections::BTreeMap;
use std::convert::Infallible;
use store_types::KeyValue;
use store_types::mvccpb::event::EventType;

/// Reads stored puts by revision. Everything that an earlier [`crate::Applied`] asked to write must be visible.
pub trait Values {
    /// Why a read failed.
    type Error;

    /// The put made at `revision`; `None` if there is none (any more), or if the change was a deletion.
    fn get(&self, revision: Revision) -> Result<Option<KeyValue>, Self::Error>;

    /// Appends the puts of `revisions` to `values`, in that order, and stops at the first that is missing.
    fn get_many(&self, revisions: &[Revision], values: &mut Vec<KeyValue>) -> Result<(), Self::Error> {
        values.reserve(revisions.len());
        for revision in revisions {
            match self.get(*revision)? {
                Some(value) => values.push(value),
                None => break,
            }
        }
        Ok(())
    }
}

impl<V: Values + ?Sized> Values for &V {
    type Error = V::Error;

    fn get(&self, revision: Revision) -> Result<Option<KeyValue>, Self::Error> {
        (**self).get(revision)
    }

    fn get_many(&self, revisions: &[Revision], values: &mut Vec<KeyValue>) -> Result<(), Self::Error> {
        (**self).get_many(revisions, values)
    }
}

/// All records in memory.
impl Values for BTreeMap<Revision, Record> {
    type Error = Infallible;

    fn get(&self, revision: Revision) -> Result<Option<KeyValue>, Infallible> {
        Ok(match BTreeMap::get(self, &revision) {
            Some(Record::Put(kv)) => Some(kv.clone()),
            Some(Record::Tombstone { .. }) | None => None,
        })
    }
}

/// Changes that are applied but not yet in the backend, over the backend: lets many commands share one batch.
#[derive(Debug)]
pub struct Pending<V> {
    backend: V,
    /// Ascending by revision, because commands are applied in order.
    changes: Vec<Change>,
}

impl<V: Values> Pending<V> {
    /// An empty overlay.
    pub fn new(backend: V) -> Self {
        Self { backend, changes: Vec::new() }
    }

    /// Makes the changes of one applied command visible to the next.
    pub fn extend(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.changes.extend(changes);
        debug_assert!(self.changes.is_sorted_by_key(|change| change.revision));
    }

    /// Everything gathered so far, ascending.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The gathered changes; the batch that holds them is the caller's now.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }
}

impl<V: Values> Values for Pending<V> {
    type Error = V::Error;

    fn get(&self, revision: Revision) -> Result<Option<KeyValue>, V::Error> {
        if self.changes.first().is_none_or(|first| revision < first.revision) {
            return self.backend.get(revision);
        }
        Ok(find(&self.changes, revision))
    }
}

/// The put made at `revision` among ascending changes.
pub(crate) fn find(changes: &[Change], revision: Revision) -> Option<KeyValue> {
    let at = changes.binary_search_by_key(&revision, |change| change.revision).ok()?;
    let event = &changes[at].event;
    if event.r#type == EventType::Put as i32 { event.kv.clone() } else { None }
}
