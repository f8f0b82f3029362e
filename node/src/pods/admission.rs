//! Whether a pod that was bound to this node fits beside those that are here already. Pure.
//!
//! The scheduler has looked before, unless the pod names its node itself, or two schedulers did not know of one another.

mod placement;

use super::observed::is_sidecar;
use super::unsupported::Refusal;
use crate::options::Capacity;
use crate::quantity;
use k8s_openapi::api::core::v1::{Container, Node, Pod};
use std::collections::BTreeSet;

/// What a node can run out of, in upstream's order; its amounts are thousandths of a CPU, bytes, and bytes.
const RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Why the pod cannot stay, in upstream's words. `others` are the node's pods; those that have ended do not count. Where
/// the `node` is not known, its labels and taints keep nobody away.
pub fn refusal<'a>(
    pod: &Pod,
    others: impl Iterator<Item = &'a Pod> + Clone,
    capacity: &Capacity,
    node: Option<&Node>,
) -> Option<Refusal> {
    let others = others.filter(|other| !has_ended(other));
    placement::another_system(pod)
        .or_else(|| out_of_something(pod, others.clone(), capacity))
        .or_else(|| placement::not_meant_for(pod, node?))
        .or_else(|| taken_ports(pod, others.clone()))
        .or_else(|| placement::not_tolerated(pod, node?))
}

fn out_of_something<'a>(
    pod: &Pod,
    others: impl Iterator<Item = &'a Pod> + Clone,
    capacity: &Capacity,
) -> Option<Refusal> {
    let count = others.clone().count() as u64;
    if count >= capacity.pods {
        return Some(out_of("OutOfpods", "pods", 1, i128::from(count), i128::from(capacity.pods)));
    }
    let all = [capacity.milli_cpu, capacity.memory_bytes, capacity.ephemeral_storage_bytes];
    for ((resource, reason), all) in
        RESOURCES.into_iter().zip(["OutOfcpu", "OutOfmemory", "OutOfephemeral-storage"]).zip(all)
    {
        let requested = request(pod, resource);
        let used: i128 = others.clone().map(|other| request(other, resource)).sum();
        if requested > 0 && requested + used > i128::from(all) {
            return Some(out_of(reason, resource, requested, used, i128::from(all)));
        }
    }
    None
}

fn taken_ports<'a>(pod: &Pod, others: impl Iterator<Item = &'a Pod>) -> Option<Refusal> {
    let wanted = host_ports(pod);
    let taken: BTreeSet<_> = others.flat_map(host_ports).collect();
    let meets = |(protocol, ip, port): &Port| {
        let is_any = |ip: &str| ip == ANY_ADDRESS;
        taken
            .iter()
            .any(|other| (&other.0, &other.2) == (protocol, port) && (is_any(ip) || is_any(&other.1) || *ip == other.1))
    };
    let is_taken = wanted.iter().any(meets);
    is_taken.then(|| predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports"))
}

/// A refusal for one of the reasons for which a scheduler would have passed over the node.
fn predicate(name: &'static str, why: &str) -> Refusal {
    Refusal { reason: name, message: format!("Predicate {name} failed: {why}") }
}

fn out_of(reason: &'static str, resource: &str, requested: i128, used: i128, capacity: i128) -> Refusal {
    let message = format!(
        "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
    );
    Refusal { reason, message }
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// What the pod's containers ask for side by side, or a single init container that asks for more.
fn request(pod: &Pod, resource: &str) -> i128 {
    let Some(spec) = &pod.spec else { return 0 };
    let of_container = |container: &Container| {
        let resources = container.resources.as_ref();
        let asked =
            resources.and_then(|resources| resources.requests.as_ref()?.get(resource)).map(|one| one.0.as_str());
        let amount = if resource == "cpu" { quantity::milli } else { quantity::units };
        asked.and_then(amount).unwrap_or(0)
    };
    let init = || spec.init_containers.iter().flatten();
    let sidecars: i128 = init().filter(|one| is_sidecar(one)).map(of_container).sum();
    let alone = init().filter(|one| !is_sidecar(one)).map(of_container).max().unwrap_or(0);
    (spec.containers.iter().map(of_container).sum::<i128>() + sidecars).max(alone)
}

const ANY_ADDRESS: &str = "0.0.0.0";

/// Protocol, address, port.
type Port = (String, String, i32);

fn host_ports(pod: &Pod) -> Vec<Port> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    let port = |port: &k8s_openapi::api::core::v1::ContainerPort| {
        let number = port.host_port.filter(|number| *number > 0)?;
        let ip = port.host_ip.clone().filter(|ip| !ip.is_empty()).unwrap_or_else(|| ANY_ADDRESS.to_owned());
        Some((port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()), ip, number))
    };
    ports.filter_map(port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(requests: Value, ports: Value) -> Pod {
        let container = json!({"name": "c", "resources": {"requests": requests}, "ports": ports});
        serde_json::from_value(json!({"spec": {"containers": [container]}})).unwrap()
    }

    fn check(pod: &Pod, others: &[Pod]) -> Option<(&'static str, String)> {
        let capacity = Capacity { milli_cpu: 2000, memory_bytes: 1 << 30, ephemeral_storage_bytes: 1 << 30, pods: 3 };
        refusal(pod, others.iter(), &capacity, None).map(|refusal| (refusal.reason, refusal.message))
    }

    #[test]
    fn a_pod_that_does_not_fit_is_refused_in_upstreams_words() {
        let half = || pod(json!({"cpu": "500m", "memory": "512Mi"}), json!([]));
        assert_eq!(check(&half(), &[half()]), None);
        let words = |resource: &str, rest: &str| format!("Node didn't have enough resource: {resource}, {rest}");
        let large = pod(json!({"cpu": "2"}), json!([]));
        let cpu = words("cpu", "requested: 2000, used: 500, capacity: 2000");
        assert_eq!(check(&large, &[half()]), Some(("OutOfcpu", cpu)));
        let mut ended = half();
        ended.status = serde_json::from_value(json!({"phase": "Succeeded"})).unwrap();
        assert_eq!(check(&large, &[ended]), None);
        let memory = words("memory", "requested: 536870912, used: 1073741824, capacity: 1073741824");
        assert_eq!(check(&half(), &[half(), half()]), Some(("OutOfmemory", memory)));
        let small = || pod(json!({}), json!([]));
        let pods = words("pods", "requested: 1, used: 3, capacity: 3");
        assert_eq!(check(&small(), &[small(), small(), small()]), Some(("OutOfpods", pods)));
    }

    #[test]
    fn a_port_of_the_host_is_had_by_one_pod() {
        let port = |port: Value| pod(json!({}), json!([port]));
        let web = port(json!({"containerPort": 80, "hostPort": 8080}));
        let one = port(json!({"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1"}));
        let other = port(json!({"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.2"}));
        let udp = port(json!({"containerPort": 80, "hostPort": 8080, "protocol": "UDP"}));
        assert_eq!(check(&web, std::slice::from_ref(&one)).unwrap().0, "NodePorts");
        assert_eq!(check(&one, std::slice::from_ref(&other)), None);
        assert_eq!(check(&udp, &[web]), None);
    }
}
