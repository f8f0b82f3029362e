//! What an update of a pod may change: images, deadline, tolerations that are added, gates that are removed.

use crate::resources::pod_spec::containers::validate_image_spaces;
use crate::resources::pod_spec::scheduling::validate_tolerations;
use crate::resources::value::{int, items_mut, keep, list, pairs, same, text};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::schema::Schema;
use api_machinery::textdiff;
use serde_json::{Value, json};

const OTHER_FIELDS: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
                            `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                            `spec.tolerations` (only additions to existing tolerations),\
                            `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Checks a change of `spec`.
pub(super) fn validate_spec(new: &Value, old: &Value, errors: &mut ErrorList) {
    let path = Path::root("spec");
    for key in ["containers", "initContainers"] {
        let (containers, stored) = (list(new, key), list(old, key));
        if containers.len() != stored.len() {
            errors.push(Error::forbidden(&path.child(key), "pod updates may not add or remove containers"));
            return;
        }
        for (index, container) in containers.iter().enumerate() {
            let path = path.child(key).index(index);
            if text(container, "image").is_empty() {
                errors.push(Error::required(&path.child("image"), ""));
            }
            validate_image_spaces(container, &path, errors);
        }
    }
    if validate_deadline(new, old, &path.child("activeDeadlineSeconds"), errors).is_err() {
        return;
    }
    validate_added_tolerations(new, old, &path.child("tolerations"), errors);
    validate_removed_gates(new, old, &path.child("schedulingGates"), errors);
    if same(new, old) {
        return;
    }
    let mut rest = new.clone();
    for key in ["containers", "initContainers"] {
        for (container, stored) in items_mut(&mut rest, key).zip(list(old, key)) {
            keep(container, stored, "image");
        }
    }
    for key in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        keep(&mut rest, old, key);
    }
    let grace = |spec| int(spec, "terminationGracePeriodSeconds");
    if grace(old).is_some_and(|grace| grace < 0) && grace(new) == Some(1) {
        keep(&mut rest, old, "terminationGracePeriodSeconds");
    }
    if !list(old, "schedulingGates").is_empty() {
        validate_gated(new, old, &mut rest, &path, errors);
    }
    if !same(&rest, old) {
        let (old, rest) = (Schema::internal_lines("PodSpec", old), Schema::internal_lines("PodSpec", &rest));
        errors.push(Error::forbidden(&path, format!("{OTHER_FIELDS}\n{}", textdiff::unified(&old, &rest))));
    }
}

/// The deadline may only come nearer. An error means that nothing more is worth checking.
fn validate_deadline(new: &Value, old: &Value, path: &Path, errors: &mut ErrorList) -> Result<(), ()> {
    let (new, old) = (int(new, "activeDeadlineSeconds"), int(old, "activeDeadlineSeconds"));
    match (new, old) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            errors.push(Error::invalid(path, new, "must be between 0 and 2147483647, inclusive"));
            Err(())
        }
        (Some(new), Some(old)) if old < new => {
            errors.push(Error::invalid(path, new, "must be less than or equal to previous value"));
            Err(())
        }
        (None, Some(_)) => {
            let text = "must not update from a positive integer to nil value";
            errors.push(Error::invalid(path, Value::Null, text));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn validate_added_tolerations(new: &Value, old: &Value, path: &Path, errors: &mut ErrorList) {
    let without_seconds = |toleration: &Value| {
        let mut toleration = toleration.clone();
        keep(&mut toleration, &Value::Null, "tolerationSeconds");
        toleration
    };
    let tolerations = list(new, "tolerations");
    let kept: Vec<Value> = tolerations.iter().map(without_seconds).collect();
    if list(old, "tolerations").iter().any(|stored| !kept.contains(&without_seconds(stored))) {
        let text = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(Error::forbidden(path, text));
        return;
    }
    validate_tolerations(tolerations, path, errors);
}

fn validate_removed_gates(new: &Value, old: &Value, path: &Path, errors: &mut ErrorList) {
    for (index, gate) in list(new, "schedulingGates").iter().enumerate() {
        let name = text(gate, "name");
        if !list(old, "schedulingGates").iter().any(|stored| text(stored, "name") == name) {
            let text = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.push(Error::forbidden(&path.index(index).child("name"), text));
        }
    }
}

/// As long as a pod waits at a gate, its choice of nodes may be narrowed.
fn validate_gated(new: &Value, old: &Value, rest: &mut Value, path: &Path, errors: &mut ErrorList) {
    if !same(&new["nodeSelector"], &old["nodeSelector"]) {
        if pairs(old, "nodeSelector").any(|(key, value)| new["nodeSelector"][key] != *value) {
            let text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            errors.push(Error::invalid(&path.child("nodeSelector"), new["nodeSelector"].clone(), text));
        }
        keep(rest, old, "nodeSelector");
    }
    let required =
        |spec: &Value| spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"].clone();
    let (new_required, old_required) = (required(new), required(old));
    if same(&new["affinity"]["nodeAffinity"], &old["affinity"]["nodeAffinity"]) {
        return;
    }
    let terms = |selector: &Value| list(selector, "nodeSelectorTerms").to_vec();
    let (new_terms, old_terms) = (terms(&new_required), terms(&old_required));
    let path = path.child("affinity").child("nodeAffinity");
    let path = path.child("requiredDuringSchedulingIgnoredDuringExecution").child("nodeSelectorTerms");
    if !old_terms.is_empty() && new_terms.len() != old_terms.len() {
        let text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        let shown = Schema::internal_line("[]NodeSelectorTerm", &json!(new_terms));
        errors.push(Error::invalid(&path, json!(new_terms), text).shown(shown));
    } else {
        for (index, (new, old)) in new_terms.iter().zip(&old_terms).enumerate() {
            let only_added = ["matchExpressions", "matchFields"].iter().all(|key| {
                let (new, old) = (list(new, key), list(old, key));
                new.len() >= old.len() && new.iter().zip(old).all(|(new, old)| same(new, old))
            });
            let emptied = list(old, "matchExpressions").is_empty() && list(old, "matchFields").is_empty();
            if !only_added || (emptied && !same(new, old)) {
                let text = "only additions are allowed (no mutations or deletions)";
                let shown = Schema::internal_line("NodeSelectorTerm", new);
                errors.push(Error::invalid(&path.index(index), new.clone(), text).shown(shown));
            }
        }
    }
    let affinity = old["affinity"]["nodeAffinity"].clone();
    match (rest.get_mut("affinity").and_then(Value::as_object_mut), affinity.is_null()) {
        (Some(kept), true) => {
            kept.remove("nodeAffinity");
        }
        (Some(kept), false) => {
            kept.insert("nodeAffinity".to_owned(), affinity);
        }
        (None, _) => keep(rest, old, "affinity"),
    }
}
