//! Admission: what the server itself adds to objects and refuses, whoever asks. One plugin a file, in upstream's order.
//!
//! Part of step 4 of the path of a write. Mutating plugins run on the defaulted object before the kind's preparation,
//! so validation always sees the final object. Not here: admission by webhooks and policies.

mod default_tolerations;
mod namespace_lifecycle;
mod priority;
mod runtime_class;
mod service_account;
mod taint_nodes;

use crate::registry::{Cx, Kind, Registry};
use api_machinery::meta;
use api_machinery::status::Status;
use serde_json::Value;

/// What refusals call a new object: names are generated only after admission.
fn name_of(object: &Value) -> &str {
    match meta::name(object) {
        "" => meta::generate_name(object),
        name => name,
    }
}

/// Before an object is created.
///
/// # Errors
/// The refusal of the first plugin that objects.
pub async fn create(registry: &Registry, kind: &Kind, cx: &Cx<'_>, object: &mut Value) -> Result<(), Status> {
    namespace_lifecycle::create(registry, kind, cx, object).await?;
    match (kind.info.group, kind.info.resource) {
        ("", "pods") => {
            service_account::create(registry, kind, cx, object).await?;
            priority::create_pod(registry, kind, object).await?;
            default_tolerations::set(object);
            runtime_class::create(kind, object)?;
        }
        ("", "nodes") => taint_nodes::create(object),
        ("scheduling.k8s.io", "priorityclasses") => priority::check_class(registry, kind, object).await?,
        _ => {}
    }
    Ok(())
}

/// Before an object is changed.
///
/// # Errors
/// The refusal of the first plugin that objects.
pub fn update(kind: &Kind, _cx: &Cx<'_>, new: &mut Value, old: &Value) -> Result<(), Status> {
    if (kind.info.group, kind.info.resource) == ("", "pods") {
        priority::keep(new, old);
        default_tolerations::set(new);
    }
    Ok(())
}

/// Before an object is deleted.
///
/// # Errors
/// The refusal of the first plugin that objects.
pub fn delete(kind: &Kind, name: &str) -> Result<(), Status> {
    namespace_lifecycle::delete(kind, name)?;
    priority::delete_class(kind, name)
}
