//! Validation of node and pod affinity.

use crate::resources::check;
use crate::resources::value::{has, int, list, text, texts};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::names;
use serde_json::Value;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Checks `affinity`.
pub(crate) fn validate_affinity(affinity: &Value, path: &Path, errors: &mut ErrorList) {
    let node = &affinity["nodeAffinity"];
    if !node.is_null() {
        let path = path.child("nodeAffinity");
        if has(node, REQUIRED) {
            validate_node_selector(&node[REQUIRED], &path.child(REQUIRED), errors);
        }
        for (index, term) in list(node, PREFERRED).iter().enumerate() {
            let path = path.child(PREFERRED).index(index);
            validate_weight(term, &path, errors);
            // Label values stay unchecked: upstream allows whatever an older version allowed.
            validate_node_term(&term["preference"], false, &path.child("preference"), errors);
        }
    }
    for key in ["podAffinity", "podAntiAffinity"] {
        let pods = &affinity[key];
        for (index, term) in list(pods, REQUIRED).iter().enumerate() {
            validate_pod_term(term, &path.child(key).child(REQUIRED).index(index), errors);
        }
        for (index, term) in list(pods, PREFERRED).iter().enumerate() {
            let path = path.child(key).child(PREFERRED).index(index);
            validate_weight(term, &path, errors);
            validate_pod_term(&term["podAffinityTerm"], &path.child("podAffinityTerm"), errors);
        }
    }
}

fn validate_weight(term: &Value, path: &Path, errors: &mut ErrorList) {
    let weight = int(term, "weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.push(Error::invalid(&path.child("weight"), weight, "must be in the range 1-100"));
    }
}

fn validate_node_selector(selector: &Value, path: &Path, errors: &mut ErrorList) {
    let path = path.child("nodeSelectorTerms");
    let terms = list(selector, "nodeSelectorTerms");
    if terms.is_empty() {
        errors.push(Error::required(&path, "must have at least one node selector term"));
    }
    for (index, term) in terms.iter().enumerate() {
        validate_node_term(term, true, &path.index(index), errors);
    }
}

fn validate_node_term(term: &Value, check_values: bool, path: &Path, errors: &mut ErrorList) {
    for (index, requirement) in list(term, "matchExpressions").iter().enumerate() {
        validate_label_requirement(requirement, check_values, &path.child("matchExpressions").index(index), errors);
    }
    for (index, requirement) in list(term, "matchFields").iter().enumerate() {
        validate_field_requirement(requirement, &path.child("matchFields").index(index), errors);
    }
}

fn validate_label_requirement(requirement: &Value, check_values: bool, path: &Path, errors: &mut ErrorList) {
    let values = list(requirement, "values");
    let values_path = path.child("values");
    match text(requirement, "operator") {
        "In" | "NotIn" => {
            if values.is_empty() {
                let text = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(Error::required(&values_path, text));
            }
        }
        "Exists" | "DoesNotExist" => {
            if !values.is_empty() {
                let text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(Error::forbidden(&values_path, text));
            }
        }
        "Gt" | "Lt" => {
            if values.len() != 1 {
                let text = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                errors.push(Error::required(&values_path, text));
            }
        }
        other => errors.push(Error::invalid(&path.child("operator"), other, "not a valid selector operator")),
    }
    check::label_name(text(requirement, "key"), &path.child("key"), errors);
    if check_values {
        for (index, value) in texts(requirement, "values").enumerate() {
            for message in names::is_label_value(value) {
                errors.push(Error::invalid(&values_path.index(index), value, message));
            }
        }
    }
}

fn validate_field_requirement(requirement: &Value, path: &Path, errors: &mut ErrorList) {
    match text(requirement, "operator") {
        "In" | "NotIn" => {
            if list(requirement, "values").len() != 1 {
                let text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                errors.push(Error::required(&path.child("values"), text));
            }
        }
        other => errors.push(Error::invalid(&path.child("operator"), other, "not a valid selector operator")),
    }
    let key = text(requirement, "key");
    if key != "metadata.name" {
        errors.push(Error::invalid(&path.child("key"), key, "not a valid field selector key"));
        return;
    }
    for (index, value) in texts(requirement, "values").enumerate() {
        for message in names::is_dns1123_subdomain(value) {
            errors.push(Error::invalid(&path.child("values").index(index), value, message));
        }
    }
}

fn validate_pod_term(term: &Value, path: &Path, errors: &mut ErrorList) {
    check::label_selector(&term["labelSelector"], &path.child("labelSelector"), errors);
    check::label_selector(&term["namespaceSelector"], &path.child("namespaceSelector"), errors);
    for namespace in texts(term, "namespaces") {
        for message in names::is_dns1123_label(namespace) {
            errors.push(Error::invalid(&path.child("namespace"), namespace, message));
        }
    }
    for key in ["matchLabelKeys", "mismatchLabelKeys"] {
        if list(term, key).is_empty() {
            continue;
        }
        let path = path.child(key);
        if !has(term, "labelSelector") {
            errors.push(Error::forbidden(&path, "must not be specified when labelSelector is not set"));
            continue;
        }
        for (index, label) in texts(term, key).enumerate() {
            check::label_name(label, &path.index(index), errors);
        }
    }
    for (index, key) in texts(term, "matchLabelKeys").enumerate() {
        if texts(term, "mismatchLabelKeys").any(|other| other == key) {
            let text = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.push(Error::invalid(&path.child("matchLabelKeys").index(index), key, text));
        }
    }
    let topology = text(term, "topologyKey");
    if topology.is_empty() {
        errors.push(Error::required(&path.child("topologyKey"), "can not be empty"));
    }
    check::label_name(topology, &path.child("topologyKey"), errors);
}
