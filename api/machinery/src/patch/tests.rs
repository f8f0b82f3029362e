//! Tables of patches.

use serde_json::{Value, json};

use super::*;

fn gvk(group: &str, kind: &str) -> GroupVersionKind {
    GroupVersionKind::new(group, "v1", kind)
}

fn apply(
    kind: PatchType,
    expected: &GroupVersionKind,
    original: &Value,
    patch: &Value,
) -> Result<Value, (u16, String)> {
    Patch::parse(kind, &codec::encode(patch))
        .and_then(|patch| patch.apply_unchecked(original, expected))
        .map_err(|status| (status.code, status.message))
}

fn json_patch(original: Value, patch: Value) -> Result<Value, (u16, String)> {
    apply(PatchType::Json, &gvk("", "ConfigMap"), &original, &patch)
}

const REJECTED: &str = "the server rejected our request due to an error in our request";

// proves: AM-07
#[test]
fn json_patches_follow_rfc_6902() {
    let cases = [
        (json!({"a": 1}), json!([{"op": "add", "path": "/b", "value": 2}]), json!({"a": 1, "b": 2})),
        (json!({"a": [1, 3]}), json!([{"op": "add", "path": "/a/1", "value": 2}]), json!({"a": [1, 2, 3]})),
        (json!({"a": [1]}), json!([{"op": "add", "path": "/a/-", "value": 2}]), json!({"a": [1, 2]})),
        (json!({"a": 1}), json!([{"op": "remove", "path": "/a"}]), json!({})),
        (json!({"a": 1}), json!([{"op": "replace", "path": "/a", "value": {"x": null}}]), json!({"a": {"x": null}})),
        (json!({"a": 1}), json!([{"op": "move", "from": "/a", "path": "/b"}]), json!({"b": 1})),
        (
            json!({"a": {"c": 1}}),
            json!([{"op": "copy", "from": "/a", "path": "/b"}]),
            json!({"a": {"c": 1}, "b": {"c": 1}}),
        ),
        (json!({"a": 1}), json!([{"op": "test", "path": "/a", "value": 1}]), json!({"a": 1})),
        (
            json!({"m": {"x/y": 1, "~": 2}}),
            json!([{"op": "remove", "path": "/m/x~1y"}, {"op": "remove", "path": "/m/~0"}]),
            json!({"m": {}}),
        ),
    ];
    for (original, patch, want) in cases {
        assert_eq!(json_patch(original, patch.clone()), Ok(want), "{patch}");
    }
}

// proves: AM-07
#[test]
fn json_patches_that_do_not_apply_are_rejected() {
    for patch in [
        json!([{"op": "remove", "path": "/x"}]),
        json!([{"op": "move", "from": "/x", "path": "/b"}]),
        json!([{"op": "replace", "path": "", "value": 1}]),
        json!([{"op": "add", "path": "b", "value": 1}]),
        json!([{"op": "test", "path": "/a", "value": 2}]),
        json!([{"op": "test", "path": "/x/y", "value": null}]),
        json!([null]),
        json!([{"op": "add", "path": "/x/y", "value": 1}]),
        json!([{"op": "frobnicate", "path": "/x"}]),
        json!([{"op": "add"}]),
    ] {
        assert_eq!(json_patch(json!({"a": 1}), patch.clone()), Err((422, REJECTED.into())), "{patch}");
    }
    assert_eq!(
        json_patch(json!({}), json!({"op": "add"})),
        Err((
            400,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp".into()
        ))
    );
    assert_eq!(
        json_patch(json!({}), json!([{"op": 5}])),
        Err((
            400,
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string"
                .into()
        ))
    );
    for kind in [PatchType::Json, PatchType::Merge, PatchType::StrategicMerge] {
        for text in ["{", "{bad", "", "{}}"] {
            let bad = Patch::parse(kind, text.as_bytes()).unwrap_err();
            assert_eq!((bad.code, bad.message.as_str()), (400, "invalid JSON patch"), "{kind:?} {text}");
        }
    }
}

// proves: AM-07
#[test]
fn json_patches_are_lenient_where_upstreams_library_is() {
    let cases = [
        (json!({"a": 1}), json!([{"op": "replace", "path": "/x", "value": 1}]), json!({"a": 1, "x": 1})),
        (json!({"a": 1}), json!([{"op": "copy", "from": "/x", "path": "/b"}]), json!({"a": 1, "b": null})),
        (json!({"a": 1}), json!([{"op": "add", "path": "/b"}]), json!({"a": 1, "b": null})),
        (json!({"a": 1}), json!([{"op": "test", "path": "/x", "value": null}]), json!({"a": 1})),
        (json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/-1"}]), json!({"a": [1]})),
        (json!({"a": [1]}), json!([{"op": "add", "path": "/a/-1", "value": 2}]), json!({"a": [1, 2]})),
        (json!({"a": 1}), json!([{"op": "add", "path": "x/b", "value": 2}]), json!({"a": 1, "b": 2})),
        (json!({"a": 1}), json!(null), json!({"a": 1})),
    ];
    for (original, patch, want) in cases {
        assert_eq!(json_patch(original, patch.clone()), Ok(want), "{patch}");
    }
    let patch = Patch::parse(PatchType::Json, br#"[{"op": "add", "path": "/metadata/name", "value": "a", "foo": 1}]"#);
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {}});
    let body = patch.unwrap().apply(&object, &gvk("", "ConfigMap"), FieldValidation::Warn).unwrap();
    assert_eq!(body.warnings, ["json patch unknown field \"[0].foo\""]);
}

// proves: AM-07
#[test]
fn json_patches_are_bounded() {
    let many = vec![json!({"op": "test", "path": "/a", "value": 1}); OPERATIONS_MAX + 1];
    assert_eq!(
        json_patch(json!({"a": 1}), Value::Array(many)),
        Err((
            413,
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001".into()
        ))
    );
    let double: Vec<Value> =
        (0..40).map(|index| json!({"op": "copy", "from": "/a", "path": format!("/a/k{index}")})).collect();
    assert_eq!(json_patch(json!({"a": {"x": "y"}}), Value::Array(double)), Err((422, REJECTED.into())));
    let deeper: Vec<Value> = (0..1000).map(|_| json!({"op": "move", "from": "/a", "path": "/b"})).chain([]).collect();
    assert_eq!(json_patch(json!({"a": 1}), Value::Array(deeper)), Err((422, REJECTED.into())));
    let mut path = String::new();
    let nest: Vec<Value> = (0..200)
        .map(|_| {
            path.push_str("/a");
            json!({"op": "add", "path": path, "value": {}})
        })
        .collect();
    assert_eq!(json_patch(json!({}), Value::Array(nest)), Err((422, REJECTED.into())));
}

// proves: AM-07
#[test]
fn merge_patches_follow_rfc_7386() {
    let cases = [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        // Upstream's library drops them, and the RFC leaves them.
        (json!({"a": []}), json!({"a": [{"b": null, "c": {"d": null}}, null]}), json!({"a": [{"c": {}}, null]})),
    ];
    for (original, patch, want) in cases {
        let got = apply(PatchType::Merge, &gvk("", "ConfigMap"), &original, &patch);
        assert_eq!(got, Ok(want), "{patch}");
    }
    assert_eq!(
        apply(PatchType::Merge, &gvk("", "ConfigMap"), &json!({}), &json!([])),
        Err((
            400,
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}".into()
        ))
    );
}

fn pod(spec: Value) -> Value {
    json!({ "spec": spec })
}

fn strategic(original: Value, patch: Value) -> Result<Value, (u16, String)> {
    apply(PatchType::StrategicMerge, &gvk("", "Pod"), &original, &patch)
}

// proves: AM-07
#[test]
fn strategic_patches_merge_lists_by_key() {
    let two = json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]);
    let cases = [
        // A named item merges, an unnamed one stays, a new one is appended.
        (
            pod(json!({"containers": two})),
            pod(json!({"containers": [{"name": "b", "image": "3"}]})),
            pod(json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "3"}]})),
        ),
        (
            pod(json!({"containers": two})),
            pod(json!({"containers": [{"name": "c", "image": "4"}]})),
            pod(
                json!({"containers": [{"name": "c", "image": "4"}, {"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}),
            ),
        ),
        (
            pod(json!({"containers": two})),
            pod(json!({"containers": [{"name": "a", "$patch": "delete"}]})),
            pod(json!({"containers": [{"name": "b", "image": "2"}]})),
        ),
        (
            pod(json!({"containers": two})),
            pod(json!({"containers": [{"$patch": "replace"}, {"name": "z", "image": "9"}]})),
            pod(json!({"containers": [{"name": "z", "image": "9"}]})),
        ),
        // Nested: env by name, ports by containerPort, args replaced.
        (
            pod(json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}],
                "ports": [{"containerPort": 80, "name": "http"}], "args": ["a", "b"]}]})),
            pod(
                json!({"containers": [{"name": "a", "env": [{"name": "Y", "value": "3"}], "ports": [{"containerPort": 80, "name": "web"}], "args": ["c"]}]}),
            ),
            pod(json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "3"}],
                "ports": [{"containerPort": 80, "name": "web"}], "args": ["c"]}]})),
        ),
        // A null removes; an absent map is taken without its nulls.
        (
            pod(json!({"nodeName": "n", "nodeSelector": {"a": "1", "b": "2"}})),
            pod(
                json!({"nodeName": null, "nodeSelector": {"a": null}, "securityContext": {"runAsUser": 1, "fsGroup": null}}),
            ),
            pod(json!({"nodeSelector": {"b": "2"}, "securityContext": {"runAsUser": 1}})),
        ),
        (
            pod(json!({"nodeSelector": {"a": "1", "b": "2"}})),
            pod(json!({"nodeSelector": {"$patch": "replace", "c": "3"}})),
            pod(json!({"nodeSelector": {"c": "3"}})),
        ),
        (
            pod(json!({"securityContext": {"runAsUser": 1}})),
            pod(json!({"securityContext": {"$patch": "delete"}})),
            pod(json!({"securityContext": {}})),
        ),
        // A list without a strategy is replaced.
        (
            pod(json!({"tolerations": [{"key": "a"}]})),
            pod(json!({"tolerations": [{"key": "b"}]})),
            pod(json!({"tolerations": [{"key": "b"}]})),
        ),
    ];
    for (original, patch, want) in cases {
        assert_eq!(strategic(original, patch.clone()), Ok(want), "{patch}");
    }
}

// proves: AM-07
#[test]
fn strategic_patches_treat_primitive_lists_with_merge_as_sets() {
    let meta = |finalizers: Value| json!({"metadata": {"finalizers": finalizers}});
    assert_eq!(strategic(meta(json!(["a", "b"])), meta(json!(["b", "c"]))), Ok(meta(json!(["a", "b", "c"]))));
    assert_eq!(
        strategic(meta(json!(["a", "b", "c"])), json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"]}})),
        Ok(meta(json!(["a", "c"])))
    );
    assert_eq!(
        strategic(
            meta(json!(["a", "b"])),
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["c", "b"], "finalizers": ["c"]}})
        ),
        Ok(meta(json!(["c", "b"])))
    );
    assert_eq!(
        strategic(meta(json!(["a"])), json!({"metadata": {"$deleteFromPrimitiveList": ["a"]}})),
        Err((400, "invalid patch format of primitive list".into()))
    );
}

// proves: AM-07
#[test]
fn strategic_patches_order_and_retain() {
    let containers = |names: &[&str]| -> Value { names.iter().map(|name| json!({ "name": name })).collect() };
    let order = |original: &[&str], patch: &[&str], order: &[&str]| {
        let patch = pod(json!({"containers": containers(patch), "$setElementOrder/containers": containers(order)}));
        let merged = strategic(pod(json!({"containers": containers(original)})), patch).unwrap();
        let names = merged["spec"]["containers"].as_array().unwrap();
        names.iter().map(|item| item["name"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(order(&["a", "b", "c"], &[], &["c", "b", "a"]), ["c", "b", "a"]);
    assert_eq!(order(&["a", "b"], &["c"], &["c", "a", "b"]), ["c", "a", "b"]);
    // An item only the server knows stays near its neighbours.
    assert_eq!(order(&["server", "a", "b"], &["c"], &["b", "a", "c"]), ["server", "b", "a", "c"]);
    assert_eq!(order(&["a", "server", "b"], &[], &["a", "b"]), ["a", "server", "b"]);
    let wrong =
        pod(json!({"containers": containers(&["a", "b"]), "$setElementOrder/containers": containers(&["b", "a"])}));
    let (code, text) = strategic(pod(json!({"containers": []})), wrong).unwrap_err();
    assert_eq!(code, 500);
    assert!(text.starts_with("The order in patch list:"), "{text}");
    let nowhere = pod(json!({"$setElementOrder/nowhere": ["a"]}));
    let text = "unable to find api field in struct PodSpec for the json field \"nowhere\"";
    assert_eq!(strategic(pod(json!({"containers": []})), nowhere), Err((500, text.into())));

    let volumes = |volume: Value| pod(json!({"volumes": [volume]}));
    assert_eq!(
        strategic(
            volumes(json!({"name": "v", "emptyDir": {}})),
            volumes(json!({"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}))
        ),
        Ok(volumes(json!({"name": "v", "hostPath": {"path": "/x"}})))
    );
    let deployment = |strategy: Value| json!({"spec": {"strategy": strategy}});
    assert_eq!(
        apply(
            PatchType::StrategicMerge,
            &gvk("apps", "Deployment"),
            &deployment(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}})),
            &deployment(json!({"$retainKeys": ["type"], "type": "Recreate"}))
        ),
        Ok(deployment(json!({"type": "Recreate"})))
    );
    assert_eq!(
        strategic(
            volumes(json!({"name": "v"})),
            volumes(json!({"name": "v", "$retainKeys": ["name"], "hostPath": {}}))
        ),
        Err((400, "invalid patch format of retainKeys".into()))
    );
}

// proves: AM-07
#[test]
fn strategic_patches_that_do_not_fit_say_why() {
    let original = pod(json!({"containers": [{"name": "a"}]}));
    let cases = [
        (
            pod(json!({"containers": [{"image": "x"}]})),
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (pod(json!({"$patch": "merge", "x": 1})), 500, "unknown patch type: merge in map: map[$patch:merge x:1]"),
        (
            pod(json!({"containers": [{"name": "a", "$patch": "merge"}]})),
            500,
            "merging lists cannot yet be specified in the patch",
        ),
        (pod(json!({"$setElementOrder/containers": {}})), 400, "invalid patch format of setElementOrder list"),
    ];
    for (patch, code, text) in cases {
        assert_eq!(strategic(original.clone(), patch), Err((code, text.into())));
    }
}

// proves: AM-07, AM-11
#[test]
fn the_result_of_a_patch_is_checked_like_a_body() {
    let deployment = gvk("apps", "Deployment");
    let original = json!({"kind": "Deployment", "apiVersion": "apps/v1", "spec": {"replicas": 1}});
    let run = |kind: PatchType, patch: &str, validation| {
        Patch::parse(kind, patch.as_bytes()).and_then(|patch| patch.apply(&original, &deployment, validation))
    };
    let body = run(PatchType::Merge, r#"{"spec":{"replicas":2,"foo":1,"replicas":3}}"#, FieldValidation::Warn).unwrap();
    assert_eq!(body.object["spec"], json!({"replicas": 3}));
    assert_eq!(body.warnings, ["duplicate field \"spec.replicas\"", "unknown field \"spec.foo\""]);
    let refused = run(PatchType::StrategicMerge, r#"{"spec":{"foo":1}}"#, FieldValidation::Strict).unwrap_err();
    assert_eq!(refused.code, 422);
    assert_eq!(
        refused.message,
        r#" "" is invalid: patch: Invalid value: "map[spec:map[foo:1]]": strict decoding error: unknown field "spec.foo""#
    );
    for (patch, complaint) in [
        (r#"{"spec":{"template":{"spec":{"containers":"q"}}}}"#, "cannot restore slice from string"),
        (r#"{"spec":{"template":5}}"#, "cannot restore struct from: int64"),
        (r#"{"metadata":{"labels":[]}}"#, "cannot restore map from slice"),
        (r#"{"spec":{"replicas":"x"}}"#, "unrecognized type: int32"),
        (r#"{"spec":{"template":{"spec":{"nodeName":5}}}}"#, "cannot convert int64 to string"),
    ] {
        let refused = run(PatchType::StrategicMerge, patch, FieldValidation::Ignore).unwrap_err();
        assert!(refused.message.ends_with(&format!("]\": {complaint}")), "{}", refused.message);
    }
    let refused = run(PatchType::Merge, r#"{"spec":{"replicas":"x"}}"#, FieldValidation::Ignore).unwrap_err();
    assert!(
        refused
            .message
            .contains("json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32")
    );
}

#[test]
fn media_types_name_the_patch() {
    assert_eq!(PatchType::from_media_type("application/json-patch+json; charset=utf-8"), Some(PatchType::Json));
    assert_eq!(PatchType::from_media_type("application/strategic-merge-patch+json"), Some(PatchType::StrategicMerge));
    assert_eq!(PatchType::from_media_type("application/apply-patch+yaml"), None);
    assert_eq!(PatchType::from_media_type("application/json"), None);
}
