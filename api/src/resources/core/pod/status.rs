//! Validation of a pod's status.

use crate::resources::check;
use crate::resources::value::{child, default_absent, has, int, items_mut, list, set, text};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Conditions of the system, whose names are not qualified.
const SYSTEM_CONDITIONS: &[&str] = &["PodScheduled", "Ready", "Initialized"];

/// Fills in a status: addresses, and what upstream writes of conditions and containers even where it is empty.
pub(super) fn default_status(status: &mut Value) {
    default_addresses(status);
    for condition in items_mut(status, "conditions") {
        default_absent(condition, "lastProbeTime", Value::Null);
        default_absent(condition, "lastTransitionTime", Value::Null);
    }
    for key in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        for container in items_mut(status, key) {
            child(container, "state");
            child(container, "lastState");
            default_absent(container, "image", "");
            default_absent(container, "imageID", "");
            default_absent(container, "ready", false);
            default_absent(container, "restartCount", 0);
        }
    }
}

/// `podIP` is the first of `podIPs`; either may be given, and older nodes give only the former.
fn default_addresses(status: &mut Value) {
    let address = text(status, "podIP").to_owned();
    let first = list(status, "podIPs").first().map(|first| text(first, "ip").to_owned());
    match first {
        Some(first) if address.is_empty() => set(status, "podIP", first),
        Some(first) if first == address => {}
        _ if address.is_empty() => {}
        _ => set(status, "podIPs", json!([{ "ip": address }])),
    }
}

/// Who leaves out the observed generation does not clear it, neither that of the status nor those of its conditions.
pub(super) fn keep_observed_generations(new: &mut Value, old: &Value) {
    let observed = |object: &Value| int(object, "observedGeneration").unwrap_or(0);
    if observed(new) == 0 && observed(old) != 0 {
        set(new, "observedGeneration", observed(old));
    }
    let mut stored: Vec<&Value> = list(old, "conditions").iter().collect();
    for condition in items_mut(new, "conditions") {
        let same_kind = stored.iter().position(|it| text(it, "type") == text(condition, "type"));
        let before = same_kind.map_or(0, |index| observed(stored.remove(index)));
        if observed(condition) == 0 && before != 0 {
            set(condition, "observedGeneration", before);
        }
    }
}

/// Checks a write through `status`.
pub(super) fn validate(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let (status, stored) = (&new["status"], &old["status"]);
    // Upstream reports conditions below `metadata`.
    for (index, condition) in list(status, "conditions").iter().enumerate() {
        let kind = text(condition, "type");
        if !SYSTEM_CONDITIONS.contains(&kind) {
            let path = Path::of(&["metadata", "conditions"]).index(index).child("Type");
            check::qualified_name(kind, &path, &mut errors);
        }
    }
    let path = Path::root("status");
    let nominated = text(status, "nominatedNodeName");
    if !nominated.is_empty() && nominated != text(stored, "nominatedNodeName") {
        check::subdomain(nominated, &path.child("nominatedNodeName"), &mut errors);
        if !text(&old["spec"], "nodeName").is_empty() {
            let text = "may not be set on pods that are already bound to a node";
            errors.push(Error::forbidden(&path.child("nominatedNodeName"), text));
        }
    }
    check::immutable(&status["qosClass"], &stored["qosClass"], &path.child("qosClass"), &mut errors);
    let policy = text(&old["spec"], "restartPolicy");
    let sidecar = |name: &str| {
        list(&old["spec"], "initContainers")
            .iter()
            .any(|container| text(container, "name") == name && text(container, "restartPolicy") == "Always")
    };
    validate_transitions("containerStatuses", policy, |_| false, new, old, &mut errors);
    validate_transitions("initContainerStatuses", policy, sidecar, new, old, &mut errors);
    validate_transitions("ephemeralContainerStatuses", "Never", |_| false, new, old, &mut errors);
    validate_addresses(status, "podIPs", &path.child("podIPs"), &mut errors);
    if let Some(first) = list(status, "hostIPs").first() {
        let path = path.child("hostIPs");
        if text(first, "ip") != text(status, "hostIP") {
            let text_ = "must be equal to `hostIP`";
            errors.push(Error::invalid(&path.index(0).child("ip"), text(first, "ip"), text_));
        }
        validate_addresses(status, "hostIPs", &path, &mut errors);
    }
    errors
}

/// What has ended for good does not run again.
fn validate_transitions(
    key: &'static str,
    policy: &str,
    restarts: impl Fn(&str) -> bool,
    new: &Value,
    old: &Value,
    errors: &mut ErrorList,
) {
    if policy == "Always" {
        return;
    }
    for (index, stored) in list(&old["status"], key).iter().enumerate() {
        let terminated = &stored["state"]["terminated"];
        let name = text(stored, "name");
        let failed = int(terminated, "exitCode").unwrap_or(0) != 0;
        if terminated.is_null() || (failed && policy == "OnFailure") || restarts(name) {
            continue;
        }
        for container in list(&new["status"], key) {
            if text(container, "name") == name && !has(&container["state"], "terminated") {
                let path = Path::root("status").child(key).index(index).child("state");
                errors.push(Error::forbidden(&path, "may not be transitioned to non-terminated state"));
            }
        }
    }
}

/// At most one address of each family, none twice.
fn validate_addresses(status: &Value, key: &str, path: &Path, errors: &mut ErrorList) {
    let addresses = list(status, key);
    for (index, address) in addresses.iter().enumerate() {
        check::ip(text(address, "ip"), &path.index(index), errors);
    }
    if addresses.len() < 2 {
        return;
    }
    let six = addresses.iter().filter(|address| text(address, "ip").contains(':')).count();
    if addresses.len() != 2 || six != 1 {
        let text = "may specify no more than one IP for each IP family";
        errors.push(Error::invalid(path, status[key].clone(), text));
    }
    for (index, address) in addresses.iter().enumerate() {
        if addresses[..index].contains(address) {
            errors.push(Error::duplicate(&path.index(index), address.clone()));
        }
    }
}
