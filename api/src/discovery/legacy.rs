//! `/api`, `/apis`, `/api/V`, `/apis/G`, `/apis/G/V`.

use super::{Group, storage_version_hash};
use crate::registry::strategy::KindInfo;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// All documents by path. `advertise` is where clients outside find this server.
pub(super) fn documents(groups: &[Group], advertise: Option<SocketAddr>) -> Vec<(String, Value)> {
    let mut documents = Vec::new();
    let named: Vec<&Group> = groups.iter().filter(|group| !group.name.is_empty()).collect();
    let core = groups.iter().find(|group| group.name.is_empty());
    let versions: Vec<&str> = core.into_iter().flat_map(|group| &group.versions).map(|(version, _)| *version).collect();
    let addresses: Vec<Value> = advertise
        .iter()
        .map(|address| json!({"clientCIDR": "0.0.0.0/0", "serverAddress": address.to_string()}))
        .collect();
    documents.push((
        "/api".to_owned(),
        json!({"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": addresses}),
    ));
    let list: Vec<Value> = named.iter().map(|group| api_group(group)).collect();
    documents.push(("/apis".to_owned(), json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list})));
    for group in &named {
        let mut document = api_group(group);
        document["kind"] = "APIGroup".into();
        document["apiVersion"] = "v1".into();
        documents.push((format!("/apis/{}", group.name), document));
    }
    for group in groups {
        for (version, kinds) in &group.versions {
            let group_version = group_version(group.name, version);
            let root = if group.name.is_empty() { "/api" } else { "/apis" };
            let resources: Vec<Value> = kinds.iter().flat_map(|info| resources(info)).collect();
            let mut document =
                json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": resources});
            // Upstream sends no apiVersion for the core group, by an accident that clients know.
            if !group.name.is_empty() {
                document["apiVersion"] = "v1".into();
            }
            documents.push((format!("{root}/{group_version}"), document));
        }
    }
    documents
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn api_group(group: &Group) -> Value {
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|(version, _)| json!({"groupVersion": group_version(group.name, version), "version": version}))
        .collect();
    json!({"name": group.name, "preferredVersion": versions.first(), "versions": versions})
}

fn resources(info: &'static KindInfo) -> Vec<Value> {
    let mut resource = json!({
        "name": info.resource,
        "singularName": info.singular,
        "namespaced": info.namespaced,
        "kind": info.kind,
        "verbs": info.verbs,
    });
    if !info.short_names.is_empty() {
        resource["shortNames"] = json!(info.short_names);
    }
    if !info.categories.is_empty() {
        resource["categories"] = json!(info.categories);
    }
    if info.stored {
        resource["storageVersionHash"] = storage_version_hash(info).into();
    }
    let subresources = info.subresources.iter().map(|subresource| {
        let mut value = json!({
            "name": format!("{}/{}", info.resource, subresource.name),
            "singularName": "",
            "namespaced": info.namespaced,
            "kind": subresource.body.map_or(info.kind, |(_, _, kind)| kind),
            "verbs": subresource.verbs,
        });
        if let Some((group, version, _)) = subresource.body
            && (group, version) != (info.group, info.version)
        {
            if !group.is_empty() {
                value["group"] = group.into();
            }
            value["version"] = version.into();
        }
        value
    });
    std::iter::once(resource).chain(subresources).collect()
}
