//! What surprises in containers, and between them.

use crate::resources::value::{has, int, list, quantity, text};
use api_machinery::field::Path;
use serde_json::Value;

/// All containers, those that prepare first.
pub(super) fn of_all(spec: &Value, path: &Path, warnings: &mut Vec<String>) {
    let mut containers = Vec::new();
    for key in ["initContainers", "containers"] {
        containers.extend(list(spec, key).iter().enumerate().map(|(index, one)| (one, path.child(key).index(index))));
    }
    for (container, path) in &containers {
        fractional_bytes(&container["resources"], &path.child("resources"), warnings);
        shadowed_variables(container, &path.child("env"), warnings);
    }
    let mut ports: Vec<(&Value, Path)> = Vec::new();
    for (container, path) in &containers {
        for (index, port) in list(container, "ports").iter().enumerate() {
            let path = path.child("ports").index(index);
            of_port(port, &path, &ports, warnings);
            ports.push((port, path));
        }
    }
    shared_port_names(&ports, warnings);
}

fn fractional_bytes(resources: &Value, path: &Path, warnings: &mut Vec<String>) {
    for resource in ["memory", "ephemeral-storage"] {
        for list in ["limits", "requests"] {
            let amount = &resources[list][resource];
            // Counted in thousandths, as upstream does: what overflows those is taken for a fraction as well.
            if quantity(amount).is_some_and(|amount| amount.milli_value() % 1000 != 0) {
                let (path, amount) = (path.child(list).key(resource), amount.as_str().unwrap_or(""));
                warnings.push(format!("{path}: fractional byte value \"{amount}\" is invalid, must be an integer"));
            }
        }
    }
}

fn shadowed_variables(container: &Value, path: &Path, warnings: &mut Vec<String>) {
    let variables = list(container, "env");
    for (index, variable) in variables.iter().enumerate() {
        let name = text(variable, "name");
        let (value, reference) = (text(variable, "value"), format!("$({name})"));
        let builds_on_it = value.contains(&reference) && value != reference && !has(variable, "valueFrom");
        if !builds_on_it && variables[..index].iter().any(|earlier| text(earlier, "name") == name) {
            warnings.push(format!(
                "{}: hides previous definition of \"{name}\", which may be dropped when using apply",
                path.index(index)
            ));
        }
    }
}

/// A port beside those before it that have its number and protocol.
fn of_port(port: &Value, path: &Path, earlier: &[(&Value, Path)], warnings: &mut Vec<String>) {
    let number = |port: &Value, name: &str| int(port, name).unwrap_or(0);
    let (address, host_port) = (text(port, "hostIP"), number(port, "hostPort"));
    if !address.is_empty() && host_port == 0 {
        let (name, protocol) = (text(port, "name"), text(port, "protocol"));
        warnings.push(format!(
            "{path}: hostIP set without hostPort: {{Name:{name} HostPort:0 ContainerPort:{} Protocol:{protocol} \
             HostIP:{address}}}",
            number(port, "containerPort")
        ));
    }
    let same = |other: &&(&Value, Path)| {
        number(other.0, "containerPort") == number(port, "containerPort")
            && text(other.0, "protocol") == text(port, "protocol")
    };
    for (other, other_path) in earlier.iter().filter(same) {
        let (other_address, other_host_port) = (text(other, "hostIP"), number(other, "hostPort"));
        let how = if address == other_address && host_port == other_host_port {
            "duplicate"
        } else if host_port == 0 || other_host_port == 0 {
            "overlapping"
        } else if host_port == other_host_port && address.is_empty() != other_address.is_empty() {
            "dangerously ambiguous"
        } else {
            continue;
        };
        warnings.push(format!("{path}: {how} port definition with {other_path}"));
    }
}

/// Only the first port of a name is ever found by it.
fn shared_port_names(ports: &[(&Value, Path)], warnings: &mut Vec<String>) {
    for (index, (port, path)) in ports.iter().enumerate() {
        let name = text(port, "name");
        let first = ports[..index].iter().find(|(earlier, _)| !name.is_empty() && text(earlier, "name") == name);
        if let Some((_, first)) = first {
            warnings.push(format!(
                "{path}: duplicate port name \"{name}\" with {first}, services and probes that select ports by name \
                 will use {first}"
            ));
        }
    }
}
