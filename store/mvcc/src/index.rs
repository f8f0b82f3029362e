//! All keys in order, each with its [`History`]. Nothing but this is consulted to find out which rows answer a read.

use crate::history::{History, Mark};
use crate::revision::Revision;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use store_types::KeyRange;

#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    keys: BTreeMap<Bytes, History>,
}

impl Index {
    /// Keys with any kept change, deleted ones included.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn history(&self, key: &[u8]) -> Option<&History> {
        self.keys.get(key)
    }

    /// The change of `key` in force at `main`.
    pub(crate) fn at(&self, key: &[u8], main: i64) -> Option<&Mark> {
        self.keys.get(key)?.at(main)
    }

    /// Records a put; returns its mark and the live mark that it replaces.
    pub(crate) fn put(&mut self, key: &Bytes, revision: Revision, lease: i64) -> (Mark, Option<Mark>) {
        if let Some(history) = self.keys.get_mut(key.as_ref()) {
            let previous = history.live().copied();
            let mark = Mark::put(previous.as_ref(), revision, lease);
            history.push(mark);
            return (mark, previous);
        }
        let mark = Mark::put(None, revision, lease);
        self.push_new(key, mark);
        (mark, None)
    }

    /// Records a deletion; returns the live mark that it ends, or `None` (and records nothing) if there is none.
    pub(crate) fn delete(&mut self, key: &[u8], revision: Revision) -> Option<Mark> {
        let history = self.keys.get_mut(key)?;
        let live = history.live().copied()?;
        history.push(Mark::tombstone(revision));
        Some(live)
    }

    /// Appends a change read back from a backend; changes must come in revision order.
    pub(crate) fn restore(&mut self, key: &[u8], mark: Mark) {
        match self.keys.get_mut(key) {
            Some(history) => history.push(mark),
            None => self.push_new(key, mark),
        }
    }

    /// The keys of `range` that exist at `main`, in order.
    pub(crate) fn live<'a>(
        &'a self,
        range: &KeyRange,
        main: i64,
    ) -> impl Iterator<Item = (&'a Bytes, &'a Mark)> + use<'a> {
        self.histories(range, None).filter_map(move |(key, history)| Some((key, history.at(main)?)))
    }

    /// The histories of `range` in key order, beginning at `from` if that lies behind the start of the range.
    pub(crate) fn histories<'a>(
        &'a self,
        range: &KeyRange,
        from: Option<&Bytes>,
    ) -> impl Iterator<Item = (&'a Bytes, &'a History)> + use<'a> {
        let start = from.unwrap_or(range.start()).as_ref();
        let (one, many) = match range {
            KeyRange::One(key) => (from.is_none().then(|| self.keys.get_key_value(key.as_ref())).flatten(), None),
            KeyRange::From(_) => (None, Some((Bound::Included(start), Bound::Unbounded))),
            KeyRange::HalfOpen { end, .. } if start < end.as_ref() => {
                (None, Some((Bound::Included(start), Bound::Excluded(end.as_ref()))))
            }
            KeyRange::HalfOpen { .. } => (None, None),
        };
        let many = many.map(|bounds| self.keys.range::<[u8], _>(bounds));
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Compacts at most `keys_max` histories, beginning at `from`; returns where to go on, `None` at the end.
    pub(crate) fn compact(
        &mut self,
        from: Bytes,
        main: i64,
        keys_max: usize,
        mut forgotten: impl FnMut(Revision),
    ) -> Option<Bytes> {
        let mut emptied = Vec::new();
        let mut rest = self.keys.range_mut::<[u8], _>((Bound::Included(from.as_ref()), Bound::Unbounded));
        for (key, history) in rest.by_ref().take(keys_max) {
            if !history.compact(main, &mut forgotten) {
                emptied.push(key.clone());
            }
        }
        let next = rest.next().map(|(key, _)| key.clone());
        for key in emptied {
            self.keys.remove(&key);
        }
        next
    }

    fn push_new(&mut self, key: &[u8], mark: Mark) {
        let mut history = History::default();
        history.push(mark);
        // Copied, because the request's key is a slice of a much larger buffer that would stay in memory with it.
        self.keys.insert(Bytes::copy_from_slice(key), history);
    }
}
