//! Labels, annotations and volumes that have been replaced by others, or do nothing any more.

use crate::resources::pod_spec::annotations::has_container;
use crate::resources::value::{has, list, pairs, text};
use api_machinery::field::Path;
use serde_json::Value;

/// Labels of nodes under their old names.
const LABELS: [(&str, &str); 5] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    ("failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"),
    ("beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"),
];

/// Annotations that became fields; one that ends in `/` stands for all that begin so.
const ANNOTATIONS: [(&str, &str); 6] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("seccomp.security.alpha.kubernetes.io/pod", "non-functional in v1.27+; use the \"seccompProfile\" field instead"),
    (
        "container.seccomp.security.alpha.kubernetes.io/",
        "non-functional in v1.27+; use the \"seccompProfile\" field instead",
    ),
    (
        "container.apparmor.security.beta.kubernetes.io/",
        "deprecated since v1.30; use the \"appArmorProfile\" field instead",
    ),
];

/// Kinds of volumes that are gone, or on their way out.
const VOLUMES: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
];

fn of_label(label: &str) -> Option<&'static str> {
    LABELS.iter().find(|(name, _)| *name == label).map(|(_, message)| *message)
}

/// Labels that the node selector and the node affinity ask for.
pub(super) fn labels(spec: &Value, path: &Path, warnings: &mut Vec<String>) {
    for (label, _) in pairs(spec, "nodeSelector") {
        if let Some(message) = of_label(label) {
            warnings.push(format!("{}: {message}", path.child("nodeSelector").key(label)));
        }
    }
    let (affinity, path) = (&spec["affinity"]["nodeAffinity"], path.child("affinity").child("nodeAffinity"));
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in list(&affinity[REQUIRED], "nodeSelectorTerms").iter().enumerate() {
        of_term(term, &path.child(REQUIRED).child("nodeSelectorTerms").index(index), warnings);
    }
    for (index, term) in list(affinity, PREFERRED).iter().enumerate() {
        of_term(&term["preference"], &path.child(PREFERRED).index(index).child("preference"), warnings);
    }
}

fn of_term(term: &Value, path: &Path, warnings: &mut Vec<String>) {
    for (index, expression) in list(term, "matchExpressions").iter().enumerate() {
        let key = text(expression, "key");
        if let Some(message) = of_label(key) {
            let path = path.child("matchExpressions").index(index).child("key");
            warnings.push(format!("{path}: {key} is {message}"));
        }
    }
}

/// The label that a spreading constraint counts by.
pub(super) fn topology_key(constraint: &Value, path: &Path, warnings: &mut Vec<String>) {
    let key = text(constraint, "topologyKey");
    if let Some(message) = of_label(key) {
        warnings.push(format!("{}: {key} is {message}", path.child("topologyKey")));
    }
}

/// Annotations of a pod or a template, of containers that it has.
pub(super) fn annotations(metadata: &Value, spec: &Value, path: &Path, warnings: &mut Vec<String>) {
    let names: Vec<&str> = pairs(metadata, "annotations").map(|(name, _)| name).collect();
    for (known, message) in ANNOTATIONS {
        let means = |name: &&&str| match name.strip_prefix(known) {
            Some(container) if known.ends_with('/') => has_container(spec, container),
            rest => rest == Some(""),
        };
        for name in names.iter().filter(means) {
            warnings.push(format!("{}: {message}", path.child("annotations").key(*name)));
        }
    }
}

/// Volumes of a pod or a template.
pub(super) fn volumes(spec: &Value, path: &Path, warnings: &mut Vec<String>) {
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        for (kind, message) in VOLUMES.iter().filter(|(kind, _)| has(volume, kind)) {
            warnings.push(format!("{}: {message}", path.child("volumes").index(index).child(*kind)));
        }
    }
}
