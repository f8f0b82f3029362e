//! Kinds of the apps group.

pub mod deployment;
pub mod replica_set;

use crate::resources::check;
use crate::resources::pod_spec::validate_template;
use crate::resources::value::{has, int, size};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::selector::LabelSelector;
use serde_json::Value;

/// `replicas`, `selector` and `template`, which Deployments and ReplicaSets have in common.
fn validate_replicated(spec: &Value, path: &Path, errors: &mut ErrorList) {
    check::not_negative(int(spec, "replicas").unwrap_or(0), &path.child("replicas"), errors);
    let selector = &spec["selector"];
    let selector_path = path.child("selector");
    if !has(spec, "selector") {
        errors.push(Error::required(&selector_path, ""));
    } else {
        check::label_selector(selector, &selector_path, errors);
        if size(selector, "matchLabels") + selector["matchExpressions"].as_array().map_or(0, Vec::len) == 0 {
            let text = "empty selector is invalid for deployment";
            errors.push(Error::invalid(&selector_path, selector.clone(), text));
        }
    }
    match LabelSelector::from_object(Some(selector)) {
        // An absent selector selects nothing, which labels of the template cannot match.
        Ok(parsed) => validate_template(&spec["template"], &parsed, "ReplicaSet", &path.child("template"), errors),
        Err(_) => errors.push(Error::invalid(&selector_path, selector.clone(), "invalid label selector")),
    }
}

/// Counters of a status: none negative, those of `parts` not above `replicas`, available ones ready.
fn validate_counters(status: &Value, counters: &[&'static str], parts: &[&'static str], errors: &mut ErrorList) {
    let path = Path::root("status");
    let count = |key: &str| int(status, key).unwrap_or(0);
    for &key in counters {
        check::not_negative(count(key), &path.child(key), errors);
    }
    for &key in parts {
        if count(key) > count("replicas") {
            let text = "cannot be greater than status.replicas";
            errors.push(Error::invalid(&path.child(key), count(key), text));
        }
    }
    if count("availableReplicas") > count("readyReplicas") {
        let text = "cannot be greater than readyReplicas";
        errors.push(Error::invalid(&path.child("availableReplicas"), count("availableReplicas"), text));
    }
}
