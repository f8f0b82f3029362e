//! Validation of a pod's status.

use crate::resources::check;
use crate::resources::value::{child, default_absent, existing_mut, has, int, items_mut, list, remove, set, text};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::{Value, json};
use std::net::IpAddr;

/// Conditions of the system, whose names are not qualified.
const SYSTEM_CONDITIONS: &[&str] = &["PodScheduled", "Ready", "Initialized"];

/// Fills in a status: addresses, and what upstream writes of conditions and containers even where it is empty.
pub(super) fn default_status(status: &mut Value) {
    // What upstream's gates keep out by default.
    remove(status, "nodeAllocatableResourceClaimStatuses");
    remove(status, "volumeHealth");
    default_addresses(status);
    for condition in items_mut(status, "conditions") {
        default_absent(condition, "lastProbeTime", Value::Null);
        default_absent(condition, "lastTransitionTime", Value::Null);
    }
    for key in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        for container in items_mut(status, key) {
            for key in ["state", "lastState"] {
                let Some(state) = child(container, key) else { continue };
                if let Some(running) = existing_mut(state, "running") {
                    default_absent(running, "startedAt", Value::Null);
                }
                if let Some(terminated) = existing_mut(state, "terminated") {
                    default_absent(terminated, "exitCode", 0);
                    default_absent(terminated, "startedAt", Value::Null);
                    default_absent(terminated, "finishedAt", Value::Null);
                }
            }
            items_mut(container, "volumeMounts").for_each(|mount| remove(mount, "volumeStatus"));
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
    let conditions = Path::of(&["status", "conditions"]);
    for (index, condition) in list(status, "conditions").iter().enumerate() {
        let kind = text(condition, "type");
        let observed = int(condition, "observedGeneration").unwrap_or(0);
        check::observed_generation(observed, &conditions.index(index).child("observedGeneration"), &mut errors);
        if !SYSTEM_CONDITIONS.contains(&kind) {
            let path = conditions.index(index).child("Type");
            check::qualified_name(kind, &path, &mut errors);
        }
    }
    let path = Path::root("status");
    let observed = int(status, "observedGeneration").unwrap_or(0);
    check::observed_generation(observed, &path.child("observedGeneration"), &mut errors);
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
    if list(status, "podIPs").first().is_some_and(|first| text(first, "ip").is_empty()) {
        let text = "podIP and podIPs must either both be set or both be unset";
        errors.push(invalid_addresses(status, "podIPs", &path.child("podIPs"), text));
    }
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

/// At most one address of each family.
fn validate_addresses(status: &Value, key: &str, path: &Path, errors: &mut ErrorList) {
    let addresses = list(status, key);
    for (index, address) in addresses.iter().enumerate() {
        check::ip(text(address, "ip"), &path.index(index), errors);
    }
    if addresses.len() < 2 {
        return;
    }
    let unreadable = addresses.iter().position(|address| text(address, "ip").parse::<IpAddr>().is_err());
    if let Some(index) = unreadable {
        let address = text(&addresses[index], "ip");
        let text = format!("failed to check for dual stack with error:invalid IP[{index}]: {address}");
        errors.push(Error::internal(path, text));
    }
    let six = addresses.iter().filter(|address| text(address, "ip").contains(':')).count();
    if unreadable.is_some() || addresses.len() != 2 || six != 1 {
        let text = "may specify no more than one IP for each IP family";
        errors.push(invalid_addresses(status, key, path, text));
    }
}

/// Shows the addresses by the names that their fields have in Go.
fn invalid_addresses(status: &Value, key: &str, path: &Path, detail: &str) -> Error {
    let shown: Vec<String> =
        list(status, key).iter().map(|address| format!("{{\"IP\":{}}}", Value::from(text(address, "ip")))).collect();
    Error::invalid(path, status[key].clone(), detail).shown(format!("[{}]", shown.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::testing::messages;

    fn refusals(status: Value) -> Vec<String> {
        let old = json!({"spec": {"restartPolicy": "Always"}, "status": {}});
        messages(validate(&json!({ "status": status }), &old))
    }

    // proves: AM-35
    #[test]
    fn addresses_and_generations_are_refused_in_upstreams_words() {
        let ip = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        let family = "may specify no more than one IP for each IP family";
        assert_eq!(refusals(json!({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]})), [""; 0]);
        assert_eq!(
            refusals(json!({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}]})),
            [format!("status.podIPs: Invalid value: [{{\"IP\":\"10.0.0.1\"}},{{\"IP\":\"10.0.0.1\"}}]: {family}")]
        );
        let shown = r#"[{"IP":""},{"IP":"10.0.0.2"}]"#;
        assert_eq!(
            refusals(json!({"podIPs": [{}, {"ip": "10.0.0.2"}]})),
            [
                format!("status.podIPs[0]: Invalid value: \"\": {ip}"),
                "status.podIPs: Internal error: failed to check for dual stack with error:invalid IP[0]: ".to_owned(),
                format!("status.podIPs: Invalid value: {shown}: {family}"),
                format!(
                    "status.podIPs: Invalid value: {shown}: podIP and podIPs must either both be set or both be unset"
                ),
            ]
        );
        assert_eq!(
            refusals(json!({"observedGeneration": -1, "conditions": [{"type": "a", "observedGeneration": -2}]})),
            [
                "status.conditions[0].observedGeneration: Invalid value: -2: must be a non-negative integer",
                "status.observedGeneration: Invalid value: -1: must be a non-negative integer",
            ]
        );
        let unnamed = refusals(json!({"conditions": [{"status": "True"}]}));
        assert_eq!(unnamed[0], "status.conditions[0].Type: Invalid value: \"\": name part must be non-empty");
    }

    // proves: AM-35
    #[test]
    fn what_upstreams_gates_keep_out_of_a_status_is_dropped() {
        let mut status = json!({"phase": "Running", "volumeHealth": [{"name": "v"}],
            "nodeAllocatableResourceClaimStatuses": [{"resourceClaimName": "c"}],
            "containerStatuses": [{"name": "a", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                "state": {}, "lastState": {"terminated": {"exitCode": 1}},
                "volumeMounts": [{"name": "v", "mountPath": "/v", "volumeStatus": {"image": {"imageRef": "r"}}}]}]});
        default_status(&mut status);
        assert_eq!((status.get("volumeHealth"), status.get("nodeAllocatableResourceClaimStatuses")), (None, None));
        let container = &status["containerStatuses"][0];
        assert_eq!(container["volumeMounts"], json!([{"name": "v", "mountPath": "/v"}]));
        assert_eq!(container["lastState"]["terminated"], json!({"exitCode": 1, "startedAt": null, "finishedAt": null}));
    }
}
