//! The slices that a Service should have. Pure.

use crate::objects::{controller_reference, is_finished, is_terminating, name, ready_condition, reference};
use k8s_openapi::api::core::v1::{ContainerPort, Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Label with the Service's name.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label with who manages a slice.
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// This controller's value of [`MANAGED_BY`], the same as upstream's.
pub const MANAGER: &str = "endpointslice-controller.k8s.io";
/// Label of what belongs to a headless Service.
pub const HEADLESS: &str = "service.kubernetes.io/headless";
/// Endpoints of one slice (upstream: `--max-endpoints-per-slice`).
pub const ENDPOINTS_MAX: usize = 100;

/// What to change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// New slices.
    pub create: Vec<EndpointSlice>,
    /// Slices with new contents.
    pub update: Vec<EndpointSlice>,
    /// Names of slices that are not needed any more.
    pub delete: Vec<String>,
}

/// Compares what the pods ask for with the slices that exist. Slices keep what they can: an endpoint that is in one
/// stays there.
pub fn plan(
    service: &Service,
    pods: &[Arc<Pod>],
    existing: &[Arc<EndpointSlice>],
    zone: impl Fn(&str) -> Option<String>,
) -> Plan {
    let mut plan = Plan::default();
    let mut left: Vec<Arc<EndpointSlice>> = existing.to_vec();
    for ((family, ports), mut endpoints) in wanted(service, pods, zone) {
        endpoints.sort_by(|one, other| one.addresses.cmp(&other.addresses));
        let ports: Vec<EndpointPort> = ports.into_iter().map(|port| port.0).collect();
        let (same, others) = left.into_iter().partition(|slice: &Arc<EndpointSlice>| {
            slice.address_type == family && slice.ports.as_deref().unwrap_or_default() == ports
        });
        left = others;
        fill(service, &family, &ports, endpoints, same, &mut plan);
    }
    // Slices for ports that nobody serves any more are used again before new ones are made.
    for spare in left {
        match plan.create.pop() {
            Some(new) => plan.update.push(EndpointSlice { metadata: spare.metadata.clone(), ..new }),
            None => plan.delete.push(name(&spare.metadata).to_owned()),
        }
    }
    plan
}

/// An order for ports, so that they can be a map's key.
#[derive(Clone, Debug, PartialEq)]
struct Port(EndpointPort);

impl Port {
    fn key(&self) -> (&Option<String>, Option<i32>, &Option<String>) {
        (&self.0.name, self.0.port, &self.0.protocol)
    }
}

impl Eq for Port {}

impl PartialOrd for Port {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Port {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// Endpoints by address family and resolved ports.
fn wanted(
    service: &Service,
    pods: &[Arc<Pod>],
    zone: impl Fn(&str) -> Option<String>,
) -> BTreeMap<(String, Vec<Port>), Vec<Endpoint>> {
    let spec = service.spec.clone().unwrap_or_default();
    let publish = spec.publish_not_ready_addresses.unwrap_or(false);
    let families = spec.ip_families.unwrap_or_else(|| vec!["IPv4".to_owned()]);
    let mut wanted: BTreeMap<(String, Vec<Port>), Vec<Endpoint>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !is_finished(pod)) {
        for family in &families {
            let Some(address) = address(pod, family) else { continue };
            let ports = spec.ports.iter().flatten().filter_map(|port| resolve(pod, port)).map(Port).collect();
            wanted.entry((family.clone(), ports)).or_default().push(Endpoint {
                zone: pod.spec.as_ref().and_then(|spec| zone(spec.node_name.as_deref()?)),
                ..endpoint(service, pod, address, publish)
            });
        }
    }
    if wanted.is_empty() {
        // A Service without pods has an empty slice, so that watchers know it is known.
        for family in families {
            wanted.insert((family, Vec::new()), Vec::new());
        }
    }
    wanted
}

fn fill(
    service: &Service,
    family: &str,
    ports: &[EndpointPort],
    mut endpoints: Vec<Endpoint>,
    slices: Vec<Arc<EndpointSlice>>,
    plan: &mut Plan,
) {
    let mut kept: Vec<(Arc<EndpointSlice>, Vec<Endpoint>)> = Vec::new();
    for slice in slices {
        let before = slice.endpoints.as_deref().unwrap_or_default();
        let stays = |endpoint: &Endpoint| before.iter().any(|old| old.addresses == endpoint.addresses);
        let (own, others) = endpoints.into_iter().partition(stays);
        endpoints = others;
        kept.push((slice, own));
    }
    let mut rest = endpoints.into_iter().peekable();
    for (_, own) in &mut kept {
        while own.len() < ENDPOINTS_MAX && rest.peek().is_some() {
            own.extend(rest.next());
        }
    }
    let is_placeholder = rest.peek().is_none() && kept.iter().all(|(_, own)| own.is_empty());
    let exists = !kept.is_empty();
    for (index, (slice, mut own)) in kept.into_iter().enumerate() {
        if own.is_empty() && !(is_placeholder && index == 0) {
            plan.delete.push(name(&slice.metadata).to_owned());
            continue;
        }
        own.sort_by(|one, other| one.addresses.cmp(&other.addresses));
        let mut before = slice.endpoints.clone().unwrap_or_default();
        before.sort_by(|one, other| one.addresses.cmp(&other.addresses));
        let labels = Some(labels(service));
        if before != own || slice.metadata.labels != labels {
            let mut slice = EndpointSlice { endpoints: Some(own), ..slice.as_ref().clone() };
            slice.metadata.labels = labels;
            plan.update.push(slice);
        }
    }
    if is_placeholder && !exists {
        plan.create.push(new_slice(service, family, ports, Vec::new()));
    }
    while rest.peek().is_some() {
        plan.create.push(new_slice(service, family, ports, rest.by_ref().take(ENDPOINTS_MAX).collect()));
    }
}

fn new_slice(service: &Service, family: &str, ports: &[EndpointPort], endpoints: Vec<Endpoint>) -> EndpointSlice {
    let service_name = name(&service.metadata);
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: Some(format!("{service_name}-")),
            namespace: service.metadata.namespace.clone(),
            labels: Some(labels(service)),
            owner_references: Some(vec![controller_reference(service)]),
            ..ObjectMeta::default()
        },
        address_type: family.to_owned(),
        ports: Some(ports.to_vec()),
        endpoints: Some(endpoints),
    }
}

/// A slice carries the labels of its Service, and those that say whose it is.
fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(SERVICE_NAME.to_owned(), name(&service.metadata).to_owned());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    if is_headless(service) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels
}

/// Whether clients look the pods' addresses up instead of going through one of the Service's own.
pub fn is_headless(service: &Service) -> bool {
    service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None")
}

/// The pod's address of this family.
pub fn address(pod: &Pod, family: &str) -> Option<String> {
    let is_family = |ip: &String| if family == "IPv6" { ip.contains(':') } else { ip.contains('.') };
    let status = pod.status.as_ref()?;
    status.pod_ips.iter().flatten().map(|ip| &ip.ip).chain(status.pod_ip.as_ref()).find(|ip| is_family(ip)).cloned()
}

/// The number of the port behind a Service's port; a name is looked up among the pod's containers.
pub fn port_number(pod: &Pod, port: &ServicePort) -> Option<i32> {
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    match &port.target_port {
        None | Some(IntOrString::Int(0)) => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(wanted)) => {
            let containers = pod.spec.as_ref()?.containers.iter();
            let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
            let same = |found: &&ContainerPort| {
                found.name.as_ref() == Some(wanted) && found.protocol.as_deref().unwrap_or("TCP") == protocol
            };
            Some(ports.find(same)?.container_port)
        }
    }
}

fn resolve(pod: &Pod, port: &ServicePort) -> Option<EndpointPort> {
    Some(EndpointPort {
        name: Some(port.name.clone().unwrap_or_default()),
        port: Some(port_number(pod, port)?),
        protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
        app_protocol: port.app_protocol.clone(),
    })
}

/// The name that a pod has in the Service's domain: one that names this Service as its subdomain has a DNS name.
pub fn hostname(service: &Service, pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref().filter(|spec| spec.subdomain == service.metadata.name)?;
    spec.hostname.clone().filter(|name| !name.is_empty())
}

fn endpoint(service: &Service, pod: &Pod, address: String, publish_unready: bool) -> Endpoint {
    let terminating = is_terminating(&pod.metadata);
    let serving = ready_condition(pod).is_some();
    Endpoint {
        addresses: vec![address],
        hostname: hostname(service, pod),
        conditions: Some(EndpointConditions {
            ready: Some(publish_unready || (serving && !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        node_name: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        target_ref: Some(reference(pod)),
        ..Endpoint::default()
    }
}
