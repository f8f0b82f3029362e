//! What a service claims outside itself: its address, and ports of the nodes.

use super::families::default_families;
use super::{INFO, is_headless, needs_cluster_ip, needs_health_check, needs_node_ports, update};
use crate::registry::Registry;
use crate::registry::alloc::{AddressError, PortError};
use crate::registry::strategy::{Cx, Hooks, Reservation};
use crate::resources::value::{existing_mut, int, list, name, set, text, texts};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::gvk::GroupKind;
use api_machinery::status::Status;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The hooks of Services.
pub(super) struct Allocation;

#[async_trait]
impl Hooks for Allocation {
    async fn begin_create(&self, cx: &Cx<'_>, registry: &Registry, new: &mut Value) -> Result<Reservation, Status> {
        allocate(cx, registry, new, &Value::Null).await
    }

    async fn begin_update(
        &self,
        cx: &Cx<'_>,
        registry: &Registry,
        new: &mut Value,
        old: &Value,
    ) -> Result<Reservation, Status> {
        // Preparation comes after the hooks of an update, but only what it leaves is to be claimed; it may run twice.
        if let Some(spec) = existing_mut(new, "spec") {
            update::prepare(spec, &old["spec"]);
        }
        allocate(cx, registry, new, old).await
    }

    async fn after_delete(&self, registry: &Registry, object: &Value) {
        for address in addresses_of(&object["spec"]) {
            if let Err(error) = registry.addresses().give_back(address).await {
                tracing::warn!(%address, %error, "the address of a deleted service stays claimed until the next repair");
            }
        }
        for port in node_ports_of(&object["spec"]) {
            if let Err(error) = registry.node_ports().give_back(port).await {
                tracing::warn!(port, %error, "a node port of a deleted service stays claimed until the next repair");
            }
        }
    }
}

/// Claims what `new` has and `old` had not, and has the rest given back once the write is done.
async fn allocate(cx: &Cx<'_>, registry: &Registry, new: &mut Value, old: &Value) -> Result<Reservation, Status> {
    let own = format!("{}/{}", cx.namespace, name(new));
    let service = name(new).to_owned();
    let Some(spec) = existing_mut(new, "spec") else { return Ok(Reservation::new()) };
    let mut write = Write { cx, registry, own, service, claims: Reservation::new() };
    match write.run(spec, &old["spec"]).await {
        Ok(()) => Ok(write.claims),
        Err(status) => {
            for claim in write.claims {
                claim.release().await;
            }
            Err(status)
        }
    }
}

struct Write<'a> {
    cx: &'a Cx<'a>,
    registry: &'a Registry,
    own: String,
    service: String,
    claims: Reservation,
}

impl Write<'_> {
    async fn run(&mut self, spec: &mut Value, old: &Value) -> Result<(), Status> {
        let primary = if self.registry.addresses().cidr().addr().is_ipv6() { "IPv6" } else { "IPv4" };
        let errors = default_families(spec, primary);
        if !errors.is_empty() {
            return Err(self.invalid(errors));
        }
        self.claim_address(spec, old).await?;
        let owned: BTreeSet<u16> = node_ports_of(old).collect();
        self.claim_node_ports(spec, &owned).await?;
        self.claim_health_port(spec, &owned).await?;
        let kept: BTreeSet<u16> = node_ports_of(spec).collect();
        for port in owned.difference(&kept) {
            self.claims.push(self.registry.node_ports().give_back_after(*port));
        }
        Ok(())
    }

    async fn claim_address(&mut self, spec: &mut Value, old: &Value) -> Result<(), Status> {
        let addresses = self.registry.addresses();
        let stored: Vec<IpAddr> = addresses_of(old).collect();
        if !needs_cluster_ip(spec) {
            for address in stored {
                self.claims.push(addresses.give_back_after(address));
            }
            return Ok(());
        }
        // What validation will refuse is not worth a claim.
        if is_headless(spec) || !stored.is_empty() {
            return Ok(());
        }
        if text(spec, "clusterIP").is_empty() && list(spec, "clusterIPs").is_empty() {
            let (address, claim) = match addresses.claim_any(&self.own, self.cx.dry_run).await {
                Ok(claimed) => claimed,
                Err(error) => return Err(Status::internal_error(format!("failed to allocate a serviceIP: {error}"))),
            };
            self.claims.extend(claim);
            set(spec, "clusterIP", address.to_string());
            set(spec, "clusterIPs", json!([address.to_string()]));
            return Ok(());
        }
        let wanted: Vec<IpAddr> = addresses_of(spec).collect();
        for address in wanted {
            match addresses.claim(address, &self.own, self.cx.dry_run).await {
                Ok(claim) => self.claims.extend(claim),
                Err(AddressError::Storage(error)) => return Err(Status::internal_error(error.to_string())),
                Err(error) => {
                    let path = Path::of(&["spec", "clusterIPs"]);
                    let text = format!("failed to allocate IP {address}: {error}");
                    return Err(self.invalid(Error::invalid(&path, spec["clusterIPs"].clone(), text).into()));
                }
            }
        }
        Ok(())
    }

    /// Ports of one number, for several protocols, share a node port.
    async fn claim_node_ports(&mut self, spec: &mut Value, owned: &BTreeSet<u16>) -> Result<(), Status> {
        let all = needs_node_ports(spec);
        let mut claimed = owned.clone();
        let mut shared: BTreeMap<i64, u16> = BTreeMap::new();
        let mut holders: BTreeMap<u16, i64> = BTreeMap::new();
        for port in list(spec, "ports") {
            if let Some(number) = node_port(port) {
                shared.entry(int(port, "port").unwrap_or(0)).or_insert(number);
            }
        }
        let count = list(spec, "ports").len();
        for index in 0..count {
            let port = &spec["ports"][index];
            let service_port = int(port, "port").unwrap_or(0);
            let number = match node_port(port).or_else(|| shared.get(&service_port).copied()) {
                Some(number) if node_port(port).is_some() || all => number,
                None if all => {
                    let number = self.claim_any_port().await?;
                    claimed.insert(number);
                    shared.insert(service_port, number);
                    number
                }
                _ => continue,
            };
            let holder = *holders.entry(number).or_insert(service_port);
            if holder != service_port && !owned.contains(&number) && text(spec, "type") != "ClusterIP" {
                let path = Path::of(&["spec", "ports"]).index(index).child("nodePort");
                return Err(self.invalid(Error::invalid(&path, number, PortError::Taken.to_string()).into()));
            }
            if !claimed.contains(&number) && text(spec, "type") != "ClusterIP" {
                self.claim_port(number, &Path::of(&["spec", "ports"]).index(index).child("nodePort")).await?;
                claimed.insert(number);
            }
            set(&mut spec["ports"][index], "nodePort", number);
        }
        Ok(())
    }

    async fn claim_health_port(&mut self, spec: &mut Value, owned: &BTreeSet<u16>) -> Result<(), Status> {
        if !needs_health_check(spec) {
            return Ok(());
        }
        match port_at(spec, "healthCheckNodePort") {
            Some(number) if owned.contains(&number) => Ok(()),
            Some(number) => self.claim_port(number, &Path::of(&["spec", "healthCheckNodePort"])).await,
            None => {
                let number = self.claim_any_port().await?;
                set(spec, "healthCheckNodePort", number);
                Ok(())
            }
        }
    }

    async fn claim_any_port(&mut self) -> Result<u16, Status> {
        match self.registry.node_ports().claim_any(&self.own, self.cx.dry_run).await {
            Ok((number, claim)) => {
                self.claims.extend(claim);
                Ok(number)
            }
            Err(error) => Err(Status::internal_error(format!("failed to allocate a nodePort: {error}"))),
        }
    }

    async fn claim_port(&mut self, number: u16, path: &Path) -> Result<(), Status> {
        match self.registry.node_ports().claim(number, &self.own, self.cx.dry_run).await {
            Ok(claim) => {
                self.claims.extend(claim);
                Ok(())
            }
            Err(PortError::Storage(error)) => Err(Status::internal_error(error.to_string())),
            Err(error) => Err(self.invalid(Error::invalid(path, number, error.to_string()).into())),
        }
    }

    fn invalid(&self, errors: ErrorList) -> Status {
        Status::invalid(GroupKind { group: INFO.group, kind: INFO.kind }, &self.service, &errors)
    }
}

/// The addresses a service has.
fn addresses_of(spec: &Value) -> impl Iterator<Item = IpAddr> + '_ {
    let all = texts(spec, "clusterIPs");
    all.filter_map(|address| address.parse().ok()).filter(|_| needs_cluster_ip(spec))
}

/// The ports of nodes a service has, that of health checks included.
fn node_ports_of(spec: &Value) -> impl Iterator<Item = u16> + '_ {
    list(spec, "ports").iter().filter_map(node_port).chain(port_at(spec, "healthCheckNodePort"))
}

fn node_port(port: &Value) -> Option<u16> {
    port_at(port, "nodePort")
}

fn port_at(object: &Value, key: &str) -> Option<u16> {
    int(object, key).and_then(|number| u16::try_from(number).ok()).filter(|number| *number != 0)
}

#[cfg(test)]
mod tests;
