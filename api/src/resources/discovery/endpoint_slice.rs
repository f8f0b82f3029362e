//! EndpointSlice: some of the addresses behind a Service.

use crate::registry::strategy::{ALL_VERBS, Column, Cx, KindInfo, NameRule, Strategy};
use crate::resources::cells;
use crate::resources::check;
use crate::resources::lifecycle::{bump_generation_if, set_generation};
use crate::resources::value::{
    default_absent, has, int, items_mut, list, name, null_if_empty, remove, same, text, texts,
};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::names;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Most endpoints of a slice.
const ENDPOINTS_MAX: usize = 1000;
/// Most addresses of an endpoint.
const ADDRESSES_MAX: usize = 100;
/// Most ports of a slice.
const PORTS_MAX: usize = 20_000;
/// Most zones or nodes in a hint.
const HINTS_MAX: usize = 8;
/// Ports and addresses shown in a cell.
const SHOWN: usize = 3;

static INFO: KindInfo = KindInfo {
    group: "discovery.k8s.io",
    version: "v1",
    kind: "EndpointSlice",
    resource: "endpointslices",
    singular: "endpointslice",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: true,
};

/// The strategy of EndpointSlices.
#[derive(Debug)]
pub struct EndpointSlice;

impl Strategy for EndpointSlice {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn default(&self, object: &mut Value) {
        null_if_empty(object, "endpoints");
        null_if_empty(object, "ports");
        for endpoint in items_mut(object, "endpoints") {
            default_absent(endpoint, "conditions", json!({}));
        }
        for port in items_mut(object, "ports") {
            default_absent(port, "name", "");
            default_absent(port, "protocol", "TCP");
        }
    }

    fn prepare_for_create(&self, _cx: &Cx<'_>, object: &mut Value) {
        set_generation(object, 1);
        drop_topology(object);
    }

    /// Labels count: they say which Service the slice belongs to.
    fn prepare_for_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        let changed = ["addressType", "endpoints", "ports"].iter().any(|key| !same(&new[*key], &old[*key]))
            || !same(&new["metadata"]["labels"], &old["metadata"]["labels"]);
        bump_generation_if(changed, new, old);
        if !same(&new["endpoints"], &old["endpoints"]) {
            drop_topology(new);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validate(object, None)
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        validate(new, Some(old))
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let is_deprecated = old.is_none() && text(object, "addressType") == "FQDN";
        is_deprecated.then(|| "spec.addressType: FQDN endpoints are deprecated".to_owned()).into_iter().collect()
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::NAME,
            Column::new("AddressType", "string"),
            Column::new("Ports", "string"),
            Column::new("Endpoints", "string"),
            Column::AGE,
        ];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let ports: Vec<String> = list(object, "ports")
            .iter()
            .map(|port| match (int(port, "port"), port["name"].as_str()) {
                (Some(number), _) => number.to_string(),
                (None, Some(name)) => name.to_owned(),
                (None, None) => "*".to_owned(),
            })
            .collect();
        let addresses: Vec<String> = list(object, "endpoints")
            .iter()
            .flat_map(|endpoint| texts(endpoint, "addresses").map(str::to_owned))
            .collect();
        let shown = |items: &[String]| Value::String(cells::or(cells::first(items, SHOWN), "<unset>"));
        vec![
            name(object).into(),
            text(object, "addressType").into(),
            shown(&ports),
            shown(&addresses),
            cells::age(object, now),
        ]
    }
}

/// What v1 does not write any more is dropped without a word.
fn drop_topology(object: &mut Value) {
    items_mut(object, "endpoints").for_each(|endpoint| remove(endpoint, "deprecatedTopology"));
}

/// Checks a slice. Endpoints that an update leaves alone are good enough, and what upstream declares comes last.
fn validate(object: &Value, old: Option<&Value>) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_ports(object, &mut errors);
    let (kind, path) = (text(object, "addressType"), Path::root("addressType"));
    let has_old_endpoints = old.is_some_and(|old| same(&old["endpoints"], &object["endpoints"]));
    if !has_old_endpoints {
        validate_endpoints(object, kind, &mut errors);
    }
    match old.map(|old| text(old, "addressType")) {
        Some(old) if old == kind => {}
        Some(_) => errors.push(Error::invalid(&path, Value::Null, check::IMMUTABLE)),
        None => check::required_one_of(kind, &["FQDN", "IPv4", "IPv6"], &path, &mut errors),
    }
    if !has_old_endpoints {
        validate_address_counts(object, &mut errors);
    }
    errors
}

fn validate_address_counts(object: &Value, errors: &mut ErrorList) {
    for (index, endpoint) in list(object, "endpoints").iter().enumerate() {
        let path = Path::root("endpoints").index(index).child("addresses");
        match list(endpoint, "addresses").len() {
            0 => errors.push(Error::required(&path, "")),
            count if count > ADDRESSES_MAX => errors.push(Error::too_many(&path, count, ADDRESSES_MAX)),
            _ => {}
        }
    }
}

fn validate_endpoints(object: &Value, kind: &str, errors: &mut ErrorList) {
    let endpoints = list(object, "endpoints");
    let path = Path::root("endpoints");
    if endpoints.len() > ENDPOINTS_MAX {
        errors.push(Error::too_many(&path, endpoints.len(), ENDPOINTS_MAX));
        return;
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let path = path.index(index);
        let addresses_path = path.child("addresses");
        for (index, address) in texts(endpoint, "addresses").enumerate() {
            validate_address(address, kind, &addresses_path, index, errors);
        }
        if has(endpoint, "nodeName") {
            check::subdomain(text(endpoint, "nodeName"), &path.child("nodeName"), errors);
        }
        if has(endpoint, "hostname") {
            check::dns_label(text(endpoint, "hostname"), &path.child("hostname"), errors);
        }
        validate_hints(&endpoint["hints"], &path.child("hints"), errors);
    }
}

fn validate_address(address: &str, kind: &str, all: &Path, index: usize, errors: &mut ErrorList) {
    let path = &all.index(index);
    let before = errors.len();
    match kind {
        "IPv4" | "IPv6" => {
            let check = if kind == "IPv4" { check::ip } else { check::canonical_ip };
            check(address, path, errors);
            if errors.len() > before {
                return;
            }
            if address.contains(':') != (kind == "IPv6") {
                errors.push(Error::invalid(all, address, format!("must be an {kind} address")));
            }
            check::ordinary_ip(address, path, errors);
        }
        "FQDN" => {
            let domain = address.strip_suffix('.').unwrap_or(address);
            let complaints = names::is_dns1123_subdomain(domain);
            if address.is_empty() {
                errors.push(Error::required(path, ""));
            } else if !complaints.is_empty() {
                errors.push(Error::invalid(path, address, complaints.join(",")));
            } else if domain.split('.').count() < 2 {
                let text = "should be a domain with at least two segments separated by dots";
                errors.push(Error::invalid(path, address, text));
            }
        }
        _ => {}
    }
}

fn validate_hints(hints: &Value, path: &Path, errors: &mut ErrorList) {
    for key in ["forZones", "forNodes"] {
        let path = path.child(key);
        let targets = list(hints, key);
        if targets.len() > HINTS_MAX {
            errors.push(Error::too_many(&path, targets.len(), HINTS_MAX));
            continue;
        }
        let mut seen = BTreeSet::new();
        for (index, target) in targets.iter().enumerate() {
            let path = path.index(index).child("name");
            let name = text(target, "name");
            if !seen.insert(name) {
                errors.push(Error::duplicate(&path, name));
            }
            let complaints = match key {
                "forNodes" => names::is_dns1123_subdomain(name),
                _ => names::is_label_value(name),
            };
            check::complain(complaints, name, &path, errors);
        }
    }
}

fn validate_ports(object: &Value, errors: &mut ErrorList) {
    let ports = list(object, "ports");
    let path = Path::root("ports");
    if ports.len() > PORTS_MAX {
        errors.push(Error::too_many(&path, ports.len(), PORTS_MAX));
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        let name = text(port, "name");
        if !name.is_empty() {
            check::dns_label(name, &path.child("name"), errors);
        }
        if !seen.insert(name) {
            errors.push(Error::duplicate(&path.child("name"), name));
        }
        check::one_of(text(port, "protocol"), &["SCTP", "TCP", "UDP"], &path.child("protocol"), errors);
        if has(port, "appProtocol") {
            check::qualified_name(text(port, "appProtocol"), &path.child("appProtocol"), errors);
        }
    }
}

#[cfg(test)]
mod tests;
