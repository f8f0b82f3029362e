use super::binding::{CLUSTER_ROLE_BINDING, ROLE_BINDING};
use super::cluster_role::ClusterRole;
use super::escalation::only_for_collection;
use super::role::Role;
use crate::registry::Strategy;
use crate::resources::testing::{created, errors_of, messages, row};
use serde_json::{Value, json};

fn binding(role: Value, subjects: Value) -> Value {
    json!({
        "metadata": {"name": "b", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "roleRef": role,
        "subjects": subjects,
    })
}

// proves: AM-33
#[test]
fn rules_are_about_resources_or_about_paths() {
    let role = |rule: Value| json!({"metadata": {"name": "r"}, "rules": [rule]});
    assert_eq!(errors_of(&Role, role(json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}))), [""; 0]);
    assert_eq!(errors_of(&ClusterRole, role(json!({"verbs": ["get"], "nonResourceURLs": ["/x"]}))), [""; 0]);
    assert_eq!(
        errors_of(&Role, role(json!({}))),
        [
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
            "rules[0].resources: Required value: resource rules must supply at least one resource",
            "rules[0].verbs: Required value",
        ]
    );
    assert_eq!(
        errors_of(&Role, role(json!({"verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["pods"]}))),
        [
            "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs",
            "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both regular resources and \
             non-resource URLs",
        ]
    );
    assert_eq!(created(&Role, json!({"metadata": {"name": "r"}}))["rules"], Value::Null);
}

// proves: AM-33
#[test]
fn an_aggregated_role_selects_others() {
    let role =
        |selectors: Value| json!({"metadata": {"name": "r"}, "aggregationRule": {"clusterRoleSelectors": selectors}});
    assert_eq!(errors_of(&ClusterRole, role(json!([{"matchLabels": {"a": "b"}}]))), [""; 0]);
    assert_eq!(
        errors_of(&ClusterRole, role(json!([]))),
        ["aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if \
             aggregationRule is non-nil"]
    );
    assert_eq!(
        errors_of(&ClusterRole, role(json!([{"matchExpressions": [{"key": "a", "operator": "In"}]}]))),
        [
            "aggregationRule.clusterRoleSelectors[0].matchExpressions[0].values: Required value: must be specified when \
             `operator` is 'In' or 'NotIn'",
            "aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.",
        ]
    );
}

// proves: AM-33
#[test]
fn bindings_name_a_role_and_subjects() {
    let good = binding(
        json!({"kind": "Role", "name": "r"}),
        json!([{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]),
    );
    let made = created(&ROLE_BINDING, good.clone());
    assert_eq!(made["roleRef"]["apiGroup"], "rbac.authorization.k8s.io");
    assert_eq!(made["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io");
    assert_eq!(made["subjects"][1].get("apiGroup"), None);
    assert_eq!(errors_of(&ROLE_BINDING, good.clone()), [""; 0]);
    assert_eq!(
        errors_of(&CLUSTER_ROLE_BINDING, good),
        [
            "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"",
            "subjects[1].namespace: Required value",
        ]
    );
    let bad =
        binding(json!({"kind": "Role", "name": "a/b"}), json!([{"kind": "Robot"}, {"kind": "Group", "name": ""}]));
    assert_eq!(
        errors_of(&ROLE_BINDING, bad),
        [
            "roleRef.name: Invalid value: \"a/b\": may not contain '/'",
            "subjects[0].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\"",
            "subjects[0].name: Required value",
            "subjects[1].name: Required value",
        ]
    );
}

// proves: AM-33
#[test]
fn a_binding_stays_with_its_role() {
    let role = |name: &str| created(&ROLE_BINDING, binding(json!({"kind": "Role", "name": name}), json!([])));
    assert_eq!(messages(ROLE_BINDING.validate_update(&role("a"), &role("a"))), [""; 0]);
    assert_eq!(
        messages(ROLE_BINDING.validate_update(&role("b"), &role("a"))),
        [
            "roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\"Name\":\"b\"}: field \
             is immutable"
        ]
    );
}

// proves: SE-13
#[test]
fn the_garbage_collector_needs_no_rights_to_finish() {
    let old = json!({"metadata": {"name": "r", "finalizers": ["a.b/c"], "resourceVersion": "5"}, "rules": []});
    let mut new = old.clone();
    new["metadata"]["finalizers"] = json!([]);
    assert!(only_for_collection(&new, &old));
    new["metadata"]["labels"] = json!({"a": "b"});
    assert!(!only_for_collection(&new, &old));
}

// proves: AM-30
#[test]
fn rows_show_role_and_subjects() {
    let object = binding(
        json!({"kind": "ClusterRole", "name": "admin"}),
        json!([{"kind": "User", "name": "u"}, {"kind": "User", "name": "v"}, {"kind": "ServiceAccount", "namespace": "n", "name": "s"}]),
    );
    assert_eq!(row(&ROLE_BINDING, &object, "2026-01-01T00:00:03Z"), "b | ClusterRole/admin | 3s | u, v |  | n/s");
    let role = json!({"metadata": {"name": "r", "creationTimestamp": "2026-01-01T00:00:00Z"}});
    assert_eq!(row(&ClusterRole, &role, "2026-01-01T00:00:03Z"), "r | 2026-01-01T00:00:00Z");
}
