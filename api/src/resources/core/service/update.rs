//! What an update of a service leaves out, clears or moves between `clusterIP` and `clusterIPs`.

use super::{is_externally_accessible, needs_cluster_ip, needs_health_check, needs_node_ports};
use crate::resources::value::{int, items_mut, keep, list, remove, same, set, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// At creation `clusterIPs` follows `clusterIP`.
pub(super) fn normalize_new(spec: &mut Value) {
    let address = text(spec, "clusterIP").to_owned();
    if !address.is_empty() && list(spec, "clusterIPs").is_empty() {
        set(spec, "clusterIPs", json!([address]));
    }
}

/// At an update: keep what was allocated and is not given, keep both address fields in step, clear what the new type
/// has no use for and the client has not touched.
pub(super) fn prepare(new: &mut Value, old: &Value) {
    patch_allocated(new, old);
    normalize(new, old);
    clear_unused(new, old);
}

fn patch_allocated(new: &mut Value, old: &Value) {
    if needs_cluster_ip(old) && needs_cluster_ip(new) {
        if text(new, "clusterIP").is_empty() {
            keep(new, old, "clusterIP");
        }
        if list(new, "clusterIPs").is_empty() && new["clusterIP"] == old["clusterIP"] {
            keep(new, old, "clusterIPs");
        }
    }
    if needs_node_ports(old) && needs_node_ports(new) {
        let used: BTreeSet<i64> = list(new, "ports").iter().filter_map(|port| int(port, "nodePort")).collect();
        for port in items_mut(new, "ports") {
            let stored = list(old, "ports").iter().find(|stored| text(stored, "name") == text(port, "name"));
            let number = stored.and_then(|stored| int(stored, "nodePort")).unwrap_or(0);
            if int(port, "nodePort").unwrap_or(0) == 0 && number != 0 && !used.contains(&number) {
                set(port, "nodePort", number);
            }
        }
    }
    if needs_health_check(old) && needs_health_check(new) && int(new, "healthCheckNodePort").unwrap_or(0) == 0 {
        keep(new, old, "healthCheckNodePort");
    }
}

fn normalize(new: &mut Value, old: &Value) {
    let same_address = text(new, "clusterIP") == text(old, "clusterIP");
    let same_addresses = same(&new["clusterIPs"], &old["clusterIPs"]);
    if !same_address && same_addresses {
        match text(new, "clusterIP").to_owned() {
            address if address.is_empty() => remove(new, "clusterIPs"),
            address => set(new, "clusterIPs", json!([address])),
        }
    } else if same_address && !same_addresses && list(new, "clusterIPs").is_empty() {
        remove(new, "clusterIP");
    } else if list(new, "clusterIPs").is_empty() {
        normalize_new(new);
    }
}

fn clear_unused(new: &mut Value, old: &Value) {
    let clear = |new: &mut Value, keys: &[&str]| {
        for key in keys {
            if same(&new[*key], &old[*key]) {
                remove(new, key);
            }
        }
    };
    if needs_cluster_ip(old) && !needs_cluster_ip(new) {
        clear(new, &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
    }
    if needs_node_ports(old) && !needs_node_ports(new) {
        let numbers = |spec: &Value| -> Vec<i64> {
            list(spec, "ports").iter().map(|port| int(port, "nodePort").unwrap_or(0)).collect()
        };
        if numbers(new) == numbers(old) {
            items_mut(new, "ports").for_each(|port| remove(port, "nodePort"));
        }
    }
    if needs_health_check(old) && !needs_health_check(new) {
        clear(new, &["healthCheckNodePort"]);
    }
    if is_externally_accessible(old) && !is_externally_accessible(new) {
        clear(new, &["externalTrafficPolicy"]);
    }
    if text(old, "type") == "LoadBalancer" && text(new, "type") != "LoadBalancer" {
        clear(new, &["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
}
