//! `apidiscovery.k8s.io/v2` APIGroupDiscoveryList: everything below `/api` or `/apis` in one document.

use super::Group;
use crate::registry::strategy::KindInfo;
use serde_json::{Value, json};

/// What the document is sent as.
pub(super) const MEDIA_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The document of the core group or of all others.
pub(super) fn document(groups: &[Group], core: bool) -> Value {
    let items: Vec<Value> = groups.iter().filter(|group| group.name.is_empty() == core).map(item).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn item(group: &Group) -> Value {
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|(version, kinds)| {
            let resources: Vec<Value> = kinds.iter().map(|info| resource(info)).collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        })
        .collect();
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    json!({"metadata": metadata, "versions": versions})
}

fn resource(info: &'static KindInfo) -> Value {
    let mut value = json!({
        "resource": info.resource,
        // Upstream leaves out what is the document's own.
        "responseKind": {"group": "", "version": "", "kind": info.kind},
        "scope": if info.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": info.singular,
        "verbs": info.verbs,
    });
    if !info.short_names.is_empty() {
        value["shortNames"] = json!(info.short_names);
    }
    if !info.categories.is_empty() {
        value["categories"] = json!(info.categories);
    }
    let subresources: Vec<Value> = info
        .subresources
        .iter()
        .map(|subresource| {
            let (group, version, kind) = subresource.body.unwrap_or((info.group, info.version, info.kind));
            let own = (group, version) == (info.group, info.version);
            let (group, version) = if own { ("", "") } else { (group, version) };
            json!({
                "subresource": subresource.name,
                "responseKind": {"group": group, "version": version, "kind": kind},
                "verbs": subresource.verbs,
            })
        })
        .collect();
    if !subresources.is_empty() {
        value["subresources"] = subresources.into();
    }
    value
}
