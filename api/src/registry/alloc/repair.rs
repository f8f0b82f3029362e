//! Claims that no service needs: left behind by a crash between the claim and the write.

use crate::registry::Registry;
use api_machinery::status::Status;
use api_machinery::value;
use api_storage::ListOptions;
use std::collections::HashSet;

/// Drops what was already unowned at the previous call and still is; call it about every three minutes. The first
/// sighting is only remembered, because the service of a young claim may be about to be written.
#[derive(Debug, Default)]
pub struct Repair {
    suspects: HashSet<String>,
}

impl Repair {
    /// One comparison of claims and services. Returns how many claims were dropped.
    ///
    /// # Errors
    /// The store failed; nothing is lost, the next call compares again.
    pub async fn run(&mut self, registry: &Registry) -> Result<usize, Status> {
        let Some(services) = registry.kinds().stored("", "services") else { return Ok(0) };
        let fail = |error| services.status(&error, "");
        let addresses = registry.addresses().claims().all().await.map_err(fail)?;
        let ports = registry.node_ports().claims().all().await.map_err(fail)?;
        let mut needed: HashSet<String> = HashSet::new();
        for stored in services.store()?.list(ListOptions::default()).await.map_err(fail)?.items {
            let service = stored.decode().map_err(fail)?;
            needed.extend(
                value::items_at(&service, &["spec", "clusterIPs"])
                    .iter()
                    .filter_map(|ip| ip.as_str())
                    .map(str::to_owned),
            );
            needed
                .extend(value::items_at(&service, &["spec", "ports"]).iter().map(|port| port["nodePort"].to_string()));
            needed.insert(
                value::get(&service, &["spec", "healthCheckNodePort"]).map(ToString::to_string).unwrap_or_default(),
            );
        }
        let unowned: HashSet<String> =
            addresses.iter().chain(&ports).filter(|name| !needed.contains(*name)).cloned().collect();
        let mut dropped = 0;
        for name in unowned.intersection(&self.suspects) {
            let claims =
                if ports.contains(name) { registry.node_ports().claims() } else { registry.addresses().claims() };
            claims.give_back(name).await.map_err(fail)?;
            dropped += 1;
        }
        self.suspects = unowned;
        Ok(dropped)
    }
}
