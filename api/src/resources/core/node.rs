//! Node: spec and status are written apart, pod networks and provider are set once.

use crate::registry::strategy::{ALL_VERBS, Column, Cx, KindInfo, NameRule, SelectableFields, Strategy, Subresource};
use crate::resources::cells;
use crate::resources::check;
use crate::resources::pod_spec::quantities::validate_node_resources;
use crate::resources::pod_spec::scheduling::TAINT_EFFECTS;
use crate::resources::value::{
    canonical_quantities, child, default_absent, drop_zero, flag, has, int, items_mut, keep, list, name, pairs, remove,
    set, text, texts,
};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::names;
use jiff::Timestamp;
use serde_json::{Value, json};
use smallvec::smallvec;
use std::cmp::Ordering;
use std::collections::BTreeSet;

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE: &str = "kubernetes.io/role";

/// Fields of `status.nodeInfo`; upstream writes them even where they are empty.
const NODE_INFO: &[&str] = &[
    "architecture",
    "bootID",
    "containerRuntimeVersion",
    "kernelVersion",
    "kubeProxyVersion",
    "kubeletVersion",
    "machineID",
    "operatingSystem",
    "osImage",
    "systemUUID",
];

static INFO: KindInfo = KindInfo {
    group: "",
    version: "v1",
    kind: "Node",
    resource: "nodes",
    singular: "node",
    short_names: &["no"],
    categories: &[],
    namespaced: false,
    verbs: ALL_VERBS,
    subresources: &[Subresource::STATUS],
    name_rule: NameRule::Subdomain,
    stored: true,
};

/// The strategy of Nodes.
#[derive(Debug)]
pub struct Node;

impl Strategy for Node {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn default(&self, object: &mut Value) {
        if let Some(spec) = child(object, "spec") {
            // Upstream keeps the gate of it closed by default.
            remove(spec, "podPreemptionPolicy");
            default_pod_networks(spec);
            drop_zero(spec, &["podCIDR", "providerID", "unschedulable"]);
        }
        let Some(status) = child(object, "status") else { return };
        // Nothing configures nodes through the API any more.
        remove(status, "config");
        canonical_quantities(status, "capacity");
        canonical_quantities(status, "allocatable");
        if has(status, "capacity") {
            let capacity = status["capacity"].clone();
            default_absent(status, "allocatable", capacity);
        }
        if let Some(info) = child(status, "nodeInfo") {
            NODE_INFO.iter().for_each(|key| default_absent(info, key, ""));
        }
        for handler in items_mut(status, "runtimeHandlers") {
            default_absent(handler, "name", "");
        }
        for image in items_mut(status, "images") {
            default_absent(image, "names", Value::Null);
        }
        if let Some(kubelet) = child(status, "daemonEndpoints").and_then(|ends| child(ends, "kubeletEndpoint")) {
            default_absent(kubelet, "Port", 0);
        }
    }

    fn prepare_for_create(&self, _cx: &Cx<'_>, object: &mut Value) {
        if let Some(spec) = child(object, "spec") {
            remove(spec, "configSource");
        }
    }

    fn prepare_for_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        keep(new, old, "status");
        if let Some(spec) = child(new, "spec").filter(|_| !has(&old["spec"], "configSource")) {
            remove(spec, "configSource");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_taints(object, &mut errors);
        validate_node_resources(&object["status"], "capacity", &mut errors);
        validate_node_resources(&object["status"], "allocatable", &mut errors);
        validate_pod_networks(&object["spec"], &mut errors);
        validate_declared_features(&object["status"], &mut errors);
        if let Some(capacity @ ..=0) = int(&object["status"]["nodeInfo"]["swap"], "capacity") {
            let path = Path::of(&["metadata", "nodeSwapStatus", "capacity"]);
            errors.push(Error::invalid(&path, capacity, "must be greater than zero"));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_node_resources(&new["status"], "capacity", &mut errors);
        validate_node_resources(&new["status"], "allocatable", &mut errors);
        let addresses = list(&new["status"], "addresses");
        for (index, address) in addresses.iter().enumerate() {
            if addresses[..index].contains(address) {
                let path = Path::of(&["status", "addresses"]).index(index);
                let shown = [("Type", text(address, "type").into()), ("Address", text(address, "address").into())];
                errors.push(Error::duplicate(&path, address.clone()).shown_as(&shown));
            }
        }
        let (new_spec, old_spec) = (&new["spec"], &old["spec"]);
        validate_pod_networks(new_spec, &mut errors);
        if !list(old_spec, "podCIDRs").is_empty() && list(old_spec, "podCIDRs") != list(new_spec, "podCIDRs") {
            let text = "node updates may not change podCIDR except from \"\" to valid";
            errors.push(Error::forbidden(&Path::of(&["spec", "podCIDRs"]), text));
        }
        let provider = text(old_spec, "providerID");
        validate_taints(new, &mut errors);
        if !provider.is_empty() && provider != text(new_spec, "providerID") {
            let done = if text(new_spec, "providerID").is_empty() { "cleared" } else { "modified" };
            let text = format!("field cannot be {done} once set");
            errors.push(Error::invalid(&Path::of(&["spec", "providerID"]), Value::Null, text));
        }
        if text(old_spec, "externalID") != text(new_spec, "externalID") {
            errors.push(Error::forbidden(&Path::of(&["spec", "externalID"]), "may not be updated"));
        }
        validate_declared_features(&new["status"], &mut errors);
        errors
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        let is_named = !text(&object["spec"], "externalID").is_empty();
        let warning = "spec.externalID: this field is deprecated, and is unused by Kubernetes";
        is_named.then(|| warning.to_owned()).into_iter().collect()
    }

    fn validate_status_update(&self, new: &Value, old: &Value) -> ErrorList {
        self.validate_update(new, old)
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &["spec.unschedulable"]
    }

    fn fields(&self, object: &Value) -> SelectableFields {
        smallvec![("spec.unschedulable", flag(&object["spec"], "unschedulable").to_string())]
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::NAME,
            Column::new("Status", "string"),
            Column::new("Roles", "string"),
            Column::AGE,
            Column::new("Version", "string"),
            Column::wide("Internal-IP", "string"),
            Column::wide("External-IP", "string"),
            Column::wide("OS-Image", "string"),
            Column::wide("Kernel-Version", "string"),
            Column::wide("Container-Runtime", "string"),
        ];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let info = &object["status"]["nodeInfo"];
        let known = |key| cells::or(text(info, key).to_owned(), "<unknown>");
        let mut kernel = known("kernelVersion");
        let architecture = text(info, "architecture");
        if !architecture.is_empty() {
            kernel = format!("{kernel} ({architecture})");
        }
        vec![
            name(object).into(),
            status(object).into(),
            roles(object).into(),
            cells::age(object, now),
            text(info, "kubeletVersion").into(),
            address(object, "InternalIP").into(),
            address(object, "ExternalIP").into(),
            known("osImage").into(),
            kernel.into(),
            known("containerRuntimeVersion").into(),
        ]
    }
}

/// `podCIDR` is the first of `podCIDRs`; either may be given.
fn default_pod_networks(spec: &mut Value) {
    let first = text(spec, "podCIDR").to_owned();
    if !first.is_empty() && list(spec, "podCIDRs").first().and_then(Value::as_str) != Some(&first) {
        set(spec, "podCIDRs", json!([first]));
    } else if let Some(first) = list(spec, "podCIDRs").first().cloned() {
        set(spec, "podCIDR", first);
    }
}

/// Upstream reports taints below `metadata`.
fn validate_taints(object: &Value, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, taint) in list(&object["spec"], "taints").iter().enumerate() {
        let path = Path::of(&["metadata", "taints"]).index(index);
        let (key, value, effect) = (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
        check::label_name(key, &path.child("key"), errors);
        let complaints = names::is_label_value(value);
        if !complaints.is_empty() {
            errors.push(Error::invalid(&path.child("value"), value, complaints.join(";")));
        }
        check::required_one_of(effect, TAINT_EFFECTS, &path.child("effect"), errors);
        if !seen.insert((key, effect)) {
            let shown = [
                ("Key", key.into()),
                ("Value", value.into()),
                ("Effect", effect.into()),
                ("TimeAdded", taint["timeAdded"].clone()),
            ];
            let mut error = Error::duplicate(&path, taint.clone()).shown_as(&shown);
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
}

fn validate_pod_networks(spec: &Value, errors: &mut ErrorList) {
    let path = Path::of(&["spec", "podCIDRs"]);
    let networks: Vec<&str> = texts(spec, "podCIDRs").collect();
    for (index, network) in networks.iter().enumerate() {
        check::cidr(network, &path.index(index), errors);
    }
    if networks.len() < 2 {
        return;
    }
    let unreadable = networks.iter().position(|network| network.parse::<ipnet::IpNet>().is_err());
    if let Some(index) = unreadable {
        let text = format!(
            "invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[{index}]: <nil> (invalid CIDR \
             address: {})",
            networks[index]
        );
        errors.push(Error::internal(&path, text));
    }
    let six = networks.iter().filter(|network| network.contains(':')).count();
    if unreadable.is_some() || networks.len() != 2 || six != 1 {
        let text = "may specify no more than one CIDR for each IP family";
        errors.push(Error::invalid(&path, spec["podCIDRs"].clone(), text));
    }
}

/// Features that the node says it has: sorted, none twice, each a path of names.
fn validate_declared_features(status: &Value, errors: &mut ErrorList) {
    let features: Vec<&str> = texts(status, "declaredFeatures").collect();
    for (index, feature) in features.iter().enumerate() {
        let path = Path::of(&["status", "declaredFeatures"]).index(index);
        if !is_feature_name(feature) {
            let text = format!(
                "invalid feature name {feature:?}: must start with an UpperCamelCase segment, with subsequent segments \
                 separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters \
                 and slashes"
            );
            errors.push(Error::invalid(&path, *feature, text));
        }
        match index.checked_sub(1).map(|before| features[before].cmp(feature)) {
            Some(Ordering::Equal) => errors.push(Error::duplicate(&path, *feature)),
            Some(Ordering::Greater) => {
                errors.push(Error::invalid(&path, *feature, "list must be sorted alphabetically"));
            }
            Some(Ordering::Less) | None => {}
        }
    }
}

fn is_feature_name(name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    name.starts_with(|first: char| first.is_ascii_uppercase()) && name.split('/').all(is_word)
}

fn status(object: &Value) -> String {
    let ready = list(&object["status"], "conditions").iter().rfind(|condition| text(condition, "type") == "Ready");
    let mut status = match ready.map(|condition| text(condition, "status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if flag(&object["spec"], "unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    status
}

fn roles(object: &Value) -> String {
    let roles: BTreeSet<&str> = pairs(&object["metadata"], "labels")
        .filter_map(|(key, value)| match key.strip_prefix(ROLE_PREFIX) {
            Some(role) => Some(role),
            None => (key == ROLE).then(|| value.as_str().unwrap_or("")),
        })
        .filter(|role| !role.is_empty())
        .collect();
    cells::or_none(roles.into_iter().collect::<Vec<_>>().join(","))
}

fn address(object: &Value, kind: &str) -> String {
    let found = list(&object["status"], "addresses").iter().find(|address| text(address, "type") == kind);
    cells::or_none(found.map_or("", |address| text(address, "address")).to_owned())
}

#[cfg(test)]
mod tests;
