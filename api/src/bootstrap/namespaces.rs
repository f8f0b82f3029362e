//! The namespaces that every cluster has.

use super::Bootstrap;
use api_machinery::status::Status;
use serde_json::json;

const NAMESPACES: &[&str] = &["kube-system", "kube-public", "kube-node-lease", "default"];

pub(super) async fn write(bootstrap: &Bootstrap<'_>) -> Result<(), Status> {
    let kind = bootstrap.kind("", "namespaces")?;
    for name in NAMESPACES {
        bootstrap.ensure(kind, json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})).await?;
    }
    Ok(())
}
