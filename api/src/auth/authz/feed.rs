//! Keeps the [`Authorizer`]'s policy equal to the roles and bindings in storage: a list, then a watch, for each of the
//! four kinds. A watch that ends or fails begins again with a list, and what is no longer there is forgotten.

use crate::auth::authz::policy::{Binding, Role};
use crate::auth::authz::{Authorizer, escalation};
use api_storage::{
    EventKind, ListOptions, ListRevision, Resource, ResourceStore, Storage, StorageError, Stored, Watch, WatchOptions,
    WatchStart,
};
use futures::StreamExt;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// After a failure, the next attempt waits this long. Until it succeeds decisions go by the policy as it was.
const RETRY_MILLISECONDS: u64 = 500;

/// The policy cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// From storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The four kinds, read into one policy.
#[derive(Debug)]
pub struct Feed {
    kinds: [Kind; 4],
    authorizer: Arc<Authorizer>,
}

/// One of the four kinds.
#[derive(Clone)]
struct Kind {
    what: What,
    cluster: bool,
    store: ResourceStore,
    revision: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Role,
    Binding,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} cluster={}", self.what, self.cluster)
    }
}

impl Feed {
    /// A feed that has not read anything yet.
    pub fn new(storage: &Storage, authorizer: Arc<Authorizer>) -> Self {
        let kind = |what, resource, name, cluster: bool| Kind {
            what,
            cluster,
            store: storage.resource(Resource::new(escalation::GROUP, "v1", resource, name, !cluster)),
            revision: 0,
        };
        let kinds = [
            kind(What::Role, "clusterroles", "ClusterRole", true),
            kind(What::Role, "roles", "Role", false),
            kind(What::Binding, "clusterrolebindings", "ClusterRoleBinding", true),
            kind(What::Binding, "rolebindings", "RoleBinding", false),
        ];
        Self { kinds, authorizer }
    }

    /// Reads everything once.
    ///
    /// # Errors
    /// Storage fails.
    pub async fn load(&mut self) -> Result<(), FeedError> {
        for kind in &mut self.kinds {
            kind.load(&self.authorizer).await?;
        }
        Ok(())
    }

    /// Follows the changes until told to stop.
    ///
    /// # Errors
    /// None; failures are logged and tried again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), FeedError> {
        let Self { kinds, authorizer } = self;
        let follow = futures::future::join_all(kinds.into_iter().map(|kind| kind.follow(&authorizer)));
        tokio::select! {
            () = stop.cancelled() => {}
            _ = follow => {}
        }
        Ok(())
    }
}

impl Kind {
    async fn load(&mut self, authorizer: &Authorizer) -> Result<(), StorageError> {
        let options = ListOptions { revision: ListRevision::Consistent, ..ListOptions::default() };
        let page = self.store.list(options).await?;
        self.revision = page.resource_version;
        let listed: HashSet<(&str, &str)> =
            page.items.iter().map(|item| (item.namespace().unwrap_or_default(), item.name())).collect();
        let known = authorizer.read(|policy| match self.what {
            What::Role => policy.role_names(self.cluster),
            What::Binding => policy.binding_names(self.cluster),
        });
        for (namespace, name) in &known {
            if !listed.contains(&(namespace.as_str(), name.as_str())) {
                self.remove(authorizer, namespace, name);
            }
        }
        for item in &page.items {
            self.set(authorizer, item);
        }
        Ok(())
    }

    async fn follow(mut self, authorizer: &Authorizer) {
        loop {
            let error = match self.open().await {
                Ok(watch) => self.apply(watch, authorizer).await,
                Err(error) => error.to_string(),
            };
            tracing::warn!(kind = ?self, error, "policy watch ended; reading again");
            tokio::time::sleep(Duration::from_millis(RETRY_MILLISECONDS)).await;
            if let Err(error) = self.load(authorizer).await {
                tracing::warn!(kind = ?self, %error, "policy not read");
            }
        }
    }

    async fn open(&self) -> Result<Watch, StorageError> {
        let start = WatchStart::From(self.revision);
        self.store.watch(WatchOptions { start, bookmarks: true, ..WatchOptions::default() }).await
    }

    /// Applies events until the watch ends; says why it did.
    async fn apply(&mut self, mut watch: Watch, authorizer: &Authorizer) -> String {
        while let Some(item) = watch.next().await {
            match (item.kind(), item.object()) {
                (EventKind::Added | EventKind::Modified, Some(object)) => self.set(authorizer, object),
                (EventKind::Deleted, Some(object)) => {
                    self.remove(authorizer, object.namespace().unwrap_or_default(), object.name());
                }
                (EventKind::Error, _) => {
                    return item.status().map_or_else(String::new, |status| status.message.clone());
                }
                _ => {}
            }
            self.revision = item.revision();
        }
        "ended".to_owned()
    }

    fn set(&self, authorizer: &Authorizer, object: &Stored) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name());
        let json = object.stored_json();
        let outcome = match self.what {
            What::Role => serde_json::from_slice::<Role>(&json)
                .map(|role| authorizer.update(|policy| policy.set_role(namespace, name, role))),
            What::Binding => serde_json::from_slice::<Binding>(&json)
                .map(|binding| authorizer.update(|policy| policy.set_binding(namespace, name, binding))),
        };
        if let Err(error) = outcome {
            tracing::error!(kind = ?self, namespace, name, %error, "not a readable policy object: it grants nothing");
            self.remove(authorizer, namespace, name);
        }
    }

    fn remove(&self, authorizer: &Authorizer, namespace: &str, name: &str) {
        authorizer.update(|policy| match self.what {
            What::Role => policy.remove_role(namespace, name),
            What::Binding => policy.remove_binding(namespace, name),
        });
    }
}
