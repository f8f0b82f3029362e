//! Deleting everything in a namespace.

use crate::discover;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use kube::{Client, Error};
use serde_json::{Value, json};

/// Whether anything is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Something is left, such as pods that still end.
    NotYet,
    /// Nothing is left.
    Empty,
}

/// Deletes what there is, pods first, and says whether anything is left.
pub(super) async fn empty(client: &Client, namespace: &str) -> Result<Outcome, Error> {
    let mut kinds = discover::kinds(client).await?;
    kinds.retain(|kind| kind.namespaced && kind.can("list") && kind.can("deletecollection"));
    kinds.sort_by_key(|kind| !(kind.resource.group.is_empty() && kind.resource.plural == "pods"));
    for kind in &kinds {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind.resource);
        let left = api.list_metadata(&ListParams::default().limit(1)).await?;
        if left.items.is_empty() {
            continue;
        }
        match api.delete_collection(&DeleteParams::background(), &ListParams::default()).await {
            Ok(_) => {}
            Err(Error::Api(status)) if status.code == 404 => continue,
            Err(error) => return Err(error),
        }
        let is_pods = kind.resource.group.is_empty() && kind.resource.plural == "pods";
        if is_pods && !api.list_metadata(&ListParams::default().limit(1)).await?.items.is_empty() {
            return Ok(Outcome::NotYet);
        }
    }
    for kind in &kinds {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind.resource);
        if !api.list_metadata(&ListParams::default().limit(1)).await?.items.is_empty() {
            return Ok(Outcome::NotYet);
        }
    }
    Ok(Outcome::Empty)
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
    let kept: Vec<Value> = finalizers.into_iter().filter(|name| name != "kubernetes").collect();
    object["spec"]["finalizers"] = json!(kept);
    let body = serde_json::to_vec(&object).map_err(Error::SerdeError)?;
    let request = http::Request::put(format!("{path}/finalize")).header("content-type", "application/json");
    match client.request::<Value>(request.body(body).map_err(Error::HttpError)?).await {
        Ok(_) => Ok(()),
        Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}
