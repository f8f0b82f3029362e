//! ServiceAccount: every pod runs as an account that exists, with a token mounted unless it declines one.

use crate::registry::metadata::generate_name;
use crate::registry::{Cx, Kind, Registry};
use api_machinery::gotext::quote;
use api_machinery::meta;
use api_machinery::status::Status;
use api_machinery::value;
use api_storage::{ReadRevision, StorageError};
use serde_json::{Value, json};
use std::time::Duration;

const DEFAULT: &str = "default";
/// Where clients look for the token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// One hour and a margin for renewal; upstream's number.
const TOKEN_SECONDS: i64 = 3607;
/// A controller makes the default account of a new namespace; a pod may be a moment early.
const DEFAULT_ATTEMPTS_MAX: u32 = 10;
const RETRY_AFTER: Duration = Duration::from_millis(100);

pub(super) async fn create(registry: &Registry, kind: &Kind, cx: &Cx<'_>, pod: &mut Value) -> Result<(), Status> {
    let Some(accounts) = registry.kinds().stored("", "serviceaccounts") else { return Ok(()) };
    if meta::annotation(pod, "kubernetes.io/config.mirror").is_some() {
        return check_mirror(kind, pod);
    }
    value::set_default(pod, &["spec", "serviceAccountName"], DEFAULT);
    if value::str_or_empty(pod, &["spec", "serviceAccountName"]).is_empty() {
        value::set(pod, &["spec", "serviceAccountName"], DEFAULT);
    }
    let name = value::str_or_empty(pod, &["spec", "serviceAccountName"]).to_owned();
    value::set(pod, &["spec", "serviceAccount"], name.clone());
    let account = find(accounts, cx.namespace, &name).await.map_err(|why| {
        let why = format!("error looking up service account {}/{name}: {why}", cx.namespace);
        Status::forbidden(kind.resource(), super::name_of(pod), why)
    })?;
    let automount = value::bool_at(pod, &["spec", "automountServiceAccountToken"])
        .or_else(|| value::bool_at(&account, &["automountServiceAccountToken"]))
        .unwrap_or(true);
    if automount {
        mount_token(pod);
    }
    if value::items_at(pod, &["spec", "imagePullSecrets"]).is_empty() {
        let secrets = value::items_at(&account, &["imagePullSecrets"]);
        if !secrets.is_empty() {
            value::set(pod, &["spec", "imagePullSecrets"], secrets.to_vec());
        }
    }
    Ok(())
}

async fn find(accounts: &Kind, namespace: &str, name: &str) -> Result<Value, String> {
    let store = accounts.store().map_err(|status| status.message)?;
    let attempts = if name == DEFAULT { DEFAULT_ATTEMPTS_MAX } else { 1 };
    for attempt in 1.. {
        let revision = if attempt == 1 { ReadRevision::Any } else { ReadRevision::Consistent };
        match store.get(Some(namespace), name, revision).await {
            Ok(stored) => return stored.decode().map_err(|error| error.to_string()),
            Err(StorageError::NotFound { .. }) if attempt > attempts => break,
            Err(StorageError::NotFound { .. }) if attempt == 1 => {}
            Err(StorageError::NotFound { .. }) => tokio::time::sleep(RETRY_AFTER).await,
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("serviceaccount {} not found", quote(name)))
}

/// A mirror pod is a static pod's image in the API: it must not gain rights that the node's file does not have.
fn check_mirror(kind: &Kind, pod: &Value) -> Result<(), Status> {
    let refuse = |why: &str| Err(Status::forbidden(kind.resource(), super::name_of(pod), why));
    if !value::str_or_empty(pod, &["spec", "serviceAccountName"]).is_empty() {
        return refuse("a mirror pod may not reference service accounts");
    }
    let projects_token = value::items_at(pod, &["spec", "volumes"]).iter().any(|volume| {
        value::items_at(volume, &["projected", "sources"])
            .iter()
            .any(|source| source.get("serviceAccountToken").is_some())
    });
    if projects_token {
        return refuse("a mirror pod may not use ServiceAccountToken volume projections");
    }
    Ok(())
}

fn mount_token(pod: &mut Value) {
    let existing = value::items_at(pod, &["spec", "volumes"]).iter().find_map(|volume| {
        let name = volume["name"].as_str()?;
        name.starts_with("kube-api-access-").then(|| name.to_owned())
    });
    let needed = ["containers", "initContainers"]
        .iter()
        .any(|list| value::items_at(pod, &["spec", list]).iter().any(|container| !has_mount(container)));
    if !needed {
        return;
    }
    let name = existing.clone().unwrap_or_else(|| generate_name("kube-api-access-"));
    for list in ["initContainers", "containers"] {
        for container in value::items_mut(pod, &["spec", list]) {
            if has_mount(container) {
                continue;
            }
            let mount = json!({"name": name, "readOnly": true, "mountPath": MOUNT_PATH});
            push(container, &[], "volumeMounts", mount);
        }
    }
    if existing.is_none() {
        push(pod, &["spec"], "volumes", token_volume(&name));
    }
}

fn has_mount(container: &Value) -> bool {
    value::items_at(container, &["volumeMounts"]).iter().any(|mount| mount["mountPath"] == MOUNT_PATH)
}

fn push(object: &mut Value, path: &[&str], list: &str, item: Value) {
    match value::map_mut(object, path).entry(list).or_insert_with(|| json!([])) {
        Value::Array(items) => items.push(item),
        other => *other = json!([item]),
    }
}

fn token_volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_mounted_into_every_container_that_has_none() {
        let mut pod = json!({"spec": {"containers": [{"name": "a"},
            {"name": "b", "volumeMounts": [{"name": "own", "mountPath": MOUNT_PATH}]}], "initContainers": [{"name": "i"}]}});
        mount_token(&mut pod);
        let volume = &pod["spec"]["volumes"][0];
        let name = volume["name"].as_str().expect("a name");
        assert!(name.starts_with("kube-api-access-") && name.len() == 21, "{name}");
        assert_eq!(volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"], 3607);
        assert_eq!(pod["spec"]["containers"][0]["volumeMounts"][0]["name"], *name);
        assert_eq!(pod["spec"]["initContainers"][0]["volumeMounts"][0]["readOnly"], true);
        assert_eq!(pod["spec"]["containers"][1]["volumeMounts"].as_array().map(Vec::len), Some(1));
    }
}
