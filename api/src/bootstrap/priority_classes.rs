//! The two priority classes of system pods.

use super::Bootstrap;
use api_machinery::status::Status;
use serde_json::json;

const CLASSES: &[(&str, i64, &str)] = &[
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
];

pub(super) async fn write(bootstrap: &Bootstrap<'_>) -> Result<(), Status> {
    let kind = bootstrap.kind("scheduling.k8s.io", "priorityclasses")?;
    for (name, value, description) in CLASSES {
        let class = json!({"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": {"name": name},
            "value": value, "description": description});
        bootstrap.ensure(kind, class).await?;
    }
    Ok(())
}
