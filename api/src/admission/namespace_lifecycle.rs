//! NamespaceLifecycle: nothing is created where there is no namespace or where it is going away, and the system's
//! namespaces cannot be deleted.

use crate::registry::{Cx, Kind, Registry};
use api_machinery::gvk::GroupResource;
use api_machinery::status::{Cause, Status};
use api_storage::{ReadRevision, StorageError};
use serde_json::Value;

const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];
const NAMESPACES: GroupResource<'static> = GroupResource { group: "", resource: "namespaces" };

pub(super) async fn create(registry: &Registry, kind: &Kind, cx: &Cx<'_>, object: &Value) -> Result<(), Status> {
    if !kind.info.namespaced || !kind.info.stored || cx.namespace.is_empty() {
        return Ok(());
    }
    let Some(namespaces) = registry.kinds().stored("", "namespaces") else { return Ok(()) };
    let store = namespaces.store()?;
    let found = match store.get(None, cx.namespace, ReadRevision::Any).await {
        // A namespace that was created a moment ago may not be in the cache yet.
        Err(StorageError::NotFound { .. }) => store.get(None, cx.namespace, ReadRevision::Consistent).await,
        found => found,
    };
    let namespace = found.map_err(|error| error.status(NAMESPACES, cx.namespace))?;
    if !namespace.is_deleting() && namespace.field("status.phase") != Some("Terminating") {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {} because it is being terminated", cx.namespace);
    let cause = Cause {
        reason: "NamespaceTerminating".to_owned(),
        message: format!("namespace {} is being terminated", cx.namespace),
        field: "metadata.namespace".to_owned(),
    };
    Err(Status::forbidden(kind.resource(), super::name_of(object), why).with_cause(cause))
}

pub(super) fn delete(kind: &Kind, name: &str) -> Result<(), Status> {
    if kind.resource() == NAMESPACES && IMMORTAL.contains(&name) {
        return Err(Status::forbidden(NAMESPACES, name, "this namespace may not be deleted"));
    }
    Ok(())
}
