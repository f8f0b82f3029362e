//! Accessors. What is absent reads as empty, as Go's zero values do.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::value;

type Fields = Map<String, Value>;

/// The `metadata` map.
pub fn metadata(object: &Value) -> Option<&Fields> {
    object.get("metadata")?.as_object()
}

/// The `metadata` map for writing; made if absent.
pub fn metadata_mut(object: &mut Value) -> &mut Fields {
    value::map_mut(object, &["metadata"])
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    metadata(object).and_then(|fields| fields.get(field)).and_then(Value::as_str).unwrap_or_default()
}

fn set_text(object: &mut Value, field: &str, text: &str) {
    let fields = metadata_mut(object);
    if text.is_empty() {
        fields.remove(field);
    } else {
        fields.insert(field.into(), text.into());
    }
}

/// `apiVersion`.
pub fn api_version(object: &Value) -> &str {
    object.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
}

/// `kind`.
pub fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// Sets `apiVersion` and `kind`.
pub fn set_gvk(object: &mut Value, api_version: &str, kind: &str) {
    value::set(object, &["apiVersion"], api_version);
    value::set(object, &["kind"], kind);
}

/// `metadata.name`.
pub fn name(object: &Value) -> &str {
    text(object, "name")
}

/// `metadata.generateName`.
pub fn generate_name(object: &Value) -> &str {
    text(object, "generateName")
}

/// `metadata.namespace`.
pub fn namespace(object: &Value) -> &str {
    text(object, "namespace")
}

/// `metadata.uid`.
pub fn uid(object: &Value) -> &str {
    text(object, "uid")
}

/// `metadata.resourceVersion`.
pub fn resource_version(object: &Value) -> &str {
    text(object, "resourceVersion")
}

/// `metadata.creationTimestamp`.
pub fn creation_timestamp(object: &Value) -> &str {
    text(object, "creationTimestamp")
}

/// `metadata.deletionTimestamp`, if the object is being deleted.
pub fn deletion_timestamp(object: &Value) -> Option<&str> {
    Some(text(object, "deletionTimestamp")).filter(|text| !text.is_empty())
}

/// `metadata.deletionGracePeriodSeconds`.
pub fn deletion_grace_period_seconds(object: &Value) -> Option<i64> {
    metadata(object)?.get("deletionGracePeriodSeconds")?.as_i64()
}

/// `metadata.generation`, 0 if absent.
pub fn generation(object: &Value) -> i64 {
    metadata(object).and_then(|fields| fields.get("generation")).and_then(Value::as_i64).unwrap_or_default()
}

/// Sets `metadata.generation` to one more than that of `old`.
pub fn bump_generation(object: &mut Value, old: &Value) {
    metadata_mut(object).insert("generation".into(), (generation(old) + 1).into());
}

/// Sets or (empty) removes `metadata.name`.
pub fn set_name(object: &mut Value, name: &str) {
    set_text(object, "name", name);
}

/// Sets or (empty) removes `metadata.namespace`.
pub fn set_namespace(object: &mut Value, namespace: &str) {
    set_text(object, "namespace", namespace);
}

/// Sets or (empty) removes `metadata.resourceVersion`.
pub fn set_resource_version(object: &mut Value, resource_version: &str) {
    set_text(object, "resourceVersion", resource_version);
}

/// `metadata.labels`.
pub fn labels(object: &Value) -> Option<&Fields> {
    metadata(object)?.get("labels")?.as_object()
}

/// One label.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    labels(object)?.get(key)?.as_str()
}

/// Sets one label.
pub fn set_label(object: &mut Value, key: &str, text: &str) {
    value::set(object, &["metadata", "labels", key], text);
}

/// `metadata.annotations`.
pub fn annotations(object: &Value) -> Option<&Fields> {
    metadata(object)?.get("annotations")?.as_object()
}

/// One annotation.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    annotations(object)?.get(key)?.as_str()
}

/// Sets one annotation.
pub fn set_annotation(object: &mut Value, key: &str, text: &str) {
    value::set(object, &["metadata", "annotations", key], text);
}

/// `metadata.finalizers`.
pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    value::items_at(object, &["metadata", "finalizers"]).iter().filter_map(Value::as_str)
}

/// Whether a finalizer is set.
pub fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    finalizers(object).any(|name| name == finalizer)
}

/// Sets the finalizers; none removes the field.
pub fn set_finalizers(object: &mut Value, finalizers: Vec<String>) {
    let fields = metadata_mut(object);
    if finalizers.is_empty() {
        fields.remove("finalizers");
    } else {
        fields.insert("finalizers".into(), finalizers.into());
    }
}

/// Adds a finalizer unless it is there. Says whether it was added.
pub fn add_finalizer(object: &mut Value, finalizer: &str) -> bool {
    if has_finalizer(object, finalizer) {
        return false;
    }
    let mut all: Vec<String> = finalizers(object).map(String::from).collect();
    all.push(finalizer.into());
    set_finalizers(object, all);
    true
}

/// Removes a finalizer. Says whether it was there.
pub fn remove_finalizer(object: &mut Value, finalizer: &str) -> bool {
    if !has_finalizer(object, finalizer) {
        return false;
    }
    let rest: Vec<String> = finalizers(object).filter(|name| *name != finalizer).map(String::from).collect();
    set_finalizers(object, rest);
    true
}

/// One entry of `metadata.ownerReferences`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerReference<'a> {
    /// `apiVersion` of the owner.
    pub api_version: &'a str,
    /// Kind of the owner.
    pub kind: &'a str,
    /// Name of the owner.
    pub name: &'a str,
    /// UID of the owner.
    pub uid: &'a str,
    /// Whether the owner manages this object.
    pub controller: bool,
    /// Whether a foreground delete of the owner waits for this object.
    pub block_owner_deletion: bool,
}

/// `metadata.ownerReferences`.
pub fn owner_references(object: &Value) -> impl Iterator<Item = OwnerReference<'_>> {
    value::items_at(object, &["metadata", "ownerReferences"]).iter().map(|owner| OwnerReference {
        api_version: value::str_or_empty(owner, &["apiVersion"]),
        kind: value::str_or_empty(owner, &["kind"]),
        name: value::str_or_empty(owner, &["name"]),
        uid: value::str_or_empty(owner, &["uid"]),
        controller: value::bool_at(owner, &["controller"]).unwrap_or_default(),
        block_owner_deletion: value::bool_at(owner, &["blockOwnerDeletion"]).unwrap_or_default(),
    })
}

/// The owner that manages the object.
pub fn controller_of(object: &Value) -> Option<OwnerReference<'_>> {
    owner_references(object).find(|owner| owner.controller)
}

/// Takes out of `metadata.ownerReferences` what is there already. Returns the uids of what was taken out.
pub fn dedup_owner_references(object: &mut Value) -> Vec<String> {
    let list = object.get_mut("metadata").and_then(|metadata| metadata.get_mut("ownerReferences"));
    let Some(references) = list.and_then(Value::as_array_mut) else { return Vec::new() };
    let mut seen = HashSet::new();
    let mut repeated = Vec::new();
    references.retain(|reference| {
        let first = seen.insert(reference.to_string());
        if !first {
            repeated.push(reference["uid"].as_str().unwrap_or_default().to_owned());
        }
        first
    });
    repeated
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn accessors_read_what_setters_wrote() {
        let mut object = json!({});
        assert_eq!((name(&object), generation(&object), deletion_timestamp(&object)), ("", 0, None));
        set_gvk(&mut object, "v1", "Pod");
        set_name(&mut object, "a");
        set_namespace(&mut object, "n");
        set_resource_version(&mut object, "5");
        set_label(&mut object, "x/y", "z");
        assert!(add_finalizer(&mut object, "a/b"));
        assert!(!add_finalizer(&mut object, "a/b"));
        assert_eq!(
            object,
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "n",
                "resourceVersion": "5", "labels": {"x/y": "z"}, "finalizers": ["a/b"]}})
        );
        assert_eq!(label(&object, "x/y"), Some("z"));
        assert!(remove_finalizer(&mut object, "a/b"));
        assert!(!remove_finalizer(&mut object, "a/b"));
        set_resource_version(&mut object, "");
        assert!(metadata(&object).unwrap().get("finalizers").is_none());
        assert!(metadata(&object).unwrap().get("resourceVersion").is_none());
    }

    #[test]
    fn the_controller_is_the_owner_that_says_so() {
        let object = json!({"metadata": {"ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "2", "controller": true}]}});
        assert_eq!(controller_of(&object).unwrap().name, "r");
        assert_eq!(owner_references(&object).count(), 2);
    }
}
