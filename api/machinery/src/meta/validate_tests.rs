//! Exact errors of metadata.

use super::*;
use crate::names::name_is_dns_subdomain;
use serde_json::json;

fn create(metadata: Value, namespaced: bool) -> Vec<String> {
    let errors = validate(&json!({ "metadata": metadata }), namespaced, name_is_dns_subdomain, &Path::root("metadata"));
    errors.iter().map(ToString::to_string).collect()
}

fn update(new: Value, old: Value) -> Vec<String> {
    let errors = validate_update(&json!({"metadata": new}), &json!({"metadata": old}), &Path::root("metadata"));
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_create_needs_a_name_and_the_right_scope() {
    assert_eq!(create(json!({"name": "a", "namespace": "n"}), true), [""; 0]);
    assert_eq!(
        create(json!({"namespace": "n"}), true),
        ["metadata.name: Required value: name or generateName is required"]
    );
    assert_eq!(create(json!({"name": "a"}), true), ["metadata.namespace: Required value"]);
    assert_eq!(
        create(json!({"name": "a", "namespace": "n"}), false),
        ["metadata.namespace: Forbidden: not allowed on this type"]
    );
    assert!(create(json!({"name": "A", "namespace": "n"}), true)[0].starts_with(
        "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
    ));
    assert_eq!(
        create(json!({"name": "a", "generation": -1}), false),
        ["metadata.generation: Invalid value: -1: must be greater than or equal to 0"]
    );
}

#[test]
fn labels_annotations_owners_and_finalizers_are_checked() {
    let long = "x".repeat(ANNOTATIONS_BYTES_MAX);
    assert_eq!(
        create(json!({"name": "a", "annotations": {"A/b": "upper case is fine", "k": long}}), false),
        ["metadata.annotations: Too long: may not be more than 262144 bytes"]
    );
    assert_eq!(create(json!({"name": "a", "labels": {"a": "b c"}}), false).len(), 1);
    assert_eq!(
        create(
            json!({"name": "a", "ownerReferences": [{"apiVersion": "", "kind": "K", "name": "", "uid": "u"}]}),
            false
        ),
        [
            "metadata.ownerReferences[0].apiVersion: Required value: must not be empty",
            "metadata.ownerReferences[0].name: Required value: must not be empty",
        ]
    );
    assert_eq!(
        create(
            json!({"name": "a", "ownerReferences": [
                {"apiVersion": "a/b/c", "kind": "K", "name": "n", "uid": "u"},
                {"uid": "u", "name": "n", "kind": "Event", "blockOwnerDeletion": true, "apiVersion": "v1"},
            ]}),
            false
        ),
        [
            "metadata.ownerReferences[0].apiVersion: Invalid value: \"a/b/c\": must be <group>/<version> or <version>",
            "metadata.ownerReferences[1]: Invalid value: {\"apiVersion\":\"v1\",\"kind\":\"Event\",\"name\":\"n\",\
             \"uid\":\"u\",\"blockOwnerDeletion\":true}: /v1, Kind=Event is disallowed from being an owner",
        ]
    );
    let two = json!([{"apiVersion": "v1", "kind": "A", "name": "a", "uid": "1", "controller": true},
        {"apiVersion": "v1", "kind": "B", "name": "b", "uid": "2", "controller": true}]);
    assert!(
        create(json!({"name": "a", "ownerReferences": two}), false)[0].ends_with(
            "Only one reference can have Controller set to true. Found \"true\" in references for A/a and B/b"
        )
    );
    assert_eq!(
        create(json!({"name": "a", "finalizers": ["orphan", "foregroundDeletion"]}), false),
        [
            "metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer orphan and foregroundDeletion cannot be both set"
        ]
    );
}

#[test]
fn an_update_keeps_identity() {
    let old = json!({"name": "a", "uid": "1", "resourceVersion": "5", "generation": 2});
    assert_eq!(update(old.clone(), old.clone()), [""; 0]);
    assert_eq!(
        update(json!({"name": "a", "uid": "2", "generation": 1}), old),
        [
            "metadata.resourceVersion: Invalid value: \"\": must be specified for an update",
            "metadata.generation: Invalid value: 1: must not be decremented",
            "metadata.uid: Invalid value: \"2\": field is immutable",
        ]
    );
    assert_eq!(
        update(
            json!({"name": "a", "resourceVersion": "1", "deletionTimestamp": "t", "finalizers": ["b", "a"]}),
            json!({"name": "a", "resourceVersion": "1", "deletionTimestamp": "t", "finalizers": ["a"]})
        )[0],
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"b\"}"
    );
}
