//! Warnings about pods and templates that are accepted but will surprise.

use crate::resources::value::{has, int, list, name, pairs, quantity, text};
use api_machinery::field::Path;
use api_machinery::names;
use serde_json::Value;

/// Warnings about a new Pod.
pub(crate) fn of_pod(pod: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    let complaints = names::is_dns1123_label(name(pod));
    if !complaints.is_empty() {
        let listed = complaints.join(" ");
        warnings.push(format!(
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label \
             is recommended: [{listed}]"
        ));
    }
    warnings.extend(of_spec(&pod["spec"], &Path::root("spec")));
    warnings
}

/// Warnings about the spec of a Pod or a template.
pub(crate) fn of_spec(spec: &Value, path: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        if has(volume, "gitRepo") {
            warnings.push(format!(
                "{}: deprecated in v1.11, and disabled by default in v1.33+",
                path.child("volumes").index(index).child("gitRepo")
            ));
        }
    }
    for key in ["initContainers", "containers"] {
        let containers = list(spec, key);
        for (index, container) in containers.iter().enumerate() {
            let path = path.child(key).index(index);
            shadowed_variables(container, &path.child("env"), &mut warnings);
            repeated_ports(container, &path.child("ports"), &mut warnings);
            for list in ["limits", "requests"] {
                fractional_bytes(&container["resources"], list, &path.child("resources"), &mut warnings);
            }
        }
    }
    if int(spec, "terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        warnings.push(format!(
            "{}: must be >= 0; negative values are invalid and will be treated as 1",
            path.child("terminationGracePeriodSeconds")
        ));
    }
    warnings
}

fn shadowed_variables(container: &Value, path: &Path, warnings: &mut Vec<String>) {
    let variables = list(container, "env");
    for (index, variable) in variables.iter().enumerate() {
        let name = text(variable, "name");
        let refers = text(variable, "value").contains(&format!("$({name})"));
        if !refers && variables[..index].iter().any(|earlier| text(earlier, "name") == name) {
            warnings.push(format!(
                "{}: hides previous definition of \"{name}\", which may be dropped when using apply",
                path.index(index)
            ));
        }
    }
}

fn repeated_ports(container: &Value, path: &Path, warnings: &mut Vec<String>) {
    let key = |port: &Value| (int(port, "containerPort"), text(port, "protocol").to_owned(), int(port, "hostPort"));
    let ports = list(container, "ports");
    for (index, port) in ports.iter().enumerate() {
        if let Some(earlier) = ports[..index].iter().position(|earlier| key(earlier) == key(port)) {
            warnings.push(format!("{}: duplicate port definition with {}", path.index(index), path.index(earlier)));
        }
    }
}

fn fractional_bytes(resources: &Value, list: &'static str, path: &Path, warnings: &mut Vec<String>) {
    for (name, amount) in pairs(resources, list) {
        let fractional = quantity(amount).is_some_and(|amount| !amount.is_whole());
        if matches!(name, "memory" | "ephemeral-storage") && fractional {
            let amount = amount.as_str().unwrap_or("");
            warnings.push(format!(
                "{}: fractional byte value \"{amount}\" is invalid, must be an integer",
                path.child(list).key(name)
            ));
        }
    }
}
