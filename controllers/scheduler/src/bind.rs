//! Writes decisions to the API server, off the scheduling path.

use crate::framework::Unschedulable;
use crate::pod_info::PodInfo;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

/// Binds a pod to a node (`POST pods/NAME/binding`).
///
/// # Errors
/// The server refused, or could not be reached; the pod may still have been bound.
pub async fn bind(client: &Client, pod: &PodInfo, node: &str) -> Result<(), kube::Error> {
    let meta = &pod.pod.metadata;
    let name = meta.name.as_deref().unwrap_or_default();
    let binding = Binding {
        metadata: ObjectMeta {
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            ..ObjectMeta::default()
        },
        target: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Node".to_owned()),
            name: Some(node.to_owned()),
            ..ObjectReference::default()
        },
    };
    let _: serde_json::Value =
        pods(client, pod).create_subresource("binding", name, &PostParams::default(), &binding).await?;
    Ok(())
}

/// Sets the condition `PodScheduled` to false, with the reason; writes nothing when it says so already.
///
/// # Errors
/// The server refused, or could not be reached.
pub async fn mark_unschedulable(client: &Client, pod: &PodInfo, outcome: &Unschedulable) -> Result<(), kube::Error> {
    mark(client, pod, "Unschedulable", &outcome.message()).await
}

/// Says that gates keep the pod from being scheduled.
///
/// # Errors
/// The server refused, or could not be reached.
pub async fn mark_gated(client: &Client, pod: &PodInfo) -> Result<(), kube::Error> {
    mark(client, pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates").await
}

async fn mark(client: &Client, pod: &PodInfo, reason: &str, message: &str) -> Result<(), kube::Error> {
    let conditions = pod.pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let current = conditions.iter().find(|condition| condition.type_ == "PodScheduled");
    let same = |text: &Option<String>, wanted: &str| text.as_deref() == Some(wanted);
    if current.is_some_and(|current| {
        current.status == "False" && same(&current.reason, reason) && same(&current.message, message)
    }) {
        return Ok(());
    }
    let since =
        current.filter(|current| current.status == "False").and_then(|current| current.last_transition_time.clone());
    let condition = json!({
        "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
        "lastTransitionTime": since.unwrap_or(Time(Timestamp::now())), "observedGeneration": pod.pod.metadata.generation,
    });
    let name = pod.pod.metadata.name.as_deref().unwrap_or_default();
    let patch = json!({ "metadata": { "uid": pod.uid() }, "status": { "conditions": [condition] } });
    match pods(client, pod).patch_status(name, &PatchParams::default(), &Patch::Strategic(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}

fn pods(client: &Client, pod: &PodInfo) -> Api<Pod> {
    Api::namespaced(client.clone(), pod.pod.metadata.namespace.as_deref().unwrap_or_default())
}
