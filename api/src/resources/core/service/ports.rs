//! Validation of a service's ports.

use super::is_headless;
use crate::resources::check;
use crate::resources::value::{has, int, list, text};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Checks `ports`: names, numbers, and that no two are alike.
pub(super) fn validate(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let ports = list(spec, "ports");
    let kind = text(spec, "type");
    if ports.is_empty() && !is_headless(spec) && kind != "ExternalName" {
        errors.push(Error::required(path, ""));
    }
    let mut names = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        let name = text(port, "name");
        if name.is_empty() {
            if ports.len() > 1 {
                errors.push(Error::required(&path.child("name"), ""));
            }
        } else {
            check::dns_label(name, &path.child("name"), errors);
            if !names.insert(name) {
                errors.push(Error::duplicate(&path.child("name"), name));
            }
        }
        check::port_number(int(port, "port").unwrap_or(0), &path.child("port"), errors);
        check::required_one_of(text(port, "protocol"), &["SCTP", "TCP", "UDP"], &path.child("protocol"), errors);
        check::port(&port["targetPort"], &path.child("targetPort"), errors);
        if has(port, "appProtocol") {
            check::qualified_name(text(port, "appProtocol"), &path.child("appProtocol"), errors);
        }
    }
}

/// Checks node ports, and that no two ports are alike; upstream does so after the rest.
pub(super) fn validate_uniqueness(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let ports = list(spec, "ports");
    if text(spec, "type") == "ClusterIP" {
        for (index, port) in ports.iter().enumerate() {
            if int(port, "nodePort").unwrap_or(0) != 0 {
                let text = "may not be used when `type` is 'ClusterIP'";
                errors.push(Error::forbidden(&path.index(index).child("nodePort"), text));
            }
        }
    }
    let mut node_ports = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let number = int(port, "nodePort").unwrap_or(0);
        if number != 0 && !node_ports.insert((text(port, "protocol"), number)) {
            errors.push(Error::duplicate(&path.index(index).child("nodePort"), number));
        }
    }
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let (protocol, number) = (text(port, "protocol"), int(port, "port").unwrap_or(0));
        if !seen.insert((protocol, number)) {
            let key = json!({ "protocol": protocol, "port": number, "targetPort": 0 });
            let shown = [
                ("Name", "".into()),
                ("Protocol", protocol.into()),
                ("AppProtocol", Value::Null),
                ("Port", number.into()),
                ("TargetPort", 0.into()),
                ("NodePort", 0.into()),
            ];
            errors.push(Error::duplicate(&path.index(index), key).shown_as(&shown));
        }
    }
}
