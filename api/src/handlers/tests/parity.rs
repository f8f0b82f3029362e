//! Answers that were compared with those of upstream's server, request by request.

use super::{MAPS, Server, map};
use crate::filters::compress::COMPRESSED_BYTES_MIN;
use crate::handlers::list_body;
use ::http::Method;
use http_body_util::BodyExt;
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
            ".authorization.k8s.io \"\" is invalid: spec: Invalid value: null: exactly one of \
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

// proves: AM-06
#[tokio::test]
async fn a_cause_comes_once_and_a_generation_that_nobody_counts_is_kept() {
    let server = Server::start().await;
    let mut object = map("a");
    object["metadata"]["generation"] = json!(9);
    assert_eq!(server.post(MAPS, &object).await.expect(201)["metadata"]["generation"], 9);
    let patch = json!({"metadata": {"deletionGracePeriodSeconds": 3}});
    let refused = server.patch(&format!("{MAPS}/a"), "merge-patch", &patch).await.expect(422);
    let fields: Vec<_> =
        refused["details"]["causes"].as_array().expect("causes").iter().map(|one| &one["field"]).collect();
    assert_eq!(fields, ["metadata.deletionGracePeriodSeconds"]);
    assert_eq!(
        refused["message"],
        "ConfigMap \"a\" is invalid: metadata.deletionGracePeriodSeconds: Invalid value: 3: field is immutable"
    );
}

// proves: AM-30
#[tokio::test]
async fn what_cannot_be_answered_is_not_done() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let path = format!("{MAPS}/a");
    let odd = [("accept", "application/json;as=Odd;g=meta.k8s.io;v=v1")];
    assert_eq!(server.send(Method::DELETE, &path, &odd, "").await.code, 406);
    assert_eq!(server.get_as(&format!("{MAPS}/none"), odd[0].1).await.code, 406);
    server.get(&path).await.expect(200);
    let unknown = server.send(Method::PATCH, &path, &[("content-type", "text/plain")], "{}").await.refusal();
    assert_eq!(unknown, (415, "UnsupportedMediaType".into(), "415: Unsupported Media Type".into()));
    let apply = server.send(Method::PATCH, &path, &[("content-type", "application/apply-patch+yaml")], "{}").await;
    assert!(apply.refusal().2.starts_with("the body of the request was in an unknown format"));
}

// proves: AM-15
#[tokio::test]
async fn what_may_be_of_any_age_comes_in_one_page_and_a_deleted_collection_says_its_revision() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.post(MAPS, &map(name)).await.expect(201);
    }
    let items = |list: serde_json::Value| list["items"].as_array().map_or(0, Vec::len);
    assert_eq!(items(server.get(&format!("{MAPS}?limit=1&resourceVersion=0")).await.expect(200)), 3);
    assert_eq!(items(server.get(&format!("{MAPS}?limit=1")).await.expect(200)), 1);
    let none = server.delete(&format!("{MAPS}?labelSelector=none")).await.expect(200);
    assert!(none["metadata"]["resourceVersion"].as_str().is_some_and(|revision| revision != "0"), "{none}");
    let partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let none = server.get_as(&format!("{MAPS}?labelSelector=none"), partial).await.expect(200);
    assert_eq!(none["items"], json!(null));
}

#[tokio::test]
async fn a_binding_binds_at_its_old_place_too() {
    let server = Server::start().await;
    let pods = "/api/v1/namespaces/default/pods";
    server.post(pods, &super::pod("a")).await.expect(201);
    let place = "/api/v1/namespaces/default/bindings";
    let target = json!({"kind": "Node", "name": "n"});
    let nameless = server.post(place, &json!({"metadata": {}, "target": target})).await.refusal();
    assert_eq!((nameless.0, nameless.2.as_str()), (400, "Name parameter required."));
    let nowhere = server.post(place, &json!({"metadata": {"name": "a"}})).await.refusal();
    assert_eq!((nowhere.0, nowhere.2.as_str()), (500, "target.name: Required value"));
    server.post(place, &json!({"metadata": {"name": "a"}, "target": target})).await.expect(201);
    assert_eq!(server.get(&format!("{pods}/a")).await.expect(200)["spec"]["nodeName"], "n");
}

// proves: AM-04
#[tokio::test]
async fn options_of_a_deletion_have_types_and_a_finalize_replaces_metadata() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let refused = server.delete_with(&format!("{MAPS}/a"), &json!({"gracePeriodSeconds": "x"})).await.refusal();
    let text = "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64";
    assert_eq!(refused, (400, "BadRequest".into(), text.into()));
    let namespaces = "/api/v1/namespaces";
    server.post(namespaces, &json!({"metadata": {"name": "n", "labels": {"a": "b"}}})).await.expect(201);
    let wanted = json!({"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes", "test.io/one"]}});
    let finalized = server.put(&format!("{namespaces}/n/finalize"), &wanted).await.expect(200);
    assert_eq!(finalized["metadata"]["labels"], json!({"kubernetes.io/metadata.name": "n"}));
    assert_eq!((&finalized["status"]["phase"], &finalized["spec"]), (&json!("Active"), &wanted["spec"]));
}

#[tokio::test]
async fn an_owner_that_is_named_twice_is_kept_once_and_warned_of() {
    let server = Server::start().await;
    let mut object = map("a");
    let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"});
    let other = json!({"apiVersion": "v1", "kind": "Pod", "name": "q", "uid": "u"});
    object["metadata"]["ownerReferences"] = json!([owner, other, owner]);
    let answer = server.post(MAPS, &object).await;
    assert!(answer.warnings[0].starts_with(".metadata.ownerReferences contains duplicate entries; API server dedups"));
    assert!(answer.warnings[0].ends_with("; duplicate UID(s) observed: u"), "{:?}", answer.warnings);
    assert_eq!(answer.expect(201)["metadata"]["ownerReferences"], json!([owner, other]));
}

// proves: AM-02
#[tokio::test]
async fn a_name_that_is_taken_is_told_as_a_generated_one_wherever_there_is_a_base() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let mut second = map("a");
    second["metadata"]["generateName"] = json!("base-");
    let refused = server.post(MAPS, &second).await.expect(409);
    let text = "configmaps \"a\" already exists, the server was not able to generate a unique name for the object";
    assert_eq!((&refused["message"], &refused["details"]["retryAfterSeconds"]), (&json!(text), &json!(1)));
    let dry = server.post(&format!("{MAPS}?dryRun=All"), &second).await.expect(409);
    assert_eq!(dry["message"], text);
}

// proves: AM-15
#[tokio::test]
async fn a_get_at_no_revision_is_upstreams_own_mistake() {
    let server = Server::start().await;
    let refused = server.get(&format!("{MAPS}/a?resourceVersion=x")).await.expect(500);
    let text = "resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax";
    assert_eq!((&refused["message"], &refused["reason"]), (&json!(text), &json!(null)));
}

// proves: AM-01
#[tokio::test]
async fn a_limit_bounds_the_deletion_of_a_collection() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.post(MAPS, &map(name)).await.expect(201);
    }
    let names = |list: &serde_json::Value| -> Vec<String> {
        let items = list["items"].as_array().into_iter().flatten();
        items.map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let deleted = server.delete(&format!("{MAPS}?limit=2")).await.expect(200);
    assert_eq!(
        (names(&deleted), &deleted["metadata"]["remainingItemCount"]),
        (vec!["a".into(), "b".into()], &json!(1))
    );
    assert_eq!(names(&server.get(MAPS).await.expect(200)), ["c"]);
}

// proves: AM-06
#[tokio::test]
async fn an_owner_that_a_patch_names_twice_is_kept_once() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"});
    let patch = json!({"metadata": {"ownerReferences": [owner, owner]}});
    let answer = server.patch(&format!("{MAPS}/a"), "merge-patch", &patch).await;
    assert_eq!(
        answer.warnings,
        [
            ".metadata.ownerReferences contains duplicate entries after mutating admission happens; API server dedups owner \
          references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) \
          observed: u"
        ]
    );
    assert_eq!(answer.expect(200)["metadata"]["ownerReferences"], json!([owner]));
}

// proves: AM-01
#[tokio::test]
async fn a_long_list_says_that_it_is_long_and_is_no_shorter_than_it_says() {
    let server = Server::start().await;
    for name in ["a", "b", "c", "d"] {
        let mut object = map(name);
        object["data"] = json!({"x": "y".repeat(50_000)});
        server.post(MAPS, &object).await.expect(201);
    }
    let kind = server.handlers.registry().kinds().find("", "v1", "configmaps").expect("it is served");
    let page = kind.store().expect("it is stored").list(Default::default()).await.expect("a page");
    let body = list_body::objects(kind, page);
    let promised = http_body::Body::size_hint(&body).lower();
    assert!(promised >= COMPRESSED_BYTES_MIN, "{promised}: worth compressing");
    let bytes = body.collect().await.expect("in memory").to_bytes();
    assert!(promised <= bytes.len() as u64, "{promised} of {}", bytes.len());
}

// proves: AM-30
#[tokio::test]
async fn metadata_of_the_wrong_form_is_refused_with_upstreams_name_of_the_type() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let list = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let one = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    assert_eq!(
        server.get_as(&format!("{MAPS}/a"), list).await.expect(406)["message"],
        "you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)"
    );
    assert_eq!(
        server.get_as("/apis/rbac.authorization.k8s.io/v1/roles", one).await.expect(406)["message"],
        "you requested PartialObjectMetadata, but the requested object is a list (*rbac.RoleList)"
    );
}
