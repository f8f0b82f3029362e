//! Claims as objects: a name that exists is taken.

use crate::registry::strategy::Claim;
use api_storage::{NewObject, Preconditions, ReadRevision, Resource, ResourceStore, Storage, StorageError};
use async_trait::async_trait;
use serde_json::json;

/// Claims of one sort.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    store: ResourceStore,
    api_version: String,
    kind: &'static str,
}

impl Claims {
    pub(super) fn new(storage: &Storage, resource: Resource, kind: &'static str) -> Self {
        Self { api_version: resource.api_version(), store: storage.resource(resource.uncached()), kind }
    }

    /// Takes a name for an owner; false if it is taken already, even by the same owner.
    pub(super) async fn take(&self, name: &str, owner: &str) -> Result<bool, StorageError> {
        let value = json!({"kind": self.kind, "apiVersion": self.api_version,
            "metadata": {"name": name, "annotations": {"owner": owner}}});
        let new = NewObject { value: &value, fields: api_storage::Fields::new() };
        match self.store.create(None, name, new, None).await {
            Ok(_) => Ok(true),
            Err(StorageError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a name back. What is not taken stays free.
    pub(super) async fn give_back(&self, name: &str) -> Result<(), StorageError> {
        match self.store.delete(None, name, &Preconditions::default()).await {
            Ok(_) | Err(StorageError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn is_taken(&self, name: &str) -> Result<bool, StorageError> {
        match self.store.get(None, name, ReadRevision::Consistent).await {
            Ok(_) => Ok(true),
            Err(StorageError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All names that are taken.
    pub(super) async fn all(&self) -> Result<Vec<String>, StorageError> {
        let page = self.store.list(api_storage::ListOptions::default()).await?;
        Ok(page.items.iter().map(|item| item.name().to_owned()).collect())
    }
}

/// Something that a write has taken, or will give back once it is done.
#[derive(Debug)]
pub struct Held {
    claims: Claims,
    name: String,
    /// Taken for this write: given back if it fails. Otherwise: given back if it succeeds.
    is_new: bool,
}

impl Held {
    pub(super) fn taken(claims: &Claims, name: String) -> Box<dyn Claim> {
        Box::new(Self { claims: claims.clone(), name, is_new: true })
    }

    pub(super) fn to_give_back(claims: &Claims, name: String) -> Box<dyn Claim> {
        Box::new(Self { claims: claims.clone(), name, is_new: false })
    }

    async fn give_back(self: Box<Self>) {
        if let Err(error) = self.claims.give_back(&self.name).await {
            tracing::warn!(name = self.name, %error, "a claim stays behind; the repair will drop it");
        }
    }
}

#[async_trait]
impl Claim for Held {
    async fn release(self: Box<Self>) {
        if self.is_new {
            self.give_back().await;
        }
    }

    async fn commit(self: Box<Self>) {
        if !self.is_new {
            self.give_back().await;
        }
    }
}
