//! The two groups of events: one stored object under two sets of names.

use super::Server;
use ::http::Method;
use serde_json::json;

const OLD: &str = "/api/v1/namespaces/default/events";
const NEW: &str = "/apis/events.k8s.io/v1/namespaces/default/events";

fn event(name: &str) -> serde_json::Value {
    json!({"kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": name},
        "eventTime": "2026-11-21T12:00:00.000000Z", "type": "Normal", "reason": "Started", "action": "Starting",
        "note": "it runs", "reportingController": "test.io/one", "reportingInstance": "one-0",
        "regarding": {"kind": "Pod", "namespace": "default", "name": "a"}})
}

#[tokio::test]
async fn an_event_is_one_object_in_both_groups() {
    let server = Server::start().await;
    let created = server.post(NEW, &event("a")).await.expect(201);
    assert_eq!((&created["apiVersion"], &created["note"]), (&json!("events.k8s.io/v1"), &json!("it runs")));
    assert_eq!(created.get("message"), None);
    let old = server.get(&format!("{OLD}/a")).await.expect(200);
    assert_eq!((&old["apiVersion"], &old["message"]), (&json!("v1"), &json!("it runs")));
    assert_eq!((&old["involvedObject"]["name"], &old["reportingComponent"]), (&json!("a"), &json!("test.io/one")));
    assert_eq!(old["metadata"], created["metadata"]);
    assert_eq!(server.get(&format!("{NEW}/a")).await.expect(200), created);

    let list = server.get(&format!("{NEW}?fieldSelector=regarding.name%3Da,reportingController%3Dtest.io/one")).await;
    let list = list.expect(200);
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("EventList"), &json!("events.k8s.io/v1")));
    assert_eq!(list["items"][0]["regarding"]["name"], "a");
    assert_eq!(server.get(&format!("{NEW}?fieldSelector=regarding.name%3Db")).await.expect(200)["items"], json!([]));
    let unknown = server.get(&format!("{NEW}?fieldSelector=involvedObject.name%3Da")).await.refusal();
    assert_eq!(unknown.2, "field label not supported: involvedObject.name");

    let watched = server.get(&format!("{NEW}?watch=true&timeoutSeconds=1&resourceVersion=0")).await.bytes;
    let first: serde_json::Value =
        serde_json::Deserializer::from_slice(&watched).into_iter().next().expect("an event").expect("JSON");
    assert_eq!((&first["type"], &first["object"]), (&json!("ADDED"), &created));
    server.send(Method::DELETE, &format!("{NEW}/a?propagationPolicy=Orphan"), &[], "").await.expect(200);
    let gone = server.get(&format!("{OLD}/a")).await.refusal();
    assert_eq!(gone, (404, "NotFound".into(), "events \"a\" not found".into()));
}

#[tokio::test]
async fn the_newer_group_is_strict_where_the_older_is_not() {
    let server = Server::start().await;
    server.post(NEW, &event("a")).await.expect(201);
    let path = format!("{NEW}/a");
    let note = server.patch(&path, "merge-patch", &json!({"note": "other"})).await.refusal();
    assert_eq!(note.2, "Event \"a\" is invalid: message: Invalid value: \"other\": field is immutable");
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-11-21T12:01:00.000000Z"}});
    let patched = server.patch(&path, "strategic-merge-patch", &series).await.expect(200);
    assert_eq!(patched["series"]["count"], 2);
    let mut wanted = event("a");
    wanted["series"] = json!({"count": 1});
    let (code, _, message) = server.put(&path, &wanted).await.refusal();
    assert_eq!(
        (code, message.contains("series.count: Invalid value: \"\": should be at least 2")),
        (422, true),
        "{message}"
    );

    let mut bad = event("b");
    bad["deprecatedCount"] = json!(3);
    bad["eventTime"] = json!(null);
    let (code, _, message) = server.post(NEW, &bad).await.refusal();
    assert_eq!(code, 422);
    assert_eq!(
        message,
        "Event \"b\" is invalid: [eventTime: Required value, count: Invalid value: \"\": needs to be unset]"
    );
    let lenient = json!({"metadata": {"name": "c"}, "count": 3, "involvedObject": {"namespace": "default"}});
    server.post(OLD, &lenient).await.expect(201);
    let shown = server.get(&format!("{NEW}/c")).await.expect(200);
    assert_eq!((&shown["deprecatedCount"], shown.get("reportingController")), (&json!(3), None));
}
