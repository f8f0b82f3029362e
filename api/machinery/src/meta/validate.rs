//! Validation of `ObjectMeta`, on create and on update.
//!
//! Rules and texts of upstream's `k8s.io/apimachinery/pkg/api/validation`. Maps are walked in key order, so the order of
//! errors is fixed where upstream's is random.

use serde_json::Value;

use super::access::{self, OwnerReference};
use super::{FINALIZER_FOREGROUND, FINALIZER_ORPHAN};
use crate::field::{Error, ErrorList, Path};
use crate::gotext::quote;
use crate::gvk::GroupVersion;
use crate::names::{NameCheck, is_label_value, is_qualified_name, name_is_dns_label};
use crate::value;

/// Keys and values of all annotations together; more is refused as too long.
pub const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// The text of an immutable field.
pub const FIELD_IS_IMMUTABLE: &str = "field is immutable";

/// Validates `metadata` of an object that is about to be created; a generated name is already in place.
pub fn validate(object: &Value, namespaced: bool, check_name: NameCheck, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let (name, generate_name, namespace) =
        (access::name(object), access::generate_name(object), access::namespace(object));
    if !generate_name.is_empty() {
        for complaint in check_name(generate_name, true) {
            errors.push(Error::invalid(&path.child("generateName"), generate_name, complaint));
        }
    }
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), "name or generateName is required"));
    } else {
        for complaint in check_name(name, false) {
            errors.push(Error::invalid(&path.child("name"), name, complaint));
        }
    }
    match (namespaced, namespace) {
        (true, "") => errors.push(Error::required(&path.child("namespace"), "")),
        (true, namespace) => {
            for complaint in name_is_dns_label(namespace, false) {
                errors.push(Error::invalid(&path.child("namespace"), namespace, complaint));
            }
        }
        (false, "") => {}
        (false, _) => errors.push(Error::forbidden(&path.child("namespace"), "not allowed on this type")),
    }
    errors.append(validate_nonnegative(access::generation(object), &path.child("generation")));
    errors.append(common(object, path));
    errors.append(validate_finalizer_names(access::finalizers(object), &path.child("finalizers")));
    errors
}

/// Refuses finalizers that are neither Kubernetes' own nor those of somebody's domain.
pub fn validate_finalizer_names<'a>(finalizers: impl Iterator<Item = &'a str>, path: &Path) -> ErrorList {
    const OWN: &[&str] = &["kubernetes", FINALIZER_ORPHAN, FINALIZER_FOREGROUND];
    let mut errors = ErrorList::new();
    for (at, name) in finalizers.enumerate() {
        if !name.contains('/') && !OWN.contains(&name) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(Error::invalid(&path.index(at), name, detail));
        }
    }
    errors
}

/// Validates `metadata` of an update against what is stored.
pub fn validate_update(new: &Value, old: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if access::deletion_timestamp(old).is_some() {
        let extra: Vec<&str> = {
            let mut extra: Vec<&str> =
                access::finalizers(new).filter(|finalizer| !access::has_finalizer(old, finalizer)).collect();
            extra.sort_unstable();
            extra.dedup();
            extra
        };
        if !extra.is_empty() {
            let quoted: Vec<String> = extra.iter().map(|finalizer| quote(finalizer)).collect();
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                quoted.join(", ")
            );
            errors.push(Error::forbidden(&path.child("finalizers"), detail));
        }
    }
    if access::resource_version(new).is_empty() {
        errors.push(Error::invalid(&path.child("resourceVersion"), "", "must be specified for an update"));
    }
    if access::generation(new) < access::generation(old) {
        errors.push(Error::invalid(&path.child("generation"), access::generation(new), "must not be decremented"));
    }
    for name in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let at = ["metadata", name];
        errors.append(validate_immutable_field(value::get(new, &at), value::get(old, &at), &path.child(name)));
    }
    errors.append(common(new, path));
    errors
}

/// Refuses a change of a field. An absent field and an empty one are the same.
pub fn validate_immutable_field(new: Option<&Value>, old: Option<&Value>, path: &Path) -> ErrorList {
    if value::semantic_eq(new, old) {
        return ErrorList::new();
    }
    Error::invalid(path, new.cloned().unwrap_or(Value::Null), FIELD_IS_IMMUTABLE).into()
}

/// Refuses a negative number.
pub fn validate_nonnegative(number: i64, path: &Path) -> ErrorList {
    match number {
        0.. => ErrorList::new(),
        _ => Error::invalid(path, number, "must be greater than or equal to 0").into(),
    }
}

/// Validates keys and values of a map of labels.
pub fn validate_labels(labels: Option<&serde_json::Map<String, Value>>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (key, value) in labels.into_iter().flatten() {
        for complaint in is_qualified_name(key) {
            errors.push(Error::invalid(path, key.as_str(), complaint));
        }
        let text = value.as_str().unwrap_or_default();
        for complaint in is_label_value(text) {
            errors.push(Error::invalid(path, text, complaint));
        }
    }
    errors
}

/// Validates the keys, and the size, of a map of annotations.
pub fn validate_annotations(annotations: Option<&serde_json::Map<String, Value>>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut bytes = 0;
    for (key, value) in annotations.into_iter().flatten() {
        bytes += key.len() + value.as_str().unwrap_or_default().len();
        // The case of a letter does not matter here.
        for complaint in is_qualified_name(&key.to_lowercase()) {
            errors.push(Error::invalid(path, key.as_str(), complaint));
        }
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.push(Error::too_long(path, ANNOTATIONS_BYTES_MAX));
    }
    errors
}

fn common(object: &Value, path: &Path) -> ErrorList {
    let mut errors = validate_labels(access::labels(object), &path.child("labels"));
    errors.append(validate_annotations(access::annotations(object), &path.child("annotations")));
    errors.append(owners(object, &path.child("ownerReferences")));
    errors.append(finalizers(object, &path.child("finalizers")));
    errors
}

fn owners(object: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut controller: Option<OwnerReference<'_>> = None;
    let raw = value::items_at(object, &["metadata", "ownerReferences"]);
    let shown = || format!("[{}]", raw.iter().map(shown_owner).collect::<Vec<_>>().join(","));
    for (index, (owner, raw_owner)) in access::owner_references(object).zip(raw).enumerate() {
        let at = path.index(index);
        if owner.api_version.is_empty() {
            errors.push(Error::required(&at.child("apiVersion"), "must not be empty"));
        } else if GroupVersion::parse(owner.api_version).unwrap_or_default().version.is_empty() {
            let detail = "must be <group>/<version> or <version>";
            errors.push(Error::invalid(&at.child("apiVersion"), owner.api_version, detail));
        }
        for (field, text) in [("kind", owner.kind), ("name", owner.name), ("uid", owner.uid)] {
            if text.is_empty() {
                errors.push(Error::required(&at.child(field), "must not be empty"));
            }
        }
        if owner.api_version == "v1" && owner.kind == "Event" {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            errors.push(Error::invalid(&at, raw_owner.clone(), detail).shown(shown_owner(raw_owner)));
        }
        match controller {
            Some(first) if owner.controller => {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {}/{} and \
                     {}/{}",
                    first.kind, first.name, owner.kind, owner.name
                );
                errors.push(Error::invalid(path, Value::Array(raw.to_vec()), detail).shown(shown()));
            }
            None if owner.controller => controller = Some(owner),
            _ => {}
        }
    }
    errors
}

/// An owner with its fields in the order in which upstream's type has them.
fn shown_owner(owner: &Value) -> String {
    const ALWAYS: [&str; 4] = ["apiVersion", "kind", "name", "uid"];
    const IF_SET: [&str; 2] = ["controller", "blockOwnerDeletion"];
    let always = ALWAYS.iter().map(|key| (key, owner.get(key).cloned().unwrap_or_else(|| "".into())));
    let set = IF_SET.iter().filter_map(|key| Some((key, owner.get(key).filter(|value| !value.is_null())?.clone())));
    let fields: Vec<String> = always.chain(set).map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn finalizers(object: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for finalizer in access::finalizers(object) {
        for complaint in is_qualified_name(finalizer) {
            errors.push(Error::invalid(path, finalizer, complaint));
        }
    }
    if access::has_finalizer(object, FINALIZER_ORPHAN) && access::has_finalizer(object, FINALIZER_FOREGROUND) {
        let all: Vec<&str> = access::finalizers(object).collect();
        let detail = format!("finalizer {FINALIZER_ORPHAN} and {FINALIZER_FOREGROUND} cannot be both set");
        errors.push(Error::invalid(path, all, detail));
    }
    errors
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
