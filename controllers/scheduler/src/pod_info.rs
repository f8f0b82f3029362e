//! What the scheduler needs of a pod, computed once.

use crate::quantity;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;
use std::sync::Arc;

/// CPU that a container without a request counts for in scores, thousandths (upstream: `DefaultMilliCPURequest`).
const DEFAULT_MILLI_CPU: i64 = 100;
/// Memory that a container without a request counts for in scores, bytes (upstream: `DefaultMemoryRequest`).
const DEFAULT_MEMORY_BYTES: i64 = 200 * 1024 * 1024;

/// Amounts of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a CPU.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory_bytes: i64,
    /// Bytes.
    pub ephemeral_storage_bytes: i64,
    /// Everything else by name, whole units.
    pub extended: BTreeMap<String, i64>,
}

impl Resources {
    /// Reads a list of quantities.
    pub fn read(list: Option<&BTreeMap<String, Quantity>>) -> Self {
        let mut resources = Self::default();
        for (name, amount) in list.into_iter().flatten() {
            match name.as_str() {
                "cpu" => resources.milli_cpu = quantity::milli(amount),
                "memory" => resources.memory_bytes = quantity::value(amount),
                "ephemeral-storage" => resources.ephemeral_storage_bytes = quantity::value(amount),
                "pods" => {}
                _ => drop(resources.extended.insert(name.clone(), quantity::value(amount))),
            }
        }
        resources
    }

    /// Adds, or takes away with `sign` -1.
    pub fn add(&mut self, other: &Self, sign: i64) {
        self.milli_cpu += sign * other.milli_cpu;
        self.memory_bytes += sign * other.memory_bytes;
        self.ephemeral_storage_bytes += sign * other.ephemeral_storage_bytes;
        for (name, amount) in &other.extended {
            *self.extended.entry(name.clone()).or_default() += sign * amount;
        }
    }

    fn at_least(&mut self, other: &Self) {
        self.milli_cpu = self.milli_cpu.max(other.milli_cpu);
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
        self.ephemeral_storage_bytes = self.ephemeral_storage_bytes.max(other.ephemeral_storage_bytes);
        for (name, amount) in &other.extended {
            let own = self.extended.entry(name.clone()).or_default();
            *own = (*own).max(*amount);
        }
    }
}

/// A port on the node that a pod claims.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// Empty and `0.0.0.0` mean every address.
    pub address: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The port.
    pub port: i32,
}

impl HostPort {
    /// Whether both cannot be on one node.
    pub fn conflicts(&self, other: &Self) -> bool {
        let wild = |address: &str| address.is_empty() || address == "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (wild(&self.address) || wild(&other.address) || self.address == other.address)
    }
}

/// A pod and what it asks for.
#[derive(Clone, Debug)]
pub struct PodInfo {
    /// The pod as last seen.
    pub pod: Arc<Pod>,
    /// What must fit.
    pub requests: Resources,
    /// What scores count: containers without requests are not free.
    pub scored: Resources,
    /// Ports on the node.
    pub host_ports: Vec<HostPort>,
}

impl PodInfo {
    /// Reads a pod.
    pub fn new(pod: Arc<Pod>) -> Self {
        let empty = PodSpec::default();
        let spec = pod.spec.as_ref().unwrap_or(&empty);
        let requests = total(spec, container_requests);
        let scored = total(spec, |container| {
            let mut requests = container_requests(container);
            if !asks_for(container, "cpu") {
                requests.milli_cpu = DEFAULT_MILLI_CPU;
            }
            if !asks_for(container, "memory") {
                requests.memory_bytes = DEFAULT_MEMORY_BYTES;
            }
            requests
        });
        let host_ports = host_ports(spec);
        Self { requests, scored, host_ports, pod }
    }

    /// The spec; empty for a pod without one.
    pub fn spec(&self) -> &PodSpec {
        static EMPTY: std::sync::LazyLock<PodSpec> = std::sync::LazyLock::new(PodSpec::default);
        self.pod.spec.as_ref().unwrap_or(&EMPTY)
    }

    /// Whether the other is the same pod with nothing changed that a decision looks at.
    pub fn asks_for_the_same(&self, other: &Self) -> bool {
        self.pod.spec == other.pod.spec && self.pod.metadata.labels == other.pod.metadata.labels
    }

    /// Higher goes first.
    pub fn priority(&self) -> i32 {
        self.spec().priority.unwrap_or(0)
    }

    /// The node that it was bound to; empty before.
    pub fn node_name(&self) -> &str {
        self.spec().node_name.as_deref().unwrap_or_default()
    }

    /// The uid; empty for a pod that no server sent.
    pub fn uid(&self) -> &str {
        self.pod.metadata.uid.as_deref().unwrap_or_default()
    }
}

/// Containers run together, ordinary init containers one after another before them, sidecars from their turn on
/// (upstream: `resourcehelper.PodRequests`).
fn total(spec: &PodSpec, requests: impl Fn(&Container) -> Resources) -> Resources {
    let mut sum = Resources::default();
    for container in &spec.containers {
        sum.add(&requests(container), 1);
    }
    let mut sidecars = Resources::default();
    let mut peak = Resources::default();
    for container in spec.init_containers.iter().flatten() {
        let mut own = requests(container);
        if container.restart_policy.as_deref() == Some("Always") {
            sum.add(&own, 1);
            sidecars.add(&own, 1);
            peak.at_least(&sidecars);
        } else {
            own.add(&sidecars, 1);
            peak.at_least(&own);
        }
    }
    sum.at_least(&peak);
    if let Some(pod_level) = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()) {
        let pod_level = Resources::read(Some(pod_level));
        sum.at_least(&pod_level);
    }
    sum.add(&Resources::read(spec.overhead.as_ref()), 1);
    sum
}

fn container_requests(container: &Container) -> Resources {
    Resources::read(container.resources.as_ref().and_then(|resources| resources.requests.as_ref()))
}

fn asks_for(container: &Container, resource: &str) -> bool {
    let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    requests.is_some_and(|requests| requests.contains_key(resource))
}

fn host_ports(spec: &PodSpec) -> Vec<HostPort> {
    let containers = spec.containers.iter().chain(
        spec.init_containers.iter().flatten().filter(|container| container.restart_policy.as_deref() == Some("Always")),
    );
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| {
            Some(HostPort {
                address: port.host_ip.clone().unwrap_or_default(),
                protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
                port: port.host_port.filter(|port| *port > 0)?,
            })
        })
        .collect()
}
