//! The Endpoints object that a Service should have. Pure.

use super::subsets::{Subsets, truncate};
use crate::endpointslice::plan::{HEADLESS, address, hostname, is_headless, port_number};
use crate::objects::{Labels, is_finished, is_terminating, ready_condition, reference};
use crate::trigger_time::stamp;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::Arc;

/// Label with who manages the object.
pub const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
/// This controller's value of [`MANAGED_BY`], the same as upstream's.
pub const MANAGER: &str = "endpoint-controller";
/// Annotation of an object that does not hold all addresses.
pub const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

/// The object to write, if what exists is not as it should be; without a resourceVersion it is a new one.
pub fn plan(
    service: &Service,
    pods: &[Arc<Pod>],
    existing: Option<&Endpoints>,
    changed: Option<Timestamp>,
) -> Option<Endpoints> {
    let mut subsets = subsets(service, pods);
    let is_truncated = truncate(&mut subsets);
    let labels = labels(service);
    if let Some(existing) = existing {
        let annotations = existing.metadata.annotations.as_ref();
        let says_truncated = annotations.is_some_and(|annotations| annotations.contains_key(OVER_CAPACITY));
        let same = existing.subsets.as_deref().unwrap_or_default() == subsets
            && existing.metadata.labels.as_ref() == Some(&labels)
            && says_truncated == is_truncated;
        if same {
            return None;
        }
    }
    let metadata = existing.map(|endpoints| endpoints.metadata.clone()).unwrap_or_else(|| ObjectMeta {
        name: service.metadata.name.clone(),
        namespace: service.metadata.namespace.clone(),
        ..ObjectMeta::default()
    });
    let mut endpoints = Endpoints { metadata, subsets: (!subsets.is_empty()).then_some(subsets) };
    endpoints.metadata.labels = Some(labels);
    let annotations = endpoints.metadata.annotations.get_or_insert_default();
    if is_truncated {
        annotations.insert(OVER_CAPACITY.to_owned(), "truncated".to_owned());
    } else {
        annotations.remove(OVER_CAPACITY);
    }
    stamp(&mut endpoints.metadata, changed);
    Some(endpoints)
}

fn labels(service: &Service) -> Labels {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.remove(HEADLESS);
    if is_headless(service) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

fn subsets(service: &Service, pods: &[Arc<Pod>]) -> Vec<EndpointSubset> {
    let spec = service.spec.clone().unwrap_or_default();
    let publish = spec.publish_not_ready_addresses.unwrap_or(false);
    let ports = spec.ports.unwrap_or_default();
    // Endpoints know one family only, the Service's first.
    let family = spec.ip_families.iter().flatten().next().map_or("IPv4", String::as_str);
    let mut subsets = Subsets::default();
    for pod in pods.iter().filter(|pod| !is_finished(pod) && (publish || !is_terminating(&pod.metadata))) {
        let Some(ip) = address(pod, family) else { continue };
        let address = EndpointAddress {
            ip,
            hostname: hostname(service, pod),
            node_name: Some(pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default()),
            target_ref: Some(reference(pod)),
        };
        let is_ready = publish || ready_condition(pod).is_some();
        if ports.is_empty() && is_headless(service) {
            subsets.add(None, &address, is_ready);
        }
        for port in &ports {
            let Some(number) = port_number(pod, port) else { continue };
            let port = EndpointPort {
                name: port.name.clone().filter(|name| !name.is_empty()),
                port: number,
                protocol: port.protocol.clone(),
                app_protocol: port.app_protocol.clone(),
            };
            subsets.add(Some(port), &address, is_ready);
        }
    }
    subsets.pack()
}
