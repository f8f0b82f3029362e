//! Warnings about pods and templates that are accepted but will surprise, in upstream's order.

mod containers;
mod deprecated;

#[cfg(test)]
mod tests;

use crate::resources::value::{has, int, list, name, text};
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
    of_spec(pod, None, &mut warnings);
    warnings
}

/// Warnings about a pod template at this path.
pub(crate) fn of_template(template: &Value, path: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    of_spec(template, Some(path), &mut warnings);
    let path = path.child("spec");
    // A pod of its own has been given another period by now.
    if int(&template["spec"], "terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        warnings.push(format!(
            "{}: must be >= 0; negative values are invalid and will be treated as 1",
            path.child("terminationGracePeriodSeconds")
        ));
    }
    warnings
}

fn of_spec(pod: &Value, path: Option<&Path>, warnings: &mut Vec<String>) {
    let child = |name| path.map_or_else(|| Path::root(name), |path| path.child(name));
    let (spec, metadata, path) = (&pod["spec"], child("metadata"), child("spec"));
    deprecated::labels(spec, &path, warnings);
    for (index, constraint) in list(spec, "topologySpreadConstraints").iter().enumerate() {
        let path = path.child("topologySpreadConstraints").index(index);
        deprecated::topology_key(constraint, &path, warnings);
        null_selector(constraint, &path, warnings);
    }
    deprecated::annotations(&pod["metadata"], spec, &metadata, warnings);
    deprecated::volumes(spec, &path, warnings);
    repeated(spec, &path, "hostAliases", "ip", warnings);
    repeated(spec, &path, "imagePullSecrets", "name", warnings);
    for (index, secret) in list(spec, "imagePullSecrets").iter().enumerate() {
        if text(secret, "name").is_empty() {
            let path = path.child("imagePullSecrets").index(index).child("name");
            warnings.push(format!("{path}: invalid empty name \"\""));
        }
    }
    containers::of_all(spec, &path, warnings);
    for kind in ["podAffinity", "podAntiAffinity"] {
        let (affinity, path) = (&spec["affinity"][kind], path.child("affinity").child(kind));
        const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
        const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
        for (index, term) in list(affinity, REQUIRED).iter().enumerate() {
            null_selector(term, &path.child(REQUIRED).index(index), warnings);
        }
        for (index, term) in list(affinity, PREFERRED).iter().enumerate() {
            let path = path.child(PREFERRED).index(index).child("podAffinityTerm");
            null_selector(&term["podAffinityTerm"], &path, warnings);
        }
    }
}

fn null_selector(term: &Value, path: &Path, warnings: &mut Vec<String>) {
    if !has(term, "labelSelector") {
        let path = path.child("labelSelector");
        warnings.push(format!("{path}: a null labelSelector results in matching no pod"));
    }
}

/// Items of a list that are told apart by a field, and are not.
fn repeated(spec: &Value, path: &Path, list_name: &'static str, key: &'static str, warnings: &mut Vec<String>) {
    let items = list(spec, list_name);
    for (index, item) in items.iter().enumerate() {
        if items[..index].iter().any(|earlier| text(earlier, key) == text(item, key)) {
            let path = path.child(list_name).index(index).child(key);
            warnings.push(format!("{path}: duplicate {key} \"{}\"", text(item, key)));
        }
    }
}
