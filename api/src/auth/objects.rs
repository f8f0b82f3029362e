//! Whether what a token is bound to is still there, from the watch caches.

use crate::auth::tokens::{Bound, Objects};
use api_storage::{ReadRevision, Resource, ResourceStore, Storage, StorageError, Stored};
use async_trait::async_trait;

/// Looks in the caches; on a miss, in the store, because the object may be newer than the cache.
pub struct LiveObjects {
    accounts: ResourceStore,
    pods: ResourceStore,
    secrets: ResourceStore,
    nodes: ResourceStore,
}

impl std::fmt::Debug for LiveObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LiveObjects")
    }
}

impl LiveObjects {
    /// Over this storage.
    pub fn new(storage: &Storage) -> Self {
        let core = |resource, kind, namespaced| storage.resource(Resource::new("", "v1", resource, kind, namespaced));
        Self {
            accounts: core("serviceaccounts", "ServiceAccount", true),
            pods: core("pods", "Pod", true).clone(),
            secrets: core("secrets", "Secret", true),
            nodes: core("nodes", "Node", false),
        }
    }
}

#[async_trait]
impl Objects for LiveObjects {
    async fn uid(&self, what: Bound, namespace: &str, name: &str) -> Result<Option<String>, String> {
        let (store, namespace) = match what {
            Bound::ServiceAccount => (&self.accounts, Some(namespace)),
            Bound::Pod => (&self.pods, Some(namespace)),
            Bound::Secret => (&self.secrets, Some(namespace)),
            Bound::Node => (&self.nodes, None),
        };
        let uid = |object: &Stored| Some(object.uid().to_owned());
        match store.get(namespace, name, ReadRevision::Any).await {
            Ok(object) => return Ok(uid(&object)),
            Err(StorageError::NotFound { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
        match store.get(namespace, name, ReadRevision::Consistent).await {
            Ok(object) => Ok(uid(&object)),
            Err(StorageError::NotFound { .. } | StorageError::BadRequest(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}
