//! Where everything begins: one store, and one [`ResourceStore`] per resource over it.

use crate::continue_token::ContinueKey;
use crate::error::StorageError;
use crate::hub::Hub;
use crate::resource::Resource;
use crate::resource_store::ResourceStore;
use std::sync::Arc;
use store_client::Store;

/// Access to all resources of one store. Cheap to clone. When the last clone (and the last [`ResourceStore`] made of
/// it) is dropped, the feeds of the caches end.
#[derive(Clone)]
pub struct Storage {
    hub: Arc<Hub>,
}

impl Storage {
    /// Storage over `store`. The key signs continue tokens; servers of one cluster share it.
    pub fn new(store: Arc<dyn Store>, continue_key: ContinueKey) -> Self {
        Self { hub: Arc::new(Hub::new(store, continue_key)) }
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
