//! What roles of both scopes have in common: rules, and that nobody hands out what he does not hold.

use crate::resources::value::list;
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

/// Checks `rules`. Those of a namespace know no paths outside resources. What upstream declares comes last.
pub(super) fn validate(role: &Value, namespaced: bool) -> ErrorList {
    let mut errors = ErrorList::new();
    for (index, rule) in list(role, "rules").iter().enumerate() {
        validate_rule(rule, namespaced, &Path::root("rules").index(index), &mut errors);
    }
    for (index, rule) in list(role, "rules").iter().enumerate() {
        if list(rule, "verbs").is_empty() {
            errors.push(Error::required(&Path::root("rules").index(index).child("verbs"), ""));
        }
    }
    errors
}

fn validate_rule(rule: &Value, namespaced: bool, path: &Path, errors: &mut ErrorList) {
    let empty = |key| list(rule, key).is_empty();
    if !empty("nonResourceURLs") {
        let path = path.child("nonResourceURLs");
        let urls = || rule["nonResourceURLs"].clone();
        if namespaced {
            errors.push(Error::invalid(&path, urls(), "namespaced rules cannot apply to non-resource URLs"));
        }
        if !empty("apiGroups") || !empty("resources") || !empty("resourceNames") {
            let text = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(Error::invalid(&path, urls(), text));
        }
        return;
    }
    if empty("apiGroups") {
        let text = "resource rules must supply at least one api group";
        errors.push(Error::required(&path.child("apiGroups"), text));
    }
    if empty("resources") {
        let text = "resource rules must supply at least one resource";
        errors.push(Error::required(&path.child("resources"), text));
    }
}
