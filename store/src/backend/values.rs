//! Reads of stored changes, by revision.

use rocksdb::ReadOptions;
use std::io;
use store_mvcc::{Record, Revision, Values};
use store_types::KeyValue;

use super::columns::{Column, handle};
use super::{Generation, failed, invalid};

impl Values for Generation {
    type Error = io::Error;

    fn get(&self, revision: Revision) -> io::Result<Option<KeyValue>> {
        let row = self.db()?.get_pinned_cf(handle(self.db()?, Column::Revisions), revision.to_key()).map_err(failed)?;
        row.map_or(Ok(None), |row| put_of(revision, &row))
    }

    fn get_many(&self, revisions: &[Revision], values: &mut Vec<KeyValue>) -> io::Result<()> {
        values.reserve(revisions.len());
        if let [revision] = revisions {
            values.extend(self.get(*revision)?);
            return Ok(());
        }
        let keys: Vec<_> = revisions.iter().map(|revision| revision.to_key()).collect();
        let rows = self.db()?.batched_multi_get_cf(handle(self.db()?, Column::Revisions), &keys, false);
        for (revision, row) in revisions.iter().zip(rows) {
            match row.map_err(failed)?.map_or(Ok(None), |row| put_of(*revision, &row))? {
                Some(value) => values.push(value),
                None => break,
            }
        }
        Ok(())
    }
}

impl Generation {
    /// Hands the changes from revision `from` on to `each`, in order, until that returns `false` or there are no more.
    pub(crate) fn scan(&self, from: i64, mut each: impl FnMut(Revision, &[u8]) -> io::Result<bool>) -> io::Result<()> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        let mut rows = self.db()?.raw_iterator_cf_opt(handle(self.db()?, Column::Revisions), options);
        rows.seek(Revision::new(from, 0).to_key());
        while let Some((key, row)) = rows.item() {
            let revision = Revision::from_key(key).ok_or_else(|| invalid(format!("key {key:02x?} is no revision")))?;
            if !each(revision, row)? {
                return Ok(());
            }
            rows.next();
        }
        rows.status().map_err(failed)
    }
}

fn put_of(revision: Revision, row: &[u8]) -> io::Result<Option<KeyValue>> {
    match Record::decode_slice(revision, row) {
        Ok(Record::Put(value)) => Ok(Some(value)),
        Ok(Record::Tombstone { .. }) => Ok(None),
        Err(error) => Err(invalid(format!("revision {}.{}: {error}", revision.main, revision.sub))),
    }
}
