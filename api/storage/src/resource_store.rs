//! The objects of one resource: create, get, list, update, delete, watch. Cheap to clone.

mod list;
mod read;
mod write;

use crate::cache::Cache;
use crate::error::StorageError;
use crate::hub::Hub;
use crate::options::WatchOptions;
use crate::resource::Resource;
use crate::watch::Watch;
use std::sync::{Arc, OnceLock};

/// The objects of one resource.
#[derive(Clone)]
pub struct ResourceStore {
    hub: Arc<Hub>,
    resource: Arc<Resource>,
    prefix_bytes: usize,
    cache: Arc<OnceLock<Arc<Cache>>>,
}

impl ResourceStore {
    pub(crate) fn new(hub: Arc<Hub>, resource: Arc<Resource>) -> Self {
        Self { prefix_bytes: resource.prefix().len(), hub, resource, cache: Arc::default() }
    }

    /// The resource.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Opens a watch. Errors that belong into the stream, such as a revision that is compacted, are ERROR items of it.
    pub async fn watch(&self, options: WatchOptions) -> Result<Watch, StorageError> {
        let cache = self.cache();
        let resource = cache.map_or(&self.resource, |cache| &cache.resource);
        Watch::open(&self.hub, resource, cache, options).await
    }

    /// Compares the cache with the store at one revision; for tests and checks.
    pub async fn check_consistency(&self) -> Result<crate::consistency::Report, StorageError> {
        let cache = self.cache().ok_or_else(|| StorageError::BadRequest("the resource has no cache".into()))?;
        crate::consistency::check(&*self.hub.store, &self.hub.confirmer, cache).await
    }

    /// The cache, started if need be; `None` for uncached resources.
    fn cache(&self) -> Option<&Arc<Cache>> {
        self.resource.cached.then(|| self.cache.get_or_init(|| self.hub.cache(&self.resource)))
    }

    /// The cache if it has been started and filled.
    fn running_cache(&self) -> Option<&Arc<Cache>> {
        self.cache.get().filter(|cache| cache.is_ready())
    }
}

impl std::fmt::Debug for ResourceStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ResourceStore({})", self.resource.qualified_name())
    }
}
