//! The slices that mirror an Endpoints object. Pure.

use crate::endpoints::Subsets;
use crate::endpointslice::plan::{MANAGED_BY, Plan, SERVICE_NAME};
use crate::objects::{Labels, annotation, controller_reference, is_terminating, name};
use crate::trigger_time::LAST_CHANGE;
use k8s_openapi::api::core::v1::{self, EndpointAddress, Endpoints, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::net::IpAddr;
use std::sync::Arc;

/// This controller's value of the label that says who manages a slice, the same as upstream's.
pub const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
/// Addresses of one subset that are mirrored (upstream: `--mirroring-max-endpoints-per-subset`); an event tells of others.
pub const ADDRESSES_MAX: usize = 1000;
/// Label by which a writer of Endpoints says that it writes slices, too.
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Annotation of Endpoints that are a lock and no endpoints at all.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// Annotation of kubectl, which says nothing about the slices.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What to change, and what could not be mirrored.
#[derive(Debug, Default, PartialEq)]
pub struct Mirror {
    /// Slices to make, change and delete.
    pub plan: Plan,
    /// Addresses that are none.
    pub invalid: usize,
    /// Addresses beyond [`ADDRESSES_MAX`].
    pub too_many: usize,
}

/// Whether slices are made from this object.
pub fn is_mirrored(service: &Service, endpoints: &Endpoints) -> bool {
    let meta = &endpoints.metadata;
    let skips = meta.labels.as_ref().and_then(|labels| labels.get(SKIP)).is_some_and(|value| value == "true");
    let has_selector = service.spec.as_ref().is_some_and(|spec| spec.selector.is_some());
    !skips && !has_selector && annotation(meta, LEADER).is_none()
}

/// Compares an Endpoints object with the slices that mirror it: one slice a subset and address family.
pub fn mirror(endpoints: &Endpoints, existing: &[Arc<EndpointSlice>]) -> Mirror {
    let mut mirror = Mirror::default();
    let mut left: Vec<Arc<EndpointSlice>> = existing.to_vec();
    for (family, ports, wanted) in wanted(endpoints, &mut mirror) {
        let is_same = |slice: &Arc<EndpointSlice>| {
            slice.address_type == family && slice.ports.as_deref().unwrap_or_default() == ports
        };
        let own = left.iter().position(is_same).map(|index| left.swap_remove(index));
        let slice = slice(endpoints, family, ports, wanted);
        match own {
            Some(own)
                if own.endpoints == slice.endpoints
                    && own.metadata.labels == slice.metadata.labels
                    && own.metadata.annotations == slice.metadata.annotations => {}
            Some(own) => mirror.plan.update.push(taking_the_place_of(&own, slice)),
            None if !is_terminating(&endpoints.metadata) => mirror.plan.create.push(slice),
            None => {}
        }
    }
    // What is not needed any more becomes what is, as far as the family allows.
    for spare in left {
        match mirror.plan.create.iter().position(|new| new.address_type == spare.address_type) {
            Some(index) => {
                let new = mirror.plan.create.swap_remove(index);
                mirror.plan.update.push(taking_the_place_of(&spare, new));
            }
            None => mirror.plan.delete.push(name(&spare.metadata).to_owned()),
        }
    }
    mirror
}

/// Endpoints by family and ports.
fn wanted(endpoints: &Endpoints, mirror: &mut Mirror) -> Vec<(&'static str, Vec<EndpointPort>, Vec<Endpoint>)> {
    let mut subsets = Subsets::default();
    for subset in endpoints.subsets.iter().flatten() {
        let ports = subset.ports.as_deref().filter(|ports| !ports.is_empty());
        let ports: Vec<_> = ports.map_or_else(|| vec![None], |ports| ports.iter().cloned().map(Some).collect());
        for port in ports {
            let both = [(&subset.addresses, true), (&subset.not_ready_addresses, false)];
            for (addresses, ready) in both {
                addresses.iter().flatten().for_each(|address| subsets.add(port.clone(), address, ready));
            }
        }
    }
    let mut wanted = Vec::new();
    for subset in subsets.pack() {
        let (mut four, mut six) = (Vec::new(), Vec::new());
        let both = [(subset.addresses, true), (subset.not_ready_addresses, false)];
        for (addresses, ready) in both {
            for address in addresses.into_iter().flatten() {
                if four.len() + six.len() >= ADDRESSES_MAX {
                    mirror.too_many += 1;
                    continue;
                }
                match address.ip.parse() {
                    Ok(IpAddr::V4(_)) => four.push(endpoint(address, ready)),
                    Ok(IpAddr::V6(_)) => six.push(endpoint(address, ready)),
                    Err(_) => mirror.invalid += 1,
                }
            }
        }
        let ports: Vec<EndpointPort> = subset.ports.into_iter().flatten().map(port).collect();
        let families = [("IPv4", four), ("IPv6", six)].into_iter().filter(|(_, endpoints)| !endpoints.is_empty());
        wanted.extend(families.map(|(family, endpoints)| (family, ports.clone(), endpoints)));
    }
    wanted
}

fn endpoint(address: EndpointAddress, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip],
        conditions: Some(EndpointConditions { ready: Some(ready), ..EndpointConditions::default() }),
        hostname: address.hostname.filter(|name| !name.is_empty()),
        node_name: address.node_name,
        target_ref: address.target_ref,
        ..Endpoint::default()
    }
}

fn port(port: v1::EndpointPort) -> EndpointPort {
    EndpointPort {
        name: Some(port.name.unwrap_or_default()),
        port: Some(port.port),
        protocol: port.protocol,
        app_protocol: port.app_protocol,
    }
}

fn slice(endpoints: &Endpoints, family: &str, ports: Vec<EndpointPort>, wanted: Vec<Endpoint>) -> EndpointSlice {
    let meta = &endpoints.metadata;
    let mut labels: Labels = meta.labels.clone().unwrap_or_default();
    labels.insert(SERVICE_NAME.to_owned(), name(meta).to_owned());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    let mut annotations = meta.annotations.clone().unwrap_or_default();
    annotations.retain(|key, _| key != LAST_CHANGE && key != LAST_APPLIED);
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", name(meta))),
            namespace: meta.namespace.clone(),
            labels: Some(labels),
            annotations: (!annotations.is_empty()).then_some(annotations),
            owner_references: Some(vec![controller_reference(endpoints)]),
            ..ObjectMeta::default()
        },
        address_type: family.to_owned(),
        ports: Some(ports),
        endpoints: Some(wanted),
    }
}

fn taking_the_place_of(old: &EndpointSlice, new: EndpointSlice) -> EndpointSlice {
    let ObjectMeta { labels, annotations, owner_references, .. } = new.metadata;
    EndpointSlice { metadata: ObjectMeta { labels, annotations, owner_references, ..old.metadata.clone() }, ..new }
}
