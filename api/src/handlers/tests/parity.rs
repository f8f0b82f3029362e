//! Answers that were compared with those of upstream's server, request by request.

use super::{MAPS, Server, map};
use ::http::Method;
use serde_json::json;

// proves: AM-06
#[tokio::test]
async fn what_an_update_or_a_patch_may_not_touch_is_refused_with_upstreams_code_and_text() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let path = format!("{MAPS}/a");
    let invalid = |field: &str, value: &str| {
        format!("ConfigMap \"a\" is invalid: metadata.{field}: Invalid value: \"{value}\": field is immutable")
    };
    let number = "strconv.ParseUint: parsing \"x\": invalid syntax".to_owned();
    let time = "2020-01-01T00:00:00Z";
    let cases = [
        (json!({"metadata": {"uid": "x"}}), 422, "Invalid", invalid("uid", "x")),
        (json!({"metadata": {"deletionTimestamp": time}}), 422, "Invalid", invalid("deletionTimestamp", time)),
        (json!({"metadata": {"resourceVersion": "x"}}), 500, "", number.clone()),
        (
            json!({"metadata": {"name": "b"}}),
            400,
            "BadRequest",
            "the name of the object (b) does not match the name on the URL (a)".to_owned(),
        ),
        (
            json!({"metadata": {"finalizers": ["mine"]}}),
            422,
            "Invalid",
            "ConfigMap \"a\" is invalid: metadata.finalizers[0]: Invalid value: \"mine\": name is neither a standard \
             finalizer name nor is it fully qualified"
                .to_owned(),
        ),
    ];
    for (patch, code, reason, message) in cases {
        let refusal = server.patch(&path, "merge-patch", &patch).await.refusal();
        assert_eq!(refusal, (code, reason.to_owned(), message), "{patch}");
    }
    let kind = server.patch(&path, "strategic-merge-patch", &json!({"kind": "Secret", "apiVersion": "v2"})).await;
    assert_eq!(kind.expect(200)["kind"], "ConfigMap");
    let mut nameless = map("");
    nameless["metadata"] = json!({});
    assert_eq!(
        server.put(&path, &nameless).await.refusal().2,
        "the name of the object (a based on URL) was undeterminable: name must be provided"
    );
    let mut stale = map("a");
    stale["metadata"]["resourceVersion"] = "x".into();
    assert_eq!(server.put(&path, &stale).await.refusal(), (500, String::new(), number));
}

#[tokio::test]
async fn options_are_refused_with_upstreams_texts() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let path = format!("{MAPS}/a");
    for (method, query, want) in [
        (
            Method::PATCH,
            "force=true",
            "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
        ),
        (
            Method::DELETE,
            "dryRun=All&dryRun=x",
            "DeleteOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"All\",\"x\"]: supported values: \
             \"All\"",
        ),
        (
            Method::DELETE,
            "propagationPolicy=x",
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"x\": supported values: \
             \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
        ),
        (
            Method::PATCH,
            "fieldManager=a%01",
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a\\x01\": invalid character U+0001 \
             (at position 1)",
        ),
    ] {
        let headers = [("content-type", "application/merge-patch+json")];
        let body = if method == Method::PATCH { "{}" } else { "" };
        let headers = if method == Method::PATCH { &headers[..] } else { &[] };
        let refusal = server.send(method, &format!("{path}?{query}"), headers, body).await.refusal();
        assert_eq!((refusal.0, refusal.2.as_str()), (422, want), "{query}");
    }
    let refusal = server.get(&format!("{MAPS}?timeoutSeconds=x")).await.refusal();
    assert_eq!((refusal.0, refusal.2.as_str()), (400, "strconv.ParseInt: parsing \"x\": invalid syntax"));
}

#[tokio::test]
async fn endpoints_warn_that_slices_have_taken_their_place() {
    let server = Server::start().await;
    let answer = server.get("/api/v1/endpoints").await;
    assert_eq!(answer.warnings, ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"]);
    assert!(server.get(MAPS).await.warnings.is_empty());
}

// proves: AM-33
#[tokio::test]
async fn reviews_and_bindings_answer_as_upstream_does() {
    let server = Server::start().await;
    let access = "/apis/authorization.k8s.io/v1";
    let refusal = server.post(&format!("{access}/selfsubjectaccessreviews"), &json!({"spec": {}})).await.refusal();
    assert_eq!(
        (refusal.0, refusal.2.as_str()),
        (
            422,
            ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of \
             nonResourceAttributes or resourceAttributes must be specified"
        )
    );
    let rules = json!({"spec": {"namespace": "default"}});
    assert_eq!(server.post(&format!("{access}/selfsubjectrulesreviews"), &rules).await.expect(201)["spec"], json!({}));
    let me = server.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({})).await.expect(201);
    assert!(me["metadata"]["creationTimestamp"].is_string(), "{me}");
    let binding = json!({"target": {"name": "n"}});
    assert_eq!(
        server.post("/api/v1/namespaces/default/pods/p/binding", &binding).await.refusal().2,
        "name in URL does not match name in Binding object"
    );
    let system = "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical";
    assert_eq!(
        server.delete(system).await.refusal().2,
        "priorityclasses.scheduling.k8s.io \"system-node-critical\" is forbidden: this is a system priority class and \
         cannot be deleted"
    );
    let finalize = json!({"metadata": {"name": "default"}, "spec": {"finalizers": ["mine"]}});
    assert_eq!(
        server.put("/api/v1/namespaces/default/finalize", &finalize).await.refusal().2,
        "Namespace \"default\" is invalid: spec.finalizers[0]: Invalid value: \"mine\": name is neither a standard \
         finalizer name nor is it fully qualified"
    );
}
