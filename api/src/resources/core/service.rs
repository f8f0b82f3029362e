//! Service: a stable address before pods. Addresses and node ports come from the allocators of the registry.

mod allocation;
mod columns;
mod families;
mod ports;
mod update;
mod validation;
mod warnings;

use crate::registry::strategy::{
    ALL_VERBS, Column, Cx, Hooks, KindInfo, NameRule, SelectableFields, Strategy, Subresource,
};
use crate::resources::value::{
    child, default_absent, default_zero, drop_zero, existing_mut, int, items_mut, keep, remove, set, text,
};
use api_machinery::field::ErrorList;
use jiff::Timestamp;
use serde_json::{Value, json};
use smallvec::smallvec;

/// How long a client sticks to a pod.
const AFFINITY_SECONDS: i64 = 10_800;

/// Plain fields that upstream does not write where they are zero.
const ZEROS: &[&str] = &["clusterIP", "externalName", "healthCheckNodePort", "publishNotReadyAddresses"];

static INFO: KindInfo = KindInfo {
    group: "",
    version: "v1",
    kind: "Service",
    resource: "services",
    singular: "service",
    short_names: &["svc"],
    categories: &["all"],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[Subresource::STATUS],
    name_rule: NameRule::Label,
    stored: true,
};

/// The strategy of Services.
#[derive(Debug)]
pub struct Service;

impl Strategy for Service {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn default(&self, object: &mut Value) {
        let Some(spec) = child(object, "spec") else { return };
        default_zero(spec, "sessionAffinity", "None");
        match text(spec, "sessionAffinity") {
            "None" => remove(spec, "sessionAffinityConfig"),
            "ClientIP" if int(&spec["sessionAffinityConfig"]["clientIP"], "timeoutSeconds").is_none() => {
                set(spec, "sessionAffinityConfig", json!({ "clientIP": { "timeoutSeconds": AFFINITY_SECONDS } }));
            }
            _ => {}
        }
        default_zero(spec, "type", "ClusterIP");
        drop_zero(spec, ZEROS);
        for port in items_mut(spec, "ports") {
            default_zero(port, "protocol", "TCP");
            let number = port["port"].clone();
            default_zero(port, "targetPort", number);
            drop_zero(port, &["name", "nodePort"]);
        }
        if is_externally_accessible(spec) {
            default_zero(spec, "externalTrafficPolicy", "Cluster");
        }
        if matches!(text(spec, "type"), "ClusterIP" | "NodePort" | "LoadBalancer") {
            default_absent(spec, "internalTrafficPolicy", "Cluster");
        }
        let balanced = text(spec, "type") == "LoadBalancer";
        if balanced {
            default_absent(spec, "allocateLoadBalancerNodePorts", true);
        }
        let Some(status) = child(object, "status") else { return };
        for condition in items_mut(status, "conditions") {
            default_absent(condition, "lastTransitionTime", Value::Null);
            ["status", "reason", "message"].iter().for_each(|key| default_absent(condition, key, ""));
        }
        let Some(balancer) = child(status, "loadBalancer") else { return };
        for ingress in items_mut(balancer, "ingress") {
            if balanced && !text(ingress, "ip").is_empty() {
                default_absent(ingress, "ipMode", "VIP");
            }
        }
    }

    fn prepare_for_create(&self, _cx: &Cx<'_>, object: &mut Value) {
        set(object, "status", json!({ "loadBalancer": {} }));
        if let Some(spec) = existing_mut(object, "spec") {
            update::normalize_new(spec);
        }
    }

    fn prepare_for_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        keep(new, old, "status");
        if text(&new["spec"], "type") != "LoadBalancer"
            && let Some(status) = child(new, "status")
        {
            set(status, "loadBalancer", json!({}));
        }
        if let Some(spec) = existing_mut(new, "spec") {
            update::prepare(spec, &old["spec"]);
        }
    }

    /// Upstream keeps the policy of what has no traffic of its own, and never shows it.
    fn canonicalize(&self, object: &mut Value) {
        if let Some(spec) = existing_mut(object, "spec").filter(|spec| text(spec, "type") == "ExternalName") {
            remove(spec, "internalTrafficPolicy");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn validate_status_update(&self, new: &Value, _old: &Value) -> ErrorList {
        validation::validate_status(new)
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        warnings::of_service(object)
    }

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(&allocation::Allocation)
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &["spec.clusterIP", "spec.type"]
    }

    fn fields(&self, object: &Value) -> SelectableFields {
        let spec = &object["spec"];
        smallvec![("spec.clusterIP", text(spec, "clusterIP").to_owned()), ("spec.type", text(spec, "type").to_owned()),]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        columns::row(object, now)
    }
}

/// Whether traffic from outside the cluster reaches it.
fn is_externally_accessible(spec: &Value) -> bool {
    match text(spec, "type") {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => spec["externalIPs"].as_array().is_some_and(|addresses| !addresses.is_empty()),
        _ => false,
    }
}

/// Whether it has an address at all.
fn needs_cluster_ip(spec: &Value) -> bool {
    matches!(text(spec, "type"), "ClusterIP" | "NodePort" | "LoadBalancer")
}

/// Whether each of its ports has a port of every node.
fn needs_node_ports(spec: &Value) -> bool {
    match text(spec, "type") {
        "NodePort" => true,
        "LoadBalancer" => spec["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    }
}

/// Whether a balancer asks each node if it has pods of it.
fn needs_health_check(spec: &Value) -> bool {
    text(spec, "type") == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

/// Whether it has a name but no address.
fn is_headless(spec: &Value) -> bool {
    spec["clusterIPs"].as_array().is_some_and(|addresses| addresses.len() == 1 && addresses[0] == "None")
}

#[cfg(test)]
mod tests;
