//! Compares a cache with the store: the same objects at the same revisions, or a bug.

use crate::cache::Cache;
use crate::cache::topics::TopicKey;
use crate::confirm::Confirmer;
use crate::error::StorageError;
use crate::store_ops::range_request;
use crate::stored::Stored;
use sha2::{Digest, Sha256};
use store_client::Store;
use store_types::KeyRange;

/// Attempts to catch the cache in a state whose revision the store can be asked for.
const ATTEMPTS_MAX: u32 = 10;

/// Digests of cache and store at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The revision compared.
    pub revision: i64,
    /// Objects in the cache.
    pub objects: usize,
    /// Digest of the cache.
    pub cache: [u8; 32],
    /// Digest of the store.
    pub store: [u8; 32],
}

impl Report {
    /// Whether cache and store agree.
    pub fn is_consistent(&self) -> bool {
        self.cache == self.store
    }
}

pub(crate) async fn check(store: &dyn Store, confirmer: &Confirmer, cache: &Cache) -> Result<Report, StorageError> {
    cache.wait_ready().await?;
    let range = KeyRange::prefix(cache.resource.prefix());
    let mut attempt = 0;
    loop {
        attempt += 1;
        cache.wait_for(confirmer.current_revision().await?).await?;
        let snapshot = cache.snapshot(&TopicKey::All);
        let at_revision = list_at(store, cache, &range, snapshot.revision).await;
        let stored = match at_revision {
            // The revision was compacted in the meantime: a newer one will do.
            Err(StorageError::Store(error)) if error == store_client::Error::COMPACTED && attempt < ATTEMPTS_MAX => {
                continue;
            }
            result => result?,
        };
        return Ok(Report {
            revision: snapshot.revision,
            objects: snapshot.objects.len(),
            cache: digest(snapshot.objects.values().map(|object| &**object)),
            store: digest(stored.iter().map(|object| &**object)),
        });
    }
}

async fn list_at(
    store: &dyn Store,
    cache: &Cache,
    range: &KeyRange,
    revision: i64,
) -> Result<Vec<std::sync::Arc<Stored>>, StorageError> {
    let response = store.range(range_request(range.clone(), 0, revision)).await?;
    let prefix_bytes = cache.resource.prefix().len();
    response.kvs.iter().map(|kv| Stored::from_store(&cache.resource, prefix_bytes, kv)).collect()
}

fn digest<'a>(objects: impl Iterator<Item = &'a Stored>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for object in objects {
        digest.update(object.key());
        digest.update([0]);
        digest.update(object.resource_version().to_le_bytes());
        digest.update(object.envelope());
    }
    digest.finalize().into()
}
