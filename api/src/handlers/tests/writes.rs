//! Create and update.

use super::{MAPS, Server, deployment, map, pod};
use ::http::Method;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

// proves: AM-01
// proves: AM-06
#[tokio::test]
async fn an_object_lives_from_create_to_delete() {
    let server = Server::start().await;
    let path = format!("{MAPS}/a");
    let created = server.post(MAPS, &map("a")).await.expect(201);
    assert_eq!(created["metadata"]["namespace"], "default");
    assert!(created["metadata"]["uid"].as_str().is_some_and(|uid| uid.len() == 36), "{created}");
    assert!(created["metadata"]["creationTimestamp"].is_string());
    assert_eq!(server.get(&path).await.expect(200), created);

    let mut wanted = created.clone();
    wanted["data"]["k"] = "w".into();
    let updated = server.put(&path, &wanted).await.expect(200);
    assert_eq!(updated["data"]["k"], "w");
    assert_eq!(updated["metadata"]["uid"], created["metadata"]["uid"]);
    assert_ne!(updated["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]);

    let list = server.get(MAPS).await.expect(200);
    let mut item = updated.clone();
    item.as_object_mut().expect("an object").retain(|key, _| !matches!(key.as_str(), "kind" | "apiVersion"));
    assert_eq!((&list["kind"], &list["items"][0]), (&json!("ConfigMapList"), &item), "the list says the kind for all");
    let gone = server.delete(&path).await.expect(200);
    assert_eq!(gone["status"], "Success");
    assert_eq!(gone["details"], json!({"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]}));
    assert_eq!(server.get(&path).await.code, 404);
}

// proves: AM-31
#[tokio::test]
async fn refused_creates_are_worded_as_upstream_words_them() {
    let server = Server::start().await;
    server.post(MAPS, &map("there")).await.expect(201);
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut object = map("x");
        change(&mut object);
        object
    };
    let cases = [
        (MAPS, map("there"), 409, "AlreadyExists", "configmaps \"there\" already exists"),
        ("/api/v1/namespaces/nowhere/configmaps", map("x"), 404, "NotFound", "namespaces \"nowhere\" not found"),
        (
            MAPS,
            with(&|object| object["metadata"]["namespace"] = "other".into()),
            400,
            "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            MAPS,
            with(&|object| object["metadata"]["resourceVersion"] = "5".into()),
            500,
            "",
            "resourceVersion should not be set on objects to be created",
        ),
        (
            MAPS,
            with(&|object| object["metadata"] = json!({})),
            422,
            "Invalid",
            "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required",
        ),
        (
            MAPS,
            pod("x"),
            400,
            "BadRequest",
            "Pod in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown \
             conversion",
        ),
        (
            MAPS,
            with(&|object| object["data"] = json!("text")),
            400,
            "BadRequest",
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal string into Go struct \
             field ConfigMap.data of type map[string]string",
        ),
    ];
    for (path, object, code, reason, message) in cases {
        let answer = server.post(path, &object).await;
        assert_eq!(answer.refusal(), (code, reason.to_owned(), message.to_owned()));
    }
}

#[tokio::test]
async fn bodies_that_are_no_objects_are_refused() {
    let server = Server::start().await;
    for (body, media_type, code) in [
        ("{", "application/json", 400),
        ("", "application/json", 400),
        ("[]", "application/json", 400),
        ("a: *x\n", "application/yaml", 400),
        ("\0", "application/json", 400),
        ("{}", "text/plain", 415),
        ("[]", "Application/JSON", 400),
    ] {
        let answer = server.send(Method::POST, MAPS, &[("content-type", media_type)], body).await;
        assert_eq!(answer.code, code, "{body:?} {answer:?}");
    }
}

// proves: AM-26
#[tokio::test]
async fn yaml_comes_in_and_goes_out() {
    let server = Server::start().await;
    let body = "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: yam\ndata:\n  k: \"1\"\n";
    let headers = [("content-type", "application/yaml"), ("accept", "application/yaml")];
    let answer = server.send(Method::POST, MAPS, &headers, body).await;
    assert_eq!((answer.code, answer.headers["content-type"].as_bytes()), (201, &b"application/yaml"[..]));
    assert!(answer.bytes.windows(6).any(|line| line == b"\nkind:"), "{answer:?}");
    assert_eq!(server.get(&format!("{MAPS}/yam")).await.expect(200)["data"], json!({"k": "1"}));
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

fn colliding(base: &str) -> String {
    format!("{base}{}", CALLS.fetch_add(1, Ordering::Relaxed) / 3)
}

// proves: AM-02
#[tokio::test]
async fn a_generated_name_that_is_taken_is_generated_again_and_after_eight_times_given_up() {
    let server = Server::with(|registry| registry.with_name_generator(colliding)).await;
    let generated = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"generateName": "g-"}});
    let first = server.post(MAPS, &generated).await.expect(201);
    let second = server.post(MAPS, &generated).await.expect(201);
    assert_eq!((&first["metadata"]["name"], &second["metadata"]["name"]), (&json!("g-0"), &json!("g-1")));

    let server = Server::with(|registry| registry.with_name_generator(|base| format!("{base}same"))).await;
    server.post(MAPS, &generated).await.expect(201);
    let answer = server.post(MAPS, &generated).await;
    let message =
        "configmaps \"g-same\" already exists, the server was not able to generate a unique name for the object";
    assert_eq!(answer.refusal(), (409, "AlreadyExists".into(), message.into()));
    assert_eq!(answer.json()["details"]["retryAfterSeconds"], 1);
}

#[tokio::test]
async fn admission_refuses_an_object_without_a_name_by_what_its_name_is_to_begin_with() {
    let server = Server::start().await;
    let mut pod = super::pod("p");
    pod["metadata"] = json!({"generateName": "web-"});
    pod["spec"]["priorityClassName"] = "nosuch".into();
    let answer = server.post("/api/v1/namespaces/default/pods", &pod).await;
    let message = "pods \"web-\" is forbidden: no PriorityClass with name nosuch was found";
    assert_eq!(answer.refusal(), (403, "Forbidden".into(), message.into()));
    pod["spec"]["priorityClassName"] = "".into();
    pod["spec"]["overhead"] = json!({"cpu": "1"});
    let answer = server.post("/api/v1/namespaces/default/pods", &pod).await;
    let message = "pods \"web-\" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined \
                   Overhead";
    assert_eq!(answer.refusal().2, message);
    pod["spec"]["runtimeClassName"] = "x".into();
    let answer = server.post("/api/v1/namespaces/default/pods", &pod).await;
    assert_eq!(answer.refusal().2, "pods \"web-\" is forbidden: pod rejected: RuntimeClass \"x\" not found");
}

// proves: AM-03
#[tokio::test]
async fn an_update_with_an_old_resource_version_is_a_conflict_and_without_one_wins() {
    let server = Server::start().await;
    let path = format!("{MAPS}/a");
    let old = server.post(MAPS, &map("a")).await.expect(201);
    let mut newer = old.clone();
    newer["data"]["k"] = "2".into();
    server.put(&path, &newer).await.expect(200);
    let message = "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your \
                   changes to the latest version and try again";
    assert_eq!(server.put(&path, &newer).await.refusal(), (409, "Conflict".into(), message.into()));
    assert_eq!(server.put(&path, &map("a")).await.expect(200)["data"]["k"], "v");
    let mut stranger = map("a");
    stranger["metadata"]["uid"] = "other".into();
    let (code, _, message) = server.put(&path, &stranger).await.refusal();
    assert_eq!(code, 409);
    assert!(message.contains("Precondition failed: UID in precondition: other, UID in object meta: "), "{message}");
}

// proves: AM-03
#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing() {
    let server = Server::start().await;
    let created = server.post(MAPS, &map("a")).await.expect(201);
    assert_eq!(server.put(&format!("{MAPS}/a"), &map("a")).await.expect(200), created);
}

#[tokio::test]
async fn refused_updates_are_worded_as_upstream_words_them() {
    let server = Server::start().await;
    let path = format!("{MAPS}/a");
    assert_eq!(
        server.put(&path, &map("a")).await.refusal(),
        (404, "NotFound".into(), "configmaps \"a\" not found".into())
    );
    server.post(MAPS, &map("a")).await.expect(201);
    assert_eq!(
        server.put(&path, &map("b")).await.refusal(),
        (400, "BadRequest".into(), "the name of the object (b) does not match the name on the URL (a)".into())
    );
}

// proves: AM-06
#[tokio::test]
async fn the_generation_counts_changes_of_what_is_wanted() {
    let server = Server::start().await;
    let all = "/apis/apps/v1/namespaces/default/deployments";
    let path = format!("{all}/d");
    let mut object = server.post(all, &deployment("d")).await.expect(201);
    assert_eq!(object["metadata"]["generation"], 1);
    object["spec"]["replicas"] = 3.into();
    object["metadata"]["generation"] = 77.into();
    object["status"] = json!({"replicas": 9});
    let object = server.put(&path, &object).await.expect(200);
    assert_eq!(object["metadata"]["generation"], 2);
    assert_eq!(object["status"].get("replicas"), None);
    let labelled = server.patch(&path, "merge-patch", &json!({"metadata": {"labels": {"x": "y"}}})).await.expect(200);
    assert_eq!(labelled["metadata"]["generation"], 2);
}

// proves: AM-10
#[tokio::test]
async fn a_dry_run_does_everything_but_store() {
    let server = Server::start().await;
    let dry = |path: &str| format!("{path}?dryRun=All");
    let path = format!("{MAPS}/a");
    let imagined = server.post(&dry(MAPS), &map("a")).await.expect(201);
    assert!(imagined["metadata"]["uid"].is_string());
    assert_eq!(server.get(&path).await.code, 404);
    let created = server.post(MAPS, &map("a")).await.expect(201);
    assert_eq!(server.post(&dry(MAPS), &map("a")).await.code, 409);
    let mut changed = map("a");
    changed["data"]["k"] = "new".into();
    assert_eq!(server.put(&dry(&path), &changed).await.expect(200)["data"]["k"], "new");
    let patch = json!({"data": {"k": "new"}});
    assert_eq!(server.patch(&dry(&path), "merge-patch", &patch).await.expect(200)["data"]["k"], "new");
    server.delete(&dry(&path)).await.expect(200);
    server.delete(&dry(MAPS)).await.expect(200);
    assert_eq!(server.get(&path).await.expect(200), created);
    let refused = server.post(&format!("{MAPS}?dryRun=yes"), &map("b")).await;
    assert_eq!(refused.code, 422);
}

// proves: AM-11
#[tokio::test]
async fn unknown_fields_are_dropped_warned_about_or_refused() {
    let server = Server::start().await;
    let mut object = map("a");
    object["dota"] = json!({"k": "v"});
    let warned = server.post(MAPS, &object).await;
    assert_eq!(warned.warnings, ["unknown field \"dota\""]);
    assert_eq!(warned.expect(201).get("dota"), None);
    object["metadata"]["name"] = "b".into();
    let ignored = server.post(&format!("{MAPS}?fieldValidation=Ignore"), &object).await;
    assert_eq!((ignored.code, ignored.warnings.len()), (201, 0));
    object["metadata"]["name"] = "c".into();
    let message = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \
                   \"dota\"";
    let refused = server.post(&format!("{MAPS}?fieldValidation=Strict"), &object).await;
    assert_eq!(refused.refusal(), (400, "BadRequest".into(), message.into()));
}

#[tokio::test]
async fn events_are_stored_with_a_time_to_live() {
    let server = Server::start().await;
    let kind = server.handlers.registry().kinds().stored("", "events").expect("served");
    assert_eq!(kind.ttl(), Some(std::time::Duration::from_secs(3600)));
    let event = json!({"kind": "Event", "apiVersion": "v1", "metadata": {"name": "e"}, "reason": "Test",
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}, "type": "Normal", "message": "m"});
    server.post("/api/v1/namespaces/default/events", &event).await.expect(201);
    let found = server.get("/api/v1/namespaces/default/events?fieldSelector=reason%3DTest").await.expect(200);
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
}

// proves: AM-51
#[tokio::test]
async fn a_new_cluster_has_its_system_objects_and_starting_again_changes_nothing() {
    let server = Server::start().await;
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    for path in [
        "/api/v1/namespaces/default",
        "/api/v1/namespaces/kube-system",
        "/api/v1/namespaces/kube-public",
        "/api/v1/namespaces/kube-node-lease",
        "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical",
        "/apis/scheduling.k8s.io/v1/priorityclasses/system-cluster-critical",
        &format!("{rbac}/clusterroles/cluster-admin"),
        &format!("{rbac}/clusterroles/system:controller:deployment-controller"),
        &format!("{rbac}/clusterrolebindings/system:kube-scheduler"),
        &format!("{rbac}/namespaces/kube-system/roles/extension-apiserver-authentication-reader"),
    ] {
        server.get(path).await.expect(200);
    }
    let service = server.get("/api/v1/namespaces/default/services/kubernetes").await.expect(200);
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.1");
    assert_eq!(service["spec"]["ports"][0]["port"], 443);
    let revision = |list: serde_json::Value| list["metadata"]["resourceVersion"].clone();
    let before = revision(server.get("/api/v1/namespaces").await.expect(200));
    crate::bootstrap::run(server.handlers.registry(), None).await.expect("again");
    assert_eq!(revision(server.get("/api/v1/namespaces").await.expect(200)), before);
}

#[tokio::test]
async fn an_update_creates_where_the_kind_allows_it() {
    let server = Server::start().await;
    let lease = json!({"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": {"name": "l"}, "spec": {}});
    let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    let created = server.put(path, &lease).await.expect(201);
    assert_eq!(server.get(path).await.expect(200), created);
}

#[tokio::test]
async fn a_pod_gets_what_admission_adds() {
    let server = Server::start().await;
    let mut object = pod("p");
    object["spec"]["priorityClassName"] = "system-node-critical".into();
    let created = server.post("/api/v1/namespaces/default/pods", &object).await.expect(201);
    assert_eq!(created["spec"]["priority"], 2_000_001_000);
    assert_eq!(created["spec"]["serviceAccountName"], "default");
    assert_eq!(created["spec"]["tolerations"].as_array().map(Vec::len), Some(2));
    assert_eq!(created["status"]["phase"], "Pending");
    object["metadata"]["name"] = "q".into();
    object["spec"]["priorityClassName"] = "none".into();
    let refused = server.post("/api/v1/namespaces/default/pods", &object).await.refusal();
    assert_eq!(refused.2, "pods \"q\" is forbidden: no PriorityClass with name none was found");
    let mut object = pod("r");
    object["spec"]["serviceAccountName"] = "ghost".into();
    let refused = server.post("/api/v1/namespaces/default/pods", &object).await.refusal();
    let want =
        "pods \"r\" is forbidden: error looking up service account default/ghost: serviceaccount \"ghost\" not found";
    assert_eq!((refused.0, &*refused.2), (403, want));
}
