//! What `fieldRef` and `resourceFieldRef` say: parts of the pod as text. Pure.

use crate::options::Capacity;
use crate::quantity;
use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};
use std::collections::BTreeMap;

/// What a pod's fields show that its object may not say yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The node's.
    pub host_ips: Vec<String>,
    /// The pod's, the main one first.
    pub pod_ips: Vec<String>,
}

/// The field's value.
///
/// # Errors
/// The path names nothing that can be shown; upstream's words.
pub fn field(pod: &Pod, addresses: &Addresses, path: &str) -> Result<String, String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    let subscript = |prefix: &str| path.strip_prefix(prefix)?.strip_suffix("']").map(str::to_owned);
    if let Some(key) = subscript("metadata.labels['") {
        return Ok(text(meta.labels.as_ref().and_then(|labels| labels.get(&key))));
    }
    if let Some(key) = subscript("metadata.annotations['") {
        return Ok(text(meta.annotations.as_ref().and_then(|annotations| annotations.get(&key))));
    }
    Ok(match path {
        "metadata.name" => text(meta.name.as_ref()),
        "metadata.namespace" => text(meta.namespace.as_ref()),
        "metadata.uid" => text(meta.uid.as_ref()),
        "metadata.labels" => format_map(meta.labels.as_ref()),
        "metadata.annotations" => format_map(meta.annotations.as_ref()),
        "spec.nodeName" => text(spec.and_then(|spec| spec.node_name.as_ref())),
        "spec.serviceAccountName" => text(spec.and_then(|spec| spec.service_account_name.as_ref())),
        "status.hostIP" => text(addresses.host_ips.first()),
        "status.hostIPs" => addresses.host_ips.join(","),
        "status.podIP" => text(addresses.pod_ips.first()),
        "status.podIPs" => addresses.pod_ips.join(","),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// The container's request or limit in units of the divisor, rounded up; a limit that is not set is what the node has.
///
/// # Errors
/// There is no such container or resource; upstream's words.
pub fn resource(
    pod: &Pod,
    container: &str,
    selector: &ResourceFieldSelector,
    capacity: &Capacity,
) -> Result<String, String> {
    let name = selector.container_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(container);
    let container = find(pod, name).ok_or_else(|| format!("container {name} not found"))?;
    let unsupported = || format!("unsupported container resource : {}", selector.resource);
    let (kind, resource) = selector.resource.split_once('.').ok_or_else(unsupported)?;
    let resources = container.resources.clone().unwrap_or_default();
    let list = match kind {
        "limits" => resources.limits,
        "requests" => resources.requests,
        _ => return Err(unsupported()),
    };
    let set = list.as_ref().and_then(|list| list.get(resource)).and_then(|amount| quantity::milli(&amount.0));
    let all = |amount: u64| i128::from(amount) * 1000;
    let whole = match resource {
        "cpu" => i128::from(capacity.milli_cpu),
        "memory" => all(capacity.memory_bytes),
        "ephemeral-storage" => all(capacity.ephemeral_storage_bytes),
        _ if resource.starts_with("hugepages-") => 0,
        _ => return Err(unsupported()),
    };
    let value = match (set, kind) {
        (Some(set), _) if set != 0 => set,
        (_, "limits") => whole,
        _ => 0,
    };
    let divisor =
        selector.divisor.as_ref().and_then(|divisor| quantity::milli(&divisor.0)).filter(|divisor| *divisor > 0);
    Ok(quantity::div_ceil(value, divisor.unwrap_or(1000)).to_string())
}

/// A container of the pod by name, init containers included.
pub fn find<'a>(pod: &'a Pod, name: &str) -> Option<&'a Container> {
    let spec = pod.spec.as_ref()?;
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).find(|container| container.name == name)
}

/// `key="value"` lines by key, values quoted as Go quotes them.
fn format_map(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<String> = map.into_iter().flatten().map(|(key, value)| format!("{key}={}", quote(value))).collect();
    lines.join("\n")
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n", "uid": "u",
            "labels": {"b": "2", "a": "say \"hi\""}},
            "spec": {"nodeName": "node-1", "serviceAccountName": "robot", "containers": [{"name": "c",
                "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}}}]}}))
        .unwrap()
    }

    #[test]
    fn fields_of_the_pod_are_shown_as_text() {
        let addresses = Addresses { host_ips: vec!["1.1.1.1".into()], pod_ips: vec!["2.2.2.2".into(), "fd::2".into()] };
        for (path, want) in [
            ("metadata.name", "p"),
            ("metadata.labels['b']", "2"),
            ("metadata.labels['none']", ""),
            ("metadata.labels", "a=\"say \\\"hi\\\"\"\nb=\"2\""),
            ("spec.nodeName", "node-1"),
            ("spec.serviceAccountName", "robot"),
            ("status.hostIP", "1.1.1.1"),
            ("status.podIP", "2.2.2.2"),
            ("status.podIPs", "2.2.2.2,fd::2"),
        ] {
            assert_eq!(field(&pod(), &addresses, path).unwrap(), want, "{path}");
        }
        assert_eq!(field(&pod(), &addresses, "spec.x").unwrap_err(), "unsupported fieldPath: spec.x");
    }

    #[test]
    fn resources_are_divided_and_rounded_up_and_missing_limits_are_the_nodes() {
        let capacity = Capacity { milli_cpu: 4000, memory_bytes: 1 << 30, ephemeral_storage_bytes: 1, pods: 1 };
        for (name, divisor, want) in [
            ("limits.cpu", None, "2"),
            ("limits.cpu", Some("1m"), "1500"),
            ("limits.memory", None, "1073741824"),
            ("requests.memory", Some("1Mi"), "64"),
            ("requests.cpu", None, "0"),
        ] {
            let mut selector = json!({"resource": name});
            if let Some(divisor) = divisor {
                selector["divisor"] = json!(divisor);
            }
            let selector = serde_json::from_value(selector).unwrap();
            assert_eq!(resource(&pod(), "c", &selector, &capacity).unwrap(), want, "{name}");
        }
    }
}
