//! GET.

use super::ResourceStore;
use crate::error::StorageError;
use crate::options::ReadRevision;
use crate::store_ops::{header_revision, range_request};
use crate::stored::Stored;
use bytes::Bytes;
use std::sync::Arc;
use store_types::KeyRange;
use store_types::etcdserverpb::RangeRequest;

impl ResourceStore {
    /// Reads one object.
    pub async fn get(
        &self,
        namespace: Option<&str>,
        name: &str,
        revision: ReadRevision,
    ) -> Result<Arc<Stored>, StorageError> {
        let key = self.resource.key(namespace, name)?;
        let not_found = || StorageError::NotFound { key: self.resource.display_key(namespace, name) };
        if let ReadRevision::Consistent = revision {
            return self.get_consistent(&key).await?.ok_or_else(not_found);
        }
        if let Some(cache) = self.running_cache() {
            if let ReadRevision::NotOlderThan(revision) = revision {
                cache.wait_for(revision).await?;
            }
            return cache.get(&key).ok_or_else(not_found);
        }
        let (object, current) = self.get_from_store(&key).await?;
        match revision {
            ReadRevision::NotOlderThan(requested) if requested > current => {
                Err(StorageError::TooLargeResourceVersion { requested, current })
            }
            _ => object.ok_or_else(not_found),
        }
    }

    /// The current state. Where the cache holds the object, the store is asked only for its revision, and the cached
    /// version, with whatever encodings it has, is shared if it is the current one.
    pub(super) async fn get_consistent(&self, key: &Bytes) -> Result<Option<Arc<Stored>>, StorageError> {
        if let Some(cached) = self.running_cache().and_then(|cache| cache.get(key)) {
            let range = range_request(KeyRange::One(key.clone()), 0, 0);
            let response = self.hub.store.range(RangeRequest { keys_only: true, ..range }).await?;
            match response.kvs.first() {
                None => return Ok(None),
                Some(kv) if kv.mod_revision == cached.resource_version() => return Ok(Some(cached)),
                Some(_) => {}
            }
        }
        Ok(self.get_from_store(key).await?.0)
    }

    /// The object and the store's revision.
    pub(super) async fn get_from_store(&self, key: &Bytes) -> Result<(Option<Arc<Stored>>, i64), StorageError> {
        let response = self.hub.store.range(range_request(KeyRange::One(key.clone()), 0, 0)).await?;
        let object = match response.kvs.first() {
            Some(kv) => Some(Stored::from_store(&self.resource, self.prefix_bytes, kv)?),
            None => None,
        };
        Ok((object, header_revision(response.header.as_ref())))
    }
}
