//! PATCH of every type.

use super::{MAPS, Server, deployment, map};
use ::http::Method;
use serde_json::json;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

// proves: AM-07
#[tokio::test]
async fn every_type_of_patch_changes_the_object() {
    let server = Server::start().await;
    server.post(DEPLOYMENTS, &deployment("d")).await.expect(201);
    let path = format!("{DEPLOYMENTS}/d");
    let json_patch = json!([{"op": "replace", "path": "/spec/replicas", "value": 5}]);
    assert_eq!(server.patch(&path, "json-patch", &json_patch).await.expect(200)["spec"]["replicas"], 5);
    let merge = json!({"spec": {"replicas": 6}, "metadata": {"labels": {"x": "y"}}});
    assert_eq!(server.patch(&path, "merge-patch", &merge).await.expect(200)["metadata"]["labels"]["x"], "y");
    let strategic = json!({"spec": {"template": {"spec": {"containers": [{"name": "d", "image": "j"}]}}}});
    let patched = server.patch(&path, "strategic-merge-patch", &strategic).await.expect(200);
    let names: Vec<&str> = patched["spec"]["template"]["spec"]["containers"]
        .as_array()
        .expect("containers")
        .iter()
        .filter_map(|container| container["name"].as_str())
        .collect();
    assert_eq!(names, ["d", "c"]);
}

// proves: AM-07
#[tokio::test]
async fn refused_patches_are_worded_as_upstream_words_them() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let path = format!("{MAPS}/a");
    let stale = json!({"metadata": {"resourceVersion": "1"}});
    assert_eq!(server.patch(&path, "merge-patch", &stale).await.code, 409);
    let renamed = json!({"metadata": {"name": "b"}});
    let (code, _, message) = server.patch(&path, "merge-patch", &renamed).await.refusal();
    assert_eq!(code, 400);
    assert_eq!(message, "the name of the object (b) does not match the name on the URL (a)");
    let failing = json!([{"op": "test", "path": "/data/k", "value": "other"}]);
    assert_eq!(server.patch(&path, "json-patch", &failing).await.code, 422);
    let many: Vec<_> = (0..10_001).map(|_| json!({"op": "remove", "path": "/data/k"})).collect();
    assert_eq!(server.patch(&path, "json-patch", &json!(many)).await.code, 413);
    assert_eq!(server.patch(&format!("{MAPS}/none"), "merge-patch", &json!({})).await.code, 404);
    let apply = server.send(Method::PATCH, &path, &[("content-type", "application/apply-patch+yaml")], "{}").await;
    let message = "the body of the request was in an unknown format - accepted media types include: \
                   application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json";
    assert_eq!(apply.refusal(), (415, "UnsupportedMediaType".into(), message.into()));
}

// proves: AM-07
#[tokio::test]
async fn a_patch_that_changes_nothing_writes_nothing() {
    let server = Server::start().await;
    let created = server.post(MAPS, &map("a")).await.expect(201);
    let patch = json!({"data": {"k": "v"}});
    assert_eq!(server.patch(&format!("{MAPS}/a"), "merge-patch", &patch).await.expect(200), created);
}

#[tokio::test]
async fn patches_that_meet_other_writers_are_applied_again() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let path = format!("{MAPS}/a");
    let patches = (0..20).map(|number| {
        let patch = json!({"data": {format!("key{number}"): "v"}});
        let (server, path) = (&server, &path);
        async move { server.patch(path, "merge-patch", &patch).await.expect(200) }
    });
    futures::future::join_all(patches).await;
    let data = server.get(&path).await.expect(200);
    assert_eq!(data["data"].as_object().map(serde_json::Map::len), Some(21));
}
