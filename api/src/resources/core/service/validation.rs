//! Validation of services.

use super::{is_externally_accessible, is_headless, needs_health_check, ports};
use crate::resources::check;
use crate::resources::value::{annotation, has, int, list, same, text, texts};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

/// Longest time a client may stick to a pod: a day.
const AFFINITY_SECONDS_MAX: i64 = 86_400;

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const ONLY_BALANCED: &str = "may only be used when `type` is 'LoadBalancer'";
const SET_ONCE: &str = "may not change once set";
const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

/// Checks a service.
pub(super) fn validate(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let (spec, path) = (&object["spec"], Path::root("spec"));
    validate_annotations(object, &mut errors);
    validate_type(spec, &path, &mut errors);
    ports::validate(spec, &path.child("ports"), &mut errors);
    check::labels(&spec["selector"], &path.child("selector"), &mut errors);
    validate_affinity(spec, &path, &mut errors);
    validate_addresses(spec, &path, &mut errors);
    for (index, address) in texts(spec, "externalIPs").enumerate() {
        let path = path.child("externalIPs").index(index);
        let before = errors.len();
        check::ip(address, &path, &mut errors);
        if errors.len() == before {
            check::ordinary_ip(address, &path, &mut errors);
        }
    }
    check::required_one_of(text(spec, "type"), TYPES, &path.child("type"), &mut errors);
    ports::validate_uniqueness(spec, &path.child("ports"), &mut errors);
    validate_source_ranges(object, &path, &mut errors);
    validate_balancer(spec, &path, &mut errors);
    validate_traffic(spec, &path, &mut errors);
    errors
}

/// Checks a change of a service.
pub(super) fn validate_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let (spec, stored, path) = (&new["spec"], &old["spec"], Path::root("spec"));
    // Upstream allocates before it compares, and gives up on what it cannot read.
    check::one_of(text(spec, "type"), TYPES, &path.child("type"), &mut errors);
    validate_addresses(spec, &path, &mut errors);
    if !errors.is_empty() {
        return errors;
    }
    let named = text(spec, "type") == "ExternalName" || text(stored, "type") == "ExternalName";
    let headless = [is_headless(spec), is_headless(stored)];
    if !named && headless != [true, true] {
        validate_set_once(spec, stored, "clusterIPs", "clusterIP", &path, &mut errors);
    }
    if !named && headless == [false, false] {
        validate_set_once(spec, stored, "ipFamilies", "ipFamily", &path, &mut errors);
    }
    let balanced = |spec: &Value| text(spec, "type") == "LoadBalancer";
    if balanced(spec) && balanced(stored) && !same(&spec["loadBalancerClass"], &stored["loadBalancerClass"]) {
        let class = spec["loadBalancerClass"].clone();
        errors.push(Error::invalid(&path.child("loadBalancerClass"), class, SET_ONCE));
    }
    let port = |spec: &Value| int(spec, "healthCheckNodePort").unwrap_or(0);
    if needs_health_check(spec) && needs_health_check(stored) && port(spec) != port(stored) {
        errors.push(Error::forbidden(&path.child("healthCheckNodePort"), check::IMMUTABLE));
    }
    errors.append(validate(new));
    errors
}

/// Checks a write through `status`.
pub(super) fn validate_status(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::of(&["status", "loadBalancer", "ingress"]);
    let ingress = list(&object["status"]["loadBalancer"], "ingress");
    if text(&object["spec"], "type") != "LoadBalancer" && !ingress.is_empty() {
        let text = "may only be used when `spec.type` is 'LoadBalancer'";
        errors.push(Error::forbidden(&path, text));
        return errors;
    }
    for (index, ingress) in ingress.iter().enumerate() {
        let path = path.index(index);
        let (ip, host) = (text(ingress, "ip"), text(ingress, "hostname"));
        if !ip.is_empty() {
            check::ip(ip, &path.child("ip"), &mut errors);
        }
        match ingress["ipMode"].as_str() {
            None if !ip.is_empty() => {
                errors.push(Error::required(&path.child("ipMode"), "must be specified when `ip` is set"));
            }
            Some(_) if ip.is_empty() => {
                errors.push(Error::forbidden(&path.child("ipMode"), "may not be specified when `ip` is not set"));
            }
            Some(mode) => check::one_of(mode, &["Proxy", "VIP"], &path.child("ipMode"), &mut errors),
            None => {}
        }
        if !host.is_empty() {
            check::subdomain(host, &path.child("hostname"), &mut errors);
            if host.parse::<std::net::IpAddr>().is_ok() {
                let text = "must be a DNS name, not an IP address";
                errors.push(Error::invalid(&path.child("hostname"), host, text));
            }
        }
    }
    errors
}

fn validate_annotations(object: &Value, errors: &mut ErrorList) {
    if let (Some(hints), Some(mode)) = (annotation(object, HINTS), annotation(object, MODE))
        && hints != mode
    {
        let path = Path::of(&["metadata", "annotations"]).key(MODE);
        let text = format!("must match annotations[{HINTS}] when both are specified");
        errors.push(Error::invalid(&path, mode, text));
    }
}

fn validate_type(spec: &Value, path: &Path, errors: &mut ErrorList) {
    match text(spec, "type") {
        kind @ ("LoadBalancer" | "NodePort") if is_headless(spec) => {
            let text = format!("may not be set to 'None' for {kind} services");
            errors.push(Error::invalid(&path.child("clusterIPs").index(0), "None", text));
        }
        "ExternalName" => {
            for key in ["clusterIPs", "ipFamilies"] {
                if !list(spec, key).is_empty() {
                    errors.push(Error::forbidden(&path.child(key), "may not be set for ExternalName services"));
                }
            }
            if has(spec, "ipFamilyPolicy") {
                let path = path.child("ipFamilyPolicy");
                errors.push(Error::forbidden(&path, "may not be set for ExternalName services"));
            }
            let name = text(spec, "externalName");
            match name.strip_suffix('.').unwrap_or(name) {
                "" => errors.push(Error::required(&path.child("externalName"), "")),
                name => check::subdomain(name, &path.child("externalName"), errors),
            }
        }
        _ => {}
    }
}

fn validate_affinity(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let affinity = text(spec, "sessionAffinity");
    check::required_one_of(affinity, &["ClientIP", "None"], &path.child("sessionAffinity"), errors);
    let path = path.child("sessionAffinityConfig");
    let config = &spec["sessionAffinityConfig"];
    if affinity == "None" && !config.is_null() {
        errors.push(Error::forbidden(&path, "must not be set when session affinity is None"));
    }
    if affinity != "ClientIP" {
        return;
    }
    let required = "when session affinity type is ClientIP";
    let client = path.child("clientIP");
    let seconds = client.child("timeoutSeconds");
    if config.is_null() {
        errors.push(Error::required(&path, required));
    } else if !has(config, "clientIP") {
        errors.push(Error::required(&client, required));
    } else {
        match int(&config["clientIP"], "timeoutSeconds") {
            None => errors.push(Error::required(&seconds, required)),
            Some(value) if !(1..=AFFINITY_SECONDS_MAX).contains(&value) => {
                let text = format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}");
                errors.push(Error::invalid(&seconds, value, text));
            }
            Some(_) => {}
        }
    }
}

/// `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy` have to fit together.
fn validate_addresses(spec: &Value, path: &Path, errors: &mut ErrorList) {
    if text(spec, "type") == "ExternalName" {
        return;
    }
    let (all_path, families_path) = (path.child("clusterIPs"), path.child("ipFamilies"));
    let address = text(spec, "clusterIP");
    let addresses: Vec<&str> = texts(spec, "clusterIPs").collect();
    let all = || spec["clusterIPs"].clone();
    match (address, addresses.first()) {
        ("", Some(_)) => {
            errors.push(Error::invalid(&all_path, all(), "must be empty when `clusterIP` is not specified"));
        }
        ("", None) => {}
        (_, None) => errors.push(Error::required(&all_path, "")),
        (address, Some(first)) if address != *first => {
            errors.push(Error::invalid(&all_path, all(), "first value must match `clusterIP`"));
        }
        _ => {}
    }
    let families: Vec<&str> = texts(spec, "ipFamilies").collect();
    for (index, family) in families.iter().enumerate() {
        let path = families_path.index(index);
        check::one_of(family, &["IPv4", "IPv6"], &path, errors);
        if families[..index].contains(family) {
            errors.push(Error::duplicate(&path, *family));
        }
    }
    if has(spec, "ipFamilyPolicy") {
        let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        check::one_of(text(spec, "ipFamilyPolicy"), &policies, &path.child("ipFamilyPolicy"), errors);
    }
    let before = errors.len();
    for (index, address) in addresses.iter().enumerate() {
        if index == 0 && *address == "None" {
            if addresses.len() > 1 {
                errors.push(Error::invalid(&all_path, all(), "'None' must be the first and only value"));
            }
        } else {
            check::ip(address, &all_path.index(index), errors);
        }
    }
    let invalid = errors.len() > before;
    if addresses.len() > 2 {
        errors.push(Error::invalid(&all_path, all(), "may only hold up to 2 values"));
    }
    if invalid {
        return;
    }
    if addresses.len() > 1 && addresses.iter().filter(|address| address.contains(':')).count() != 1 {
        let text = "may specify no more than one IP for each IP family";
        errors.push(Error::invalid(&all_path, all(), text));
    }
    if is_headless(spec) {
        return;
    }
    for (index, (address, family)) in addresses.iter().zip(&families).enumerate() {
        let actual = if address.contains(':') { "IPv6" } else { "IPv4" };
        if matches!(*family, "IPv4" | "IPv6") && *family != actual {
            let text = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            errors.push(Error::invalid(&all_path.index(index), *address, text));
        }
    }
}

fn validate_source_ranges(object: &Value, path: &Path, errors: &mut ErrorList) {
    let spec = &object["spec"];
    let balanced = text(spec, "type") == "LoadBalancer";
    let ranges: Vec<&str> = texts(spec, "loadBalancerSourceRanges").collect();
    if !ranges.is_empty() {
        let path = path.child("LoadBalancerSourceRanges");
        if !balanced {
            errors.push(Error::forbidden(&path, ONLY_BALANCED));
        }
        for (index, range) in ranges.into_iter().enumerate() {
            check::cidr(range.trim(), &path.index(index), errors);
        }
    } else if let Some(ranges) = annotation(object, SOURCE_RANGES) {
        let path = Path::of(&["metadata", "annotations"]).key(SOURCE_RANGES);
        if !balanced {
            errors.push(Error::forbidden(&path, ONLY_BALANCED));
        }
        if !ranges.trim().is_empty() {
            ranges.split(',').for_each(|range| check::cidr(range.trim(), &path, errors));
        }
    }
}

fn validate_balancer(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let balanced = text(spec, "type") == "LoadBalancer";
    match (balanced, has(spec, "allocateLoadBalancerNodePorts")) {
        (false, true) => errors.push(Error::forbidden(&path.child("allocateLoadBalancerNodePorts"), ONLY_BALANCED)),
        (true, false) => errors.push(Error::required(&Path::root("allocateLoadBalancerNodePorts"), "")),
        _ => {}
    }
    if has(spec, "loadBalancerClass") {
        let path = path.child("loadBalancerClass");
        if balanced {
            check::qualified_name(text(spec, "loadBalancerClass"), &path, errors);
        } else {
            errors.push(Error::forbidden(&path, ONLY_BALANCED));
        }
    }
}

fn validate_traffic(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let (policy, policy_path) = (text(spec, "externalTrafficPolicy"), path.child("externalTrafficPolicy"));
    if is_externally_accessible(spec) {
        check::required_one_of(policy, &["Cluster", "Local"], &policy_path, errors);
    } else if !policy.is_empty() {
        let text = "may only be set for externally-accessible services";
        errors.push(Error::invalid(&policy_path, policy, text));
    }
    let (port, port_path) = (int(spec, "healthCheckNodePort").unwrap_or(0), path.child("healthCheckNodePort"));
    match (needs_health_check(spec), port) {
        (true, 0) => errors.push(Error::required(&port_path, "")),
        (true, port) => check::port_number(port, &port_path, errors),
        (false, 0) => {}
        (false, port) => {
            let text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.push(Error::invalid(&port_path, port, text));
        }
    }
    let internal = path.child("internalTrafficPolicy");
    if has(spec, "internalTrafficPolicy") {
        check::one_of(text(spec, "internalTrafficPolicy"), &["Cluster", "Local"], &internal, errors);
    } else if matches!(text(spec, "type"), "ClusterIP" | "NodePort" | "LoadBalancer") {
        errors.push(Error::required(&internal, ""));
    }
    if has(spec, "trafficDistribution") {
        let kinds = ["PreferClose", "PreferSameZone", "PreferSameNode"];
        let kind = text(spec, "trafficDistribution");
        if !kinds.contains(&kind) {
            errors.push(Error::not_supported(&path.child("trafficDistribution"), kind, &kinds));
        }
    }
}

/// Of addresses or families, the first stays; a second may come, and go if the policy says `SingleStack`.
fn validate_set_once(new: &Value, old: &Value, key: &'static str, one: &str, path: &Path, errors: &mut ErrorList) {
    let (values, stored) = (list(new, key), list(old, key));
    let key_path = path.child(key);
    let all = || new[key].clone();
    if values.len() == stored.len() {
        for (index, (value, stored)) in values.iter().zip(stored).enumerate() {
            if value != stored {
                let index = if key == "ipFamilies" { 0 } else { index };
                errors.push(Error::invalid(&key_path.index(index), all(), SET_ONCE));
            }
        }
        return;
    }
    if let (Some(value), Some(stored)) = (values.first(), stored.first())
        && value != stored
    {
        errors.push(Error::invalid(&key_path.index(0), all(), SET_ONCE));
    }
    if values.len() < stored.len() {
        if values.is_empty() {
            errors.push(Error::invalid(&key_path.index(0), all(), format!("primary {one} can not be unset")));
        } else if text(new, "ipFamilyPolicy") != "SingleStack" {
            let text = format!("must be set to 'SingleStack' when releasing the secondary {one}");
            let policy = new["ipFamilyPolicy"].clone();
            errors.push(Error::invalid(&path.child("ipFamilyPolicy"), policy, text));
        }
    }
}
