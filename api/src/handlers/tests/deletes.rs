//! Deletion: preconditions, grace, finalizers, propagation, collections.

use super::{MAPS, Server, map, pod};
use serde_json::json;

const PODS: &str = "/api/v1/namespaces/default/pods";

// proves: AM-04
#[tokio::test]
async fn a_deletion_with_a_precondition_that_does_not_hold_is_a_conflict() {
    let server = Server::start().await;
    let path = format!("{MAPS}/a");
    let created = server.post(MAPS, &map("a")).await.expect(201);
    let wrong = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "other"}});
    let message = format!(
        "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (other) does not match the UID in \
         record ({}). The object might have been deleted and then recreated",
        created["metadata"]["uid"].as_str().expect("a uid")
    );
    assert_eq!(server.delete_with(&path, &wrong).await.refusal(), (409, "Conflict".into(), message));
    let wrong = json!({"preconditions": {"resourceVersion": "1"}});
    assert_eq!(server.delete_with(&path, &wrong).await.code, 409);
    let right = json!({"preconditions": {"uid": created["metadata"]["uid"],
        "resourceVersion": created["metadata"]["resourceVersion"]}});
    server.delete_with(&path, &right).await.expect(200);
    assert_eq!(server.delete(&path).await.refusal(), (404, "NotFound".into(), "configmaps \"a\" not found".into()));
}

// proves: AM-05
#[tokio::test]
async fn a_finalizer_holds_an_object_until_it_is_removed() {
    let server = Server::start().await;
    let path = format!("{MAPS}/a");
    let mut object = map("a");
    object["metadata"]["finalizers"] = json!(["test/hold"]);
    server.post(MAPS, &object).await.expect(201);
    let pending = server.delete(&path).await.expect(200);
    assert_eq!(pending["kind"], "ConfigMap");
    assert!(pending["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(pending["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(server.delete(&path).await.expect(200), pending);

    let more = json!({"metadata": {"finalizers": ["test/hold", "test/more"]}});
    let (code, _, message) = server.patch(&path, "merge-patch", &more).await.refusal();
    assert_eq!(code, 422);
    assert!(message.contains("no new finalizers can be added if the object is being deleted"), "{message}");
    let again = server.post(MAPS, &map("a")).await.refusal();
    assert_eq!(again.2, "object is being deleted: configmaps \"a\" already exists");

    let last = server.patch(&path, "merge-patch", &json!({"metadata": {"finalizers": null}})).await.expect(200);
    assert_eq!(last["metadata"].get("finalizers"), None);
    assert_eq!(server.get(&path).await.code, 404);
}

// proves: AM-05
#[tokio::test]
async fn propagation_sets_the_finalizers_of_garbage_collection() {
    let server = Server::start().await;
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        let path = format!("{MAPS}/{}", policy.to_lowercase());
        server.post(MAPS, &map(&policy.to_lowercase())).await.expect(201);
        let pending = server.delete(&format!("{path}?propagationPolicy={policy}")).await.expect(200);
        assert_eq!(pending["metadata"]["finalizers"], json!([finalizer]));
        let other = if policy == "Orphan" { "Foreground" } else { "Orphan" };
        let repeated = server.delete(&format!("{path}?propagationPolicy={other}")).await.expect(200);
        assert_ne!(repeated["metadata"]["finalizers"], json!([finalizer]), "the last deletion chooses");
        let gone = server.delete(&format!("{path}?propagationPolicy=Background")).await.expect(200);
        assert_eq!(gone["status"], "Success", "nothing holds it any more");
    }
    server.post(MAPS, &map("b")).await.expect(201);
    assert_eq!(server.delete(&format!("{MAPS}/b?propagationPolicy=Background")).await.expect(200)["status"], "Success");
    let both = json!({"propagationPolicy": "Orphan", "orphanDependents": true});
    assert_eq!(server.delete_with(&format!("{MAPS}/b"), &both).await.code, 422);
}

// proves: AM-04
#[tokio::test]
async fn a_pod_on_a_node_gets_its_grace_and_later_deletions_can_only_shorten_it() {
    let server = Server::start().await;
    let path = format!("{PODS}/p");
    let mut object = pod("p");
    object["spec"]["nodeName"] = "n".into();
    let created = server.post(PODS, &object).await.expect(201);
    let pending = server.delete(&path).await.expect(200);
    assert_eq!(pending["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(pending["metadata"]["generation"], created["metadata"]["generation"].as_i64().expect("one") + 1);
    assert_eq!(server.delete(&format!("{path}?gracePeriodSeconds=60")).await.expect(200), pending);
    let shorter = server.delete(&format!("{path}?gracePeriodSeconds=5")).await.expect(200);
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    assert!(shorter["metadata"]["deletionTimestamp"].as_str() < pending["metadata"]["deletionTimestamp"].as_str());
    let gone = server.delete(&format!("{path}?gracePeriodSeconds=0")).await.expect(200);
    assert_eq!(gone["kind"], "Pod");
    assert_eq!(server.get(&path).await.code, 404);
}

// proves: AM-04
#[tokio::test]
async fn a_pod_without_a_node_goes_at_once() {
    let server = Server::start().await;
    server.post(PODS, &pod("p")).await.expect(201);
    assert_eq!(server.delete(&format!("{PODS}/p")).await.expect(200)["kind"], "Pod");
    assert_eq!(server.get(&format!("{PODS}/p")).await.code, 404);
}

// proves: AM-01
#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let server = Server::start().await;
    for (name, tier) in [("a", "x"), ("b", "x"), ("c", "y")] {
        let mut object = map(name);
        object["metadata"]["labels"] = json!({"tier": tier});
        server.post(MAPS, &object).await.expect(201);
    }
    let deleted = server.delete(&format!("{MAPS}?labelSelector=tier%3Dx")).await.expect(200);
    assert_eq!((&deleted["kind"], deleted["items"].as_array().map(Vec::len)), (&json!("ConfigMapList"), Some(2)));
    let left = server.get(MAPS).await.expect(200);
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(left["items"][0]["metadata"]["name"], "c");
    assert_eq!(server.delete("/api/v1/namespaces").await.code, 405);
    assert_eq!(server.delete("/api/v1/configmaps").await.code, 405);
}

#[tokio::test]
async fn a_namespace_waits_for_its_finalizer_and_takes_nothing_new() {
    let server = Server::start().await;
    let namespace = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "n", "generation": 9}});
    server.post("/api/v1/namespaces", &namespace).await.expect(201);
    let pending = server.delete("/api/v1/namespaces/n").await.expect(200);
    assert_eq!(pending["status"]["phase"], "Terminating");
    let refused = server.post("/api/v1/namespaces/n/configmaps", &map("a")).await;
    assert_eq!(pending["metadata"].get("deletionGracePeriodSeconds"), None);
    assert_eq!(pending["metadata"]["generation"], 9, "nobody counts but the client");
    let message =
        "configmaps \"a\" is forbidden: unable to create new content in namespace n because it is being terminated";
    assert_eq!(refused.refusal(), (403, "Forbidden".into(), message.into()));
    assert_eq!(refused.json()["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let mut finalized = pending.clone();
    finalized["spec"]["finalizers"] = json!([]);
    server.put("/api/v1/namespaces/n/finalize", &finalized).await.expect(200);
    assert_eq!(server.get("/api/v1/namespaces/n").await.code, 404);
    assert_eq!(
        server.delete("/api/v1/namespaces/default").await.refusal(),
        (403, "Forbidden".into(), "namespaces \"default\" is forbidden: this namespace may not be deleted".into())
    );
}

// proves: AM-05
#[tokio::test]
async fn a_pod_that_goes_at_once_is_answered_as_one_without_grace() {
    let server = Server::start().await;
    server.post(PODS, &pod("a")).await.expect(201);
    let gone = server.delete(&format!("{PODS}/a")).await.expect(200);
    assert_eq!(gone["metadata"]["deletionGracePeriodSeconds"], 0);
    assert!(gone["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(gone["metadata"]["generation"], 2);
    assert_eq!(server.get(&format!("{PODS}/a")).await.code, 404);

    let mut bound = pod("b");
    bound["spec"]["nodeName"] = json!("n");
    server.post(PODS, &bound).await.expect(201);
    let pending = server.delete(&format!("{PODS}/b")).await.expect(200);
    assert_eq!(pending["metadata"]["deletionGracePeriodSeconds"], 30);
    let gone = server.delete(&format!("{PODS}/b?gracePeriodSeconds=0")).await.expect(200);
    assert_eq!(gone["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(gone["metadata"]["generation"], pending["metadata"]["generation"]);
}

// proves: AM-05
#[tokio::test]
async fn events_and_ending_namespaces_take_no_propagation() {
    let server = Server::start().await;
    let events = "/api/v1/namespaces/default/events";
    let event = json!({"metadata": {"name": "a"}, "involvedObject": {"namespace": "default"}});
    server.post(events, &event).await.expect(201);
    server.delete(&format!("{events}/a?propagationPolicy=Foreground")).await.expect(200);
    assert_eq!(server.get(&format!("{events}/a")).await.code, 404);
    let namespaces = "/api/v1/namespaces";
    server.post(namespaces, &json!({"metadata": {"name": "gone"}})).await.expect(201);
    let first = server.delete(&format!("{namespaces}/gone")).await.expect(200);
    let again = server.delete(&format!("{namespaces}/gone?propagationPolicy=Foreground")).await.expect(200);
    assert_eq!(again, first);
}
