//! The hub: one store, and one [`ResourceStore`] per resource over it.

use crate::cache::{Cache, feed};
use crate::confirm::Confirmer;
use crate::continue_token::ContinueKey;
use crate::error::StorageError;
use crate::leases::Leases;
use crate::progress::Progress;
use crate::resource::Resource;
use crate::resource_store::ResourceStore;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use store_client::Store;
use tokio::task::JoinSet;

/// Access to all resources of one store. Cheap to clone. When the last clone (and the last [`ResourceStore`] made of
/// it) is dropped, the feeds of the caches end.
#[derive(Clone)]
pub struct Storage {
    hub: Arc<Hub>,
}

pub(crate) struct Hub {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) confirmer: Confirmer,
    pub(crate) leases: Leases,
    pub(crate) progress: Arc<Progress>,
    pub(crate) continue_key: ContinueKey,
    registry: Mutex<Registry>,
    feeds: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Registry {
    definitions: HashMap<String, Arc<Resource>>,
    caches: HashMap<String, Arc<Cache>>,
}

impl Storage {
    /// Storage over `store`. The key signs continue tokens; servers of one cluster share it.
    pub fn new(store: Arc<dyn Store>, continue_key: ContinueKey) -> Self {
        let hub = Hub {
            confirmer: Confirmer::new(Arc::clone(&store)),
            leases: Leases::new(Arc::clone(&store)),
            progress: Arc::default(),
            store,
            continue_key,
            registry: Mutex::default(),
            feeds: Mutex::new(JoinSet::new()),
        };
        Self { hub: Arc::new(hub) }
    }

    /// The objects of one resource. Every call for the same resource shares one watch cache, which starts with the
    /// first list or watch and indexes the fields of the definition that names most of them until then.
    pub fn resource(&self, resource: Resource) -> ResourceStore {
        let resource = Arc::new(resource);
        self.hub.define(&resource);
        ResourceStore::new(Arc::clone(&self.hub), resource)
    }

    /// The store's revision, at least as new as everything acknowledged before the call.
    pub async fn current_revision(&self) -> Result<i64, StorageError> {
        self.hub.confirmer.current_revision().await
    }

    /// The store itself.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.hub.store
    }
}

impl Hub {
    /// Remembers the definition to make a cache of; a user who needs no index does not take it from the others.
    fn define(&self, resource: &Arc<Resource>) {
        let mut registry = self.registry.lock();
        let defined = registry.definitions.entry(resource.qualified_name()).or_insert_with(|| Arc::clone(resource));
        if resource.indexed_fields.len() > defined.indexed_fields.len() {
            *defined = Arc::clone(resource);
        }
    }

    /// The cache of a resource, started if it is the first time. Must be called within a runtime. Its definition is
    /// [`Cache::resource`], which may index other fields than the caller's.
    pub(crate) fn cache(&self, resource: &Arc<Resource>) -> Arc<Cache> {
        let name = resource.qualified_name();
        let mut registry = self.registry.lock();
        if let Some(cache) = registry.caches.get(&name) {
            return Arc::clone(cache);
        }
        let definition = registry.definitions.get(&name).unwrap_or(resource);
        let cache = Cache::new(Arc::clone(definition));
        registry.caches.insert(name, Arc::clone(&cache));
        self.feeds.lock().spawn(feed::run(Arc::clone(&cache), Arc::clone(&self.store), Arc::clone(&self.progress)));
        cache
    }
}
