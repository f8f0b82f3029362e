//! The `kubernetes` service in `default`, and where it leads: Endpoints and an EndpointSlice of the API servers.
//!
//! Each server adds its own address when it starts and takes it away when it ends in order. The objects are written as a
//! set, so several servers do not tread on each other.

use super::Bootstrap;
use crate::registry::Part;
use api_machinery::status::{Status, reason};
use api_machinery::value;
use serde_json::{Value, json};
use std::net::SocketAddr;

const NAMESPACE: &str = "default";
const NAME: &str = "kubernetes";
/// The port of the service; that of the servers behind it may be another.
const PORT: u16 = 443;

/// Takes the server's address out of the endpoints again; for the end of a server.
pub(super) async fn withdraw(bootstrap: &Bootstrap<'_>, address: SocketAddr) -> Result<(), Status> {
    set_address(bootstrap, address, false).await
}

/// Whether an address means this server on other machines too. One on the loopback interface means another machine on
/// every node; validation refuses it.
pub(super) fn is_advertisable(address: SocketAddr) -> bool {
    !address.ip().is_loopback() && !address.ip().is_unspecified()
}

pub(super) async fn write(bootstrap: &Bootstrap<'_>, advertise: Option<SocketAddr>) -> Result<(), Status> {
    let services = bootstrap.kind("", "services")?;
    let target = advertise.map_or(6443, |address| address.port());
    let address = bootstrap.registry.addresses().first().to_string();
    let service = json!({"kind": "Service", "apiVersion": "v1",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"type": "ClusterIP", "clusterIP": address, "sessionAffinity": "None",
            "ports": [{"name": "https", "port": PORT, "protocol": "TCP", "targetPort": target}]}});
    bootstrap.ensure(services, service).await?;
    ensure_endpoints(bootstrap, advertise).await?;
    match advertise {
        Some(address) if is_advertisable(address) => set_address(bootstrap, address, true).await,
        _ => Ok(()),
    }
}

/// The objects that say where the service leads. They are there, and name nobody, when no server can be reached from
/// other machines.
async fn ensure_endpoints(bootstrap: &Bootstrap<'_>, advertise: Option<SocketAddr>) -> Result<(), Status> {
    let endpoints = json!({"kind": "Endpoints", "apiVersion": "v1",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}});
    bootstrap.ensure(bootstrap.kind("", "endpoints")?, endpoints).await?;
    let is_ipv4 = advertise.map_or(bootstrap.registry.addresses().first().is_ipv4(), |address| address.is_ipv4());
    let slice = json!({"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": NAME}},
        "addressType": if is_ipv4 { "IPv4" } else { "IPv6" }, "endpoints": [],
        "ports": [{"name": "https", "port": advertise.map_or(6443, |address| address.port()), "protocol": "TCP"}]});
    bootstrap.ensure(bootstrap.kind("discovery.k8s.io", "endpointslices")?, slice).await
}

async fn set_address(bootstrap: &Bootstrap<'_>, address: SocketAddr, present: bool) -> Result<(), Status> {
    let ip = address.ip().to_string();
    let cx = bootstrap.cx(NAMESPACE);
    let endpoints = bootstrap.kind("", "endpoints")?;
    let change = |current: &Value| {
        let mut addresses: Vec<Value> = value::items_at(current, &["subsets"])
            .iter()
            .flat_map(|subset| value::items_at(subset, &["addresses"]).to_vec())
            .filter(|known| known["ip"] != ip)
            .collect();
        if present {
            addresses.push(json!({"ip": ip}));
        }
        let mut new = current.clone();
        let ports = json!([{"name": "https", "port": address.port(), "protocol": "TCP"}]);
        let subsets = if addresses.is_empty() { json!([]) } else { json!([{"addresses": addresses, "ports": ports}]) };
        value::set(&mut new, &["subsets"], subsets);
        Ok(new)
    };
    tolerate_absence(bootstrap.registry.update(endpoints, &cx, NAME, Part::Main, change).await.map(|_| ()))?;

    let slices = bootstrap.kind("discovery.k8s.io", "endpointslices")?;
    let change = |current: &Value| {
        let mut addresses: Vec<Value> = value::items_at(current, &["endpoints"])
            .iter()
            .filter(|endpoint| endpoint["addresses"][0] != ip)
            .cloned()
            .collect();
        if present {
            addresses.push(json!({"addresses": [ip], "conditions": {"ready": true}}));
        }
        let mut new = current.clone();
        value::set(&mut new, &["endpoints"], addresses);
        value::set(&mut new, &["ports"], json!([{"name": "https", "port": address.port(), "protocol": "TCP"}]));
        Ok(new)
    };
    tolerate_absence(bootstrap.registry.update(slices, &cx, NAME, Part::Main, change).await.map(|_| ()))
}

/// Somebody may delete the objects at any time; the next run brings them back.
fn tolerate_absence(outcome: Result<(), Status>) -> Result<(), Status> {
    match outcome {
        Err(status) if status.reason == reason::NOT_FOUND => Ok(()),
        outcome => outcome,
    }
}
