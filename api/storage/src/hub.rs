//! What all resources of one store share: the store, and one watch cache per resource.

use crate::cache::{Cache, feed};
use crate::confirm::Confirmer;
use crate::continue_token::ContinueKey;
use crate::leases::Leases;
use crate::progress::Progress;
use crate::resource::Resource;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use store_client::Store;
use tokio::task::JoinSet;

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

impl Hub {
    pub(crate) fn new(store: Arc<dyn Store>, continue_key: ContinueKey) -> Self {
        Self {
            confirmer: Confirmer::new(Arc::clone(&store)),
            leases: Leases::new(Arc::clone(&store)),
            progress: Arc::default(),
            store,
            continue_key,
            registry: Mutex::default(),
            feeds: Mutex::new(JoinSet::new()),
        }
    }

    /// Remembers the definition to make a cache of; a user who needs no index does not take it from the others.
    pub(crate) fn define(&self, resource: &Arc<Resource>) {
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
