//! What readers see: the range of live entries and the newest of them in memory.
//!
//! Appends change it at once, before they are durable. It knows nothing of files; the places of older entries are in
//! `segments`.
//!
//! Order: `first <= low(tail) <= next`; entries in `low..next` are in the tail, those in `first..low` are on disk.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::Record;
use crate::options::TAIL_BYTES_MAX;

/// The readable log.
#[derive(Debug, Default)]
pub(crate) struct View {
    first: u64,
    next: u64,
    /// Any index may come next: nothing is live and nothing was purged.
    pristine: bool,
    tail: VecDeque<TailEntry>,
    tail_bytes: usize,
    truncations: u64,
}

#[derive(Debug)]
struct TailEntry {
    index: u64,
    term: u64,
    payload: Bytes,
    /// Number of the append that brought it: durable when that one is.
    append: u64,
}

/// Why an append is refused: it does not fit what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misfit {
    #[error("entry {index} does not follow the log, whose next index is {next}")]
    Gap { index: u64, next: u64 },
    #[error("cannot keep entries up to {after:?} only: those below {first} are purged")]
    TruncatesPurged { after: Option<u64>, first: u64 },
    #[error("a record is larger than the log's format can hold")]
    TooLarge,
}

impl View {
    /// The view after recovery: everything is on disk.
    pub(crate) fn recovered(first: u64, next: u64, pristine: bool) -> View {
        View { first, next, pristine, tail: VecDeque::new(), tail_bytes: 0, truncations: 0 }
    }

    /// First and last live index.
    pub(crate) fn first_last(&self) -> Option<(u64, u64)> {
        (self.first < self.next).then(|| (self.first, self.next - 1))
    }

    /// Whether all records, in order, fit.
    pub(crate) fn check(&self, records: &[Record]) -> Result<(), Misfit> {
        let mut bounds = Bounds { first: self.first, next: self.next, pristine: self.pristine };
        for record in records {
            if !record.fits() {
                return Err(Misfit::TooLarge);
            }
            bounds.apply(record)?;
        }
        Ok(())
    }

    /// Applies records that [`View::check`] accepted.
    pub(crate) fn apply(&mut self, records: &[Record], append: u64) {
        let mut bounds = Bounds { first: self.first, next: self.next, pristine: self.pristine };
        for record in records {
            bounds.apply(record).expect("records are checked before they are applied");
            match record {
                Record::Entry { index, term, payload } => {
                    self.tail_bytes += payload.len();
                    self.tail.push_back(TailEntry { index: *index, term: *term, payload: payload.clone(), append });
                }
                Record::Truncate { .. } => {
                    self.truncations += 1;
                    while self.tail.back().is_some_and(|entry| entry.index >= bounds.next) {
                        let entry = self.tail.pop_back().expect("the loop has just seen it");
                        self.tail_bytes -= entry.payload.len();
                    }
                }
                Record::Purge { .. } => {
                    while self.tail.front().is_some_and(|entry| entry.index < bounds.first) {
                        self.pop_front();
                    }
                }
                Record::Vote { .. } | Record::Committed { .. } => {}
            }
        }
        (self.first, self.next, self.pristine) = (bounds.first, bounds.next, bounds.pristine);
    }

    /// Forgets entries beyond the limit, oldest first; never one that `durable` (the last durable append) does not cover.
    pub(crate) fn evict(&mut self, durable: u64) {
        while self.tail_bytes > TAIL_BYTES_MAX && self.tail.front().is_some_and(|entry| entry.append <= durable) {
            self.pop_front();
        }
    }

    /// How often entries were taken back: a read in several steps must not mix entries from before and after.
    pub(crate) fn truncations(&self) -> u64 {
        self.truncations
    }

    /// First index in memory.
    pub(crate) fn low(&self) -> u64 {
        self.tail.front().map_or(self.next, |entry| entry.index)
    }

    /// Adds entries `from..to` to `out` while they fit into `bytes_left`; the first of a read always fits.
    pub(crate) fn read(&self, from: u64, to: u64, bytes_left: &mut usize, out: &mut Vec<(u64, u64, Bytes)>) {
        let skip = (from - self.low()) as usize;
        for entry in self.tail.iter().skip(skip).take_while(|entry| entry.index < to) {
            if !out.is_empty() && entry.payload.len() > *bytes_left {
                return;
            }
            *bytes_left = bytes_left.saturating_sub(entry.payload.len());
            out.push((entry.index, entry.term, entry.payload.clone()));
        }
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.tail.pop_front() {
            self.tail_bytes -= entry.payload.len();
        }
    }
}

/// The rules of order, shared by checking, applying and replaying.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) pristine: bool,
}

impl Bounds {
    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), Misfit> {
        match record {
            Record::Entry { index, .. } => self.entry(*index),
            Record::Truncate { after } => self.truncate(*after),
            Record::Purge { upto, .. } => {
                self.purge(*upto);
                Ok(())
            }
            Record::Vote { .. } | Record::Committed { .. } => Ok(()),
        }
    }

    pub(crate) fn entry(&mut self, index: u64) -> Result<(), Misfit> {
        if self.pristine {
            self.first = index;
            self.pristine = false;
        } else if index != self.next {
            return Err(Misfit::Gap { index, next: self.next });
        }
        self.next = index + 1;
        Ok(())
    }

    pub(crate) fn truncate(&mut self, after: Option<u64>) -> Result<(), Misfit> {
        let next = after.map_or(0, |after| after + 1);
        if self.pristine || next >= self.next {
            return Ok(());
        }
        if next < self.first && after.is_some() {
            return Err(Misfit::TruncatesPurged { after, first: self.first });
        }
        self.next = next.max(self.first);
        Ok(())
    }

    pub(crate) fn purge(&mut self, upto: u64) {
        if self.pristine || upto >= self.first {
            self.first = upto + 1;
            self.next = self.next.max(self.first);
            self.pristine = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_leave_memory_only_when_they_are_durable() {
        let mut view = View::recovered(0, 0, true);
        for index in 0..4 {
            let payload = Bytes::from(vec![0; TAIL_BYTES_MAX / 2]);
            let records = [Record::Entry { index, term: 1, payload }];
            view.check(&records).expect("the entries follow each other");
            view.apply(&records, index + 1);
        }
        view.evict(0);
        assert_eq!(view.low(), 0, "nothing is durable");
        view.evict(1);
        assert_eq!(view.low(), 1, "the first is");
        view.evict(4);
        assert_eq!(view.low(), 2, "two fit into the limit");
        assert_eq!(view.first_last(), Some((0, 3)));
    }
}
