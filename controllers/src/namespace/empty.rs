//! Deleting everything in a namespace.

use super::plan::{self, Findings};
use crate::discover::{self, Kind};
use crate::objects::{explain, ignore_moved_on};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::{Client, Error};
use serde_json::{Value, json};

/// What keeps a namespace until it is empty.
pub(super) const FINALIZER: &str = "kubernetes";

/// Deletes what there is, pods first and nothing else before they are gone, and says what is left.
pub(super) async fn empty(client: &Client, namespace: &str) -> Findings {
    let mut findings = Findings::default();
    let mut kinds = match discover::kinds(client).await {
        Ok(kinds) => kinds,
        Err(error) => {
            findings.discovery = Some(explain(&error));
            return findings;
        }
    };
    kinds.retain(|kind| kind.namespaced && kind.can("list") && kind.can("deletecollection"));
    kinds.sort_by_key(|kind| !is_pods(kind));
    for kind in &kinds {
        if let Err(error) = empty_kind(client, namespace, kind, &mut findings).await {
            findings.deletion.push(explain(&error));
        }
        if is_pods(kind) && !findings.is_empty() {
            break;
        }
    }
    findings
}

async fn empty_kind(client: &Client, namespace: &str, kind: &Kind, findings: &mut Findings) -> Result<(), Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind.resource);
    if api.list_metadata(&ListParams::default().limit(1)).await?.items.is_empty() {
        return Ok(());
    }
    match api.delete_collection(&DeleteParams::background(), &ListParams::default()).await {
        Err(Error::Api(status)) if status.code == 404 => return Ok(()),
        outcome => drop(outcome?),
    }
    let left = api.list_metadata(&ListParams::default()).await?.items;
    if left.is_empty() {
        return Ok(());
    }
    let (group, version, plural) = (&kind.resource.group, &kind.resource.version, &kind.resource.plural);
    findings.remaining.insert(format!("{plural}.{group}"), left.len());
    let finalizers = || left.iter().flat_map(|item| item.metadata.finalizers.iter().flatten());
    for finalizer in finalizers() {
        *findings.finalizers.entry(finalizer.clone()).or_default() += 1;
    }
    // Pods have time to end, and finalizers their say; nothing else may still be there.
    if !is_pods(kind) && finalizers().next().is_none() {
        findings.deletion.push(format!(
            "unexpected items still remain in namespace: {namespace} for gvr: {group}/{version}, Resource={plural}"
        ));
    }
    Ok(())
}

fn is_pods(kind: &Kind) -> bool {
    kind.resource.group.is_empty() && kind.resource.plural == "pods"
}

/// Writes the conditions that tell the findings, where they do not yet.
pub(super) async fn tell(client: &Client, namespace: &Namespace, findings: &Findings) -> Result<(), Error> {
    let status = namespace.status.clone().unwrap_or_default();
    let before = status.conditions.as_deref().unwrap_or_default();
    let Some(conditions) = plan::conditions(before, findings, Timestamp::now()) else { return Ok(()) };
    let mut told = namespace.clone();
    told.status.get_or_insert_default().conditions = Some(conditions);
    let api: Api<Namespace> = Api::all(client.clone());
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    ignore_moved_on(api.replace_status(name, &PostParams::default(), &told).await)
}

/// Takes the finalizer `kubernetes` away through the subresource `finalize`.
pub(super) async fn finalize(client: &Client, namespace: &str) -> Result<(), Error> {
    let path = format!("/api/v1/namespaces/{namespace}");
    let get = |path: &str| http::Request::get(path).body(Vec::new()).map_err(Error::HttpError);
    let mut object: Value = match client.request(get(&path)?).await {
        Ok(object) => object,
        Err(Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error),
    };
    let finalizers = object["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
    let kept: Vec<Value> = finalizers.into_iter().filter(|name| name != FINALIZER).collect();
    object["spec"]["finalizers"] = json!(kept);
    let body = serde_json::to_vec(&object).map_err(Error::SerdeError)?;
    let request = http::Request::put(format!("{path}/finalize")).header("content-type", "application/json");
    ignore_moved_on(client.request::<Value>(request.body(body).map_err(Error::HttpError)?).await)
}
