//! What is refused, removed, reported and normalized.

use serde_json::{Value, json};

use super::*;
use crate::codec::Format;

fn gvk(group: &str, kind: &str) -> GroupVersionKind {
    GroupVersionKind::new(group, "v1", kind)
}

fn conform(group: &str, kind: &str, mut value: Value) -> Result<(Value, Vec<String>), String> {
    let definition = Schema::get().kind(group, "v1", kind).unwrap();
    definition.conform(&mut value).map(|unknown| (value, unknown))
}

fn decode(kind: &GroupVersionKind, body: &str, validation: FieldValidation) -> Result<Body, String> {
    decode_body(Format::Json, body.as_bytes(), kind, validation).map_err(|status| {
        assert_eq!(status.code, 400);
        status.message
    })
}

#[test]
fn wrong_types_are_refused_in_the_words_of_go() {
    let pod = |spec: Value| conform("", "Pod", json!({ "spec": spec })).unwrap_err();
    let cases = [
        (
            conform("apps", "Deployment", json!({"spec": {"replicas": "3"}})).unwrap_err(),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            conform("apps", "Deployment", json!({"spec": {"replicas": 1.5}})).unwrap_err(),
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            conform("apps", "Deployment", json!({"spec": {"replicas": 3_000_000_000_u64}})).unwrap_err(),
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            conform("", "ConfigMap", json!({"data": {"a": 1}})).unwrap_err(),
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
        ),
        (
            conform("", "ConfigMap", json!({"metadata": {"labels": ["a"]}})).unwrap_err(),
            "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            pod(json!({"containers": {"name": "a"}})),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            pod(json!({"containers": [{"imagePullPolicy": 5}]})),
            "json: cannot unmarshal number into Go struct field Container.spec.containers.imagePullPolicy of type v1.PullPolicy",
        ),
        (
            pod(json!({"containers": [{"securityContext": {"capabilities": {"add": [5]}}}]})),
            "json: cannot unmarshal number into Go struct field Capabilities.spec.containers.securityContext.capabilities.add \
             of type v1.Capability",
        ),
        (
            pod(json!({"containers": [{"resources": {"limits": "1"}}]})),
            "json: cannot unmarshal string into Go struct field ResourceRequirements.spec.containers.resources.limits of type \
             v1.ResourceList",
        ),
        (
            conform("authorization.k8s.io", "SubjectAccessReview", json!({"spec": {"extra": {"a": "b"}}})).unwrap_err(),
            "json: cannot unmarshal string into Go struct field SubjectAccessReviewSpec.spec.extra of type v1.ExtraValue",
        ),
        (
            pod(json!({"containers": [{"ports": [{"containerPort": "80"}]}]})),
            "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (pod(json!("x")), "json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec"),
        (
            pod(json!({"containers": [{"resources": {"limits": {"cpu": "x"}}}]})),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            pod(json!({"containers": [{"livenessProbe": {"httpGet": {"port": true}}}]})),
            "json: cannot unmarshal bool into Go struct field \
             HTTPGetAction.spec.containers.livenessProbe.ProbeHandler.httpGet.port of type int32",
        ),
        (
            pod(json!({"volumes": [{"name": "v", "configMap": {"name": 5}}]})),
            "json: cannot unmarshal number into Go struct field \
             ConfigMapVolumeSource.spec.volumes.VolumeSource.configMap.LocalObjectReference.name of type string",
        ),
        (
            conform("coordination.k8s.io", "Lease", json!({"spec": {"renewTime": 5}})).unwrap_err(),
            "json: cannot unmarshal number into Go struct field LeaseSpec.spec.renewTime of type string",
        ),
        (
            conform("coordination.k8s.io", "Lease", json!({"spec": {"renewTime": "2020-01-01T00:00:00Z"}}))
                .unwrap_err(),
            "parsing time \"2020-01-01T00:00:00Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"Z\" as \
             \".000000\"",
        ),
        (conform("", "Secret", json!({"data": {"a": "!"}})).unwrap_err(), "illegal base64 data at input byte 0"),
        (
            conform("", "Pod", json!({"metadata": {"deletionTimestamp": "x"}})).unwrap_err(),
            "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\"",
        ),
    ];
    for (got, want) in cases {
        assert_eq!(got, want);
    }
}

// proves: AM-11
#[test]
fn unknown_fields_are_removed_and_reported_with_their_paths() {
    let (value, unknown) = conform(
        "apps",
        "Deployment",
        json!({"bogus": 1, "spec": {"foo": {"x": 1}, "template": {"spec": {"containers": [{"name": "a"}, {"imagePullPolice": "x", "env": [{"nam": 1}]}]}}}}),
    )
    .unwrap();
    assert_eq!(value, json!({"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"env": [{}]}]}}}}));
    assert_eq!(
        unknown,
        [
            "unknown field \"bogus\"",
            "unknown field \"spec.foo\"",
            "unknown field \"spec.template.spec.containers[1].env[0].nam\"",
            "unknown field \"spec.template.spec.containers[1].imagePullPolice\"",
        ]
    );
    let many: serde_json::Map<String, Value> = (0..500).map(|index| (format!("x{index}"), json!(1))).collect();
    let (value, unknown) = conform("", "ConfigMap", Value::Object(many)).unwrap();
    assert_eq!((value, unknown.len()), (json!({}), ERRORS_MAX));
}

#[test]
fn values_become_canonical() {
    let (value, _) = conform(
        "",
        "Pod",
        json!({"metadata": {"creationTimestamp": null, "labels": {}, "annotations": {"a": null}, "deletionTimestamp": "2026-01-01T01:00:00.5+01:00"},
            "spec": {"nodeSelector": {}, "volumes": [], "tolerations": null, "containers": [],
                "overhead": {"cpu": 0.5, "memory": "1024Ki"}, "securityContext": {}}}),
    )
    .unwrap();
    assert_eq!(
        value,
        json!({"metadata": {"annotations": {"a": ""}, "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"containers": [], "overhead": {"cpu": "500m", "memory": "1Mi"}, "securityContext": {}}})
    );
    let (lease, _) =
        conform("coordination.k8s.io", "Lease", json!({"spec": {"renewTime": "2026-01-01T01:00:00.100000+01:00"}}))
            .unwrap();
    assert_eq!(lease["spec"]["renewTime"], "2026-01-01T00:00:00.100000Z");
    let (role, _) = conform("rbac.authorization.k8s.io", "ClusterRole", json!({"rules": []})).unwrap();
    assert_eq!(role, json!({}));
}

// proves: AM-11
#[test]
fn field_validation_ignores_warns_or_refuses() {
    let deployment = gvk("apps", "Deployment");
    let body = r#"{"kind":"Deployment","apiVersion":"apps/v1","spec":{"foo":1,"replicas":1,"replicas":2}}"#;
    let ignored = decode(&deployment, body, FieldValidation::Ignore).unwrap();
    assert_eq!(ignored.object, json!({"kind": "Deployment", "apiVersion": "apps/v1", "spec": {"replicas": 2}}));
    assert_eq!(ignored.warnings, [""; 0]);
    let warned = decode(&deployment, body, FieldValidation::Warn).unwrap();
    assert_eq!(warned.warnings, ["unknown field \"spec.foo\"", "duplicate field \"spec.replicas\""]);
    assert_eq!(
        decode(&deployment, body, FieldValidation::Strict).unwrap_err(),
        r#"Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.foo", duplicate field "spec.replicas""#
    );
    assert_eq!(FieldValidation::parse("Strict").unwrap(), FieldValidation::Strict);
    assert_eq!(
        FieldValidation::parse("x").unwrap_err().to_string(),
        r#"fieldValidation: Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn""#
    );
}

#[test]
fn a_body_of_another_kind_is_refused() {
    let config_map = gvk("", "ConfigMap");
    let refused = |body: &str| decode(&config_map, body, FieldValidation::Warn).unwrap_err();
    assert_eq!(
        refused(r#"{"kind":"Deployment","apiVersion":"apps/v1"}"#),
        "the API version in the data (apps/v1) does not match the expected API version (v1)"
    );
    assert_eq!(
        refused(r#"{"kind":"Pod","apiVersion":"v1"}"#),
        r#"Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion"#
    );
    assert_eq!(
        refused(r#"{"kind":"Foo"}"#),
        r#"Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30""#
    );
    assert_eq!(
        decode(&gvk("apps", "Deployment"), r#"{"spec":{"replicas":"x"}}"#, FieldValidation::Warn).unwrap_err(),
        r#"Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"#
    );
    assert_eq!(
        decode(&config_map, "{}", FieldValidation::Warn).unwrap().object,
        json!({"kind": "ConfigMap", "apiVersion": "v1"})
    );
}

#[test]
fn a_bad_patch_result_is_invalid_with_the_patch_as_value() {
    let check = |object: &mut Value, reader| {
        let expected = gvk("apps", "Deployment");
        check_patched(object, Vec::new(), &expected, FieldValidation::Warn, reader, || "SHOWN".into())
    };
    let mut object = json!({"spec": {"replicas": "x"}});
    let status = check(&mut object, Reader::Json).unwrap_err();
    assert_eq!(
        (status.code, status.message.as_str()),
        (
            422,
            r#" "" is invalid: patch: Invalid value: "SHOWN": json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"#
        )
    );
}

#[test]
fn what_a_strategic_patch_made_is_refused_in_the_words_of_the_converter() {
    let read = |spec: Value| {
        let mut object = json!({ "spec": spec });
        let definition = Schema::get().kind("apps", "v1", "Deployment").unwrap();
        definition.conform_as(&mut object, Reader::Converter).map(|_| object["spec"].clone())
    };
    let in_pod = |spec: Value| json!({"template": {"spec": spec}});
    for (spec, complaint) in [
        (json!({"replicas": "x"}), "unrecognized type: int32"),
        (json!({"replicas": {}}), "unrecognized type: int32"),
        (json!({"replicas": 1.5}), "cannot convert float64 to int32"),
        (json!({"selector": {"matchLabels": {"a": 1}}}), "cannot convert int64 to string"),
        (json!({"selector": {"matchLabels": {"a": 1.5}}}), "unrecognized type: string"),
        (json!({"selector": {"matchLabels": "x"}}), "cannot restore map from string"),
        (json!({"strategy": []}), "cannot restore struct from: slice"),
        (
            json!({"strategy": {"rollingUpdate": {"maxSurge": true}}}),
            "json: cannot unmarshal bool into Go value of type int32",
        ),
        (in_pod(json!({"containers": "x"})), "cannot restore slice from string"),
        (in_pod(json!({"hostNetwork": 1})), "unrecognized type: bool"),
        (in_pod(json!({"terminationGracePeriodSeconds": "1"})), "unrecognized type: int64"),
    ] {
        assert_eq!(read(spec.clone()), Err(complaint.to_owned()), "{spec}");
    }
    assert_eq!(read(json!({"replicas": 2.0})), Ok(json!({"replicas": 2})));
    assert_eq!(read(json!({"replicas": 3_000_000_000_i64})), Ok(json!({"replicas": -1_294_967_296})));
}

#[test]
fn a_node_that_is_in_no_user_namespace_says_so() {
    let told = json!({"runningInUserNamespace": false, "machineID": "m"});
    let mut node = json!({"status": {"nodeInfo": told}});
    Schema::get().kind("", "v1", "Node").unwrap().conform(&mut node).unwrap();
    assert_eq!(node["status"]["nodeInfo"]["runningInUserNamespace"], json!(false));
}

#[test]
fn an_error_within_an_embedded_struct_names_it() {
    let refused = |spec: Value| {
        let mut pod = json!({ "spec": spec });
        Schema::get().kind("", "v1", "Pod").unwrap().conform(&mut pod).unwrap_err()
    };
    for (spec, place) in [
        (
            json!({"containers": [{"readinessProbe": {"httpGet": {"path": true}}}]}),
            "HTTPGetAction.spec.containers.readinessProbe.ProbeHandler.httpGet.path",
        ),
        (
            json!({"containers": [{"readinessProbe": {"periodSeconds": true}}]}),
            "Probe.spec.containers.readinessProbe.periodSeconds",
        ),
        (
            json!({"volumes": [{"configMap": {"name": true}}]}),
            "ConfigMapVolumeSource.spec.volumes.VolumeSource.configMap.LocalObjectReference.name",
        ),
        (json!({"volumes": [{"name": true}]}), "Volume.spec.volumes.name"),
    ] {
        let text = refused(spec);
        assert!(text.contains(&format!("into Go struct field {place} of type")), "{text}");
    }
}

#[test]
fn the_table_knows_merge_keys_and_strategies() {
    let schema = Schema::get();
    let pod_spec = schema.named("io.k8s.api.core.v1.PodSpec").unwrap();
    let containers = pod_spec.field("containers").unwrap();
    assert_eq!(
        (containers.patch_key.as_deref(), containers.patch.merge, containers.list),
        (Some("name"), true, Some(ListKind::Map))
    );
    assert_eq!(pod_spec.field("volumes").unwrap().patch.name(), Some("merge,retainKeys"));
    let ports = schema.named("io.k8s.api.core.v1.ServiceSpec").unwrap().field("ports").unwrap();
    assert_eq!(ports.map_keys.iter().map(|key| &**key).collect::<Vec<_>>(), ["port", "protocol"]);
    assert!(schema.named("io.k8s.api.core.v1.ObjectReference").unwrap().atomic);
    assert_eq!(schema.kind("", "v1", "DeleteOptions").unwrap().short_name(), "DeleteOptions");
}

// proves: AM-44
#[test]
fn an_openapi_document_is_closed_under_references() {
    let document =
        openapi::document("Kubernetes", "v1.37.0", serde_json::Map::new(), &["io.k8s.api.apps.v1.Deployment"]);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is referred to but missing");
    }
    let deployment = &schemas["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(
        deployment["x-kubernetes-group-version-kind"],
        json!([{"group": "apps", "version": "v1", "kind": "Deployment"}])
    );
    assert_eq!(deployment["properties"]["spec"]["description"], "The state that is wanted.");
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(
        containers,
        &json!({"type": "array", "items": {"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"},
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge"})
    );
    assert_eq!(schemas["io.k8s.api.core.v1.PodSpec"]["required"], json!(["containers"]));
}

#[test]
fn documents_name_the_values_of_fields() {
    let schemas = openapi::schemas(&["io.k8s.api.core.v1.Pod", "io.k8s.api.core.v1.Service"]);
    let of = |definition: &str, field: &str| schemas[definition]["properties"][field].clone();
    assert_eq!(
        of("io.k8s.api.core.v1.Container", "imagePullPolicy")["enum"],
        json!(["Always", "IfNotPresent", "Never"])
    );
    assert_eq!(of("io.k8s.api.core.v1.ServiceSpec", "ipFamilies")["items"]["enum"], json!(["", "IPv4", "IPv6"]));
    assert_eq!(of("io.k8s.api.core.v1.Container", "image").get("enum"), None);
}
