//! Endpoints: the addresses behind a Service, in the older form.

use crate::registry::strategy::{ALL_VERBS, Column, KindInfo, NameRule, Strategy};
use crate::resources::value::{default_zero, has, int, items_mut, list, name, text};
use crate::resources::{cells, check};
use api_machinery::field::{Error, ErrorList, Path};
use jiff::Timestamp;
use serde_json::Value;

/// Addresses shown in a cell.
const SHOWN: usize = 3;

static INFO: KindInfo = KindInfo {
    group: "",
    version: "v1",
    kind: "Endpoints",
    resource: "endpoints",
    singular: "endpoints",
    short_names: &["ep"],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: true,
};

/// The strategy of Endpoints.
#[derive(Debug)]
pub struct Endpoints;

impl Strategy for Endpoints {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn default(&self, object: &mut Value) {
        for subset in items_mut(object, "subsets") {
            for port in items_mut(subset, "ports") {
                default_zero(port, "protocol", "TCP");
            }
        }
    }

    fn deprecation(&self) -> Option<&'static str> {
        Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for (index, subset) in list(object, "subsets").iter().enumerate() {
            let path = Path::root("subsets").index(index);
            if list(subset, "addresses").is_empty() && list(subset, "notReadyAddresses").is_empty() {
                errors.push(Error::required(&path, "must specify `addresses` or `notReadyAddresses`"));
            }
            for key in ["addresses", "notReadyAddresses"] {
                for (index, address) in list(subset, key).iter().enumerate() {
                    validate_address(address, &path.child(key).index(index), &mut errors);
                }
            }
            let ports = list(subset, "ports");
            for (index, port) in ports.iter().enumerate() {
                validate_port(port, ports.len() > 1, &path.child("ports").index(index), &mut errors);
            }
        }
        errors
    }

    fn warnings(&self, _object: &Value, _old: Option<&Value>) -> Vec<String> {
        vec!["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned()]
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::NAME, Column::new("Endpoints", "string"), Column::AGE];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![name(object).into(), addresses(object).into(), cells::age(object, now)]
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

fn validate_address(address: &Value, path: &Path, errors: &mut ErrorList) {
    let ip = text(address, "ip");
    check::ip(ip, &path.child("ip"), errors);
    let host = text(address, "hostname");
    if !host.is_empty() {
        check::dns_label(host, &path.child("hostname"), errors);
    }
    if has(address, "nodeName") {
        check::subdomain(text(address, "nodeName"), &path.child("nodeName"), errors);
    }
    check::ordinary_ip(ip, &path.child("ip"), errors);
}

fn validate_port(port: &Value, named: bool, path: &Path, errors: &mut ErrorList) {
    let name = text(port, "name");
    if named && name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    } else if !name.is_empty() {
        check::dns_label(name, &path.child("name"), errors);
    }
    check::port_number(int(port, "port").unwrap_or(0), &path.child("port"), errors);
    check::required_one_of(text(port, "protocol"), &["SCTP", "TCP", "UDP"], &path.child("protocol"), errors);
    if has(port, "appProtocol") {
        check::qualified_name(text(port, "appProtocol"), &path.child("appProtocol"), errors);
    }
}

/// Ready addresses with each port, the first three of them.
fn addresses(object: &Value) -> String {
    let subsets = list(object, "subsets");
    if subsets.is_empty() {
        return "<none>".to_owned();
    }
    let mut shown = Vec::new();
    for subset in subsets {
        let ips = || list(subset, "addresses").iter().map(|address| text(address, "ip"));
        let ports = list(subset, "ports");
        if ports.is_empty() {
            shown.extend(ips().map(str::to_owned));
        }
        for port in ports {
            let port = int(port, "port").unwrap_or(0);
            shown.extend(
                ips().map(|ip| if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }),
            );
        }
    }
    cells::first(&shown, SHOWN)
}

#[cfg(test)]
mod tests;
