//! WATCH.

use super::{MAPS, Server, map};
use ::http::Method;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// A watch that is being read.
struct Events {
    body: crate::http::Body,
    ready: VecDeque<Value>,
}

impl Events {
    async fn open(server: &Server, path: &str, accept: &str) -> Self {
        let (response, _) = server.open(Method::GET, path, &[("accept", accept)], Bytes::new()).await;
        assert_eq!(response.status(), 200, "{path}");
        Self { body: response.into_body(), ready: VecDeque::new() }
    }

    async fn next(&mut self) -> Option<Value> {
        while self.ready.is_empty() {
            let frame = self.body.frame().await?.expect("a frame").into_data().expect("data");
            for line in frame.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                self.ready.push_back(serde_json::from_slice(line).expect("an event"));
            }
        }
        self.ready.pop_front()
    }

    async fn expect(&mut self, kind: &str, name: &str) -> Value {
        let event = self.next().await.expect("an event");
        assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!(kind), &json!(name)), "{event}");
        event["object"].clone()
    }
}

#[tokio::test]
async fn events_that_are_ready_at_once_share_frames_in_order_and_a_large_one_has_its_own() {
    const FRAME_BYTES_MAX: usize = 16 * 1024;
    let server = Server::start().await;
    let names: Vec<_> = (0..40).map(|at| format!("m{at:02}")).collect();
    for name in &names {
        let bytes = if name == "m20" { 2 * FRAME_BYTES_MAX } else { 1024 };
        server.post(MAPS, &json!({"metadata": {"name": name}, "data": {"v": "x".repeat(bytes)}})).await.expect(201);
    }
    let mut events = Events::open(&server, &format!("{MAPS}?watch=1&resourceVersion=0"), "*/*").await;
    let (mut seen, mut frames) = (Vec::new(), 0);
    while seen.len() < names.len() {
        let frame = events.body.frame().await.expect("a frame").expect("no error").into_data().expect("data");
        let lines: Vec<Value> = frame
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("whole events"))
            .collect();
        assert!(frame.len() <= FRAME_BYTES_MAX || lines.len() == 1, "{} bytes, {} events", frame.len(), lines.len());
        let name = |event: &Value| event["object"]["metadata"]["name"].as_str().expect("a name").to_owned();
        seen.extend(lines.iter().map(name));
        frames += 1;
    }
    assert_eq!(seen, names);
    assert!(frames < 10, "{frames}");
}

// proves: AM-17
#[tokio::test]
async fn a_watch_shows_the_state_and_then_every_change() {
    let server = Server::start().await;
    let first = server.post(MAPS, &map("a")).await.expect(201);
    let revision = first["metadata"]["resourceVersion"].as_str().expect("one");
    for start in ["", "&resourceVersion=0"] {
        let mut events = Events::open(&server, &format!("{MAPS}?watch=1{start}"), "*/*").await;
        assert_eq!(events.expect("ADDED", "a").await, first);
    }
    let mut events = Events::open(&server, &format!("{MAPS}?watch=1&resourceVersion={revision}"), "*/*").await;
    let second = server.post(MAPS, &map("b")).await.expect(201);
    assert_eq!(events.expect("ADDED", "b").await, second);
    let patch = json!({"data": {"k": "2"}});
    let changed = server.patch(&format!("{MAPS}/b"), "merge-patch", &patch).await.expect(200);
    assert_eq!(events.expect("MODIFIED", "b").await, changed);
    server.delete(&format!("{MAPS}/b")).await.expect(200);
    let last = events.expect("DELETED", "b").await;
    assert_eq!(last["data"], changed["data"]);
    assert_ne!(last["metadata"]["resourceVersion"], changed["metadata"]["resourceVersion"]);
}

// proves: AM-23
#[tokio::test]
async fn an_object_that_begins_or_stops_to_match_is_added_or_deleted() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let revision = server.get(MAPS).await.expect(200)["metadata"]["resourceVersion"].as_str().expect("one").to_owned();
    let path = format!("{MAPS}?watch=1&labelSelector=on&resourceVersion={revision}");
    let mut events = Events::open(&server, &path, "*/*").await;
    for (label, kind) in [(json!("1"), "ADDED"), (json!("2"), "MODIFIED"), (json!(null), "DELETED")] {
        let patch = json!({"metadata": {"labels": {"on": label}}});
        server.patch(&format!("{MAPS}/a"), "merge-patch", &patch).await.expect(200);
        events.expect(kind, "a").await;
    }
}

// proves: AM-20
#[tokio::test]
async fn initial_events_end_with_a_marked_bookmark() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut events = Events::open(&server, &format!("{MAPS}?{query}"), "*/*").await;
    events.expect("ADDED", "a").await;
    let bookmark = events.next().await.expect("a bookmark");
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let without = server.get(&format!("{MAPS}?watch=1&sendInitialEvents=true")).await;
    assert_eq!(without.code, 422);
}

// proves: AM-21
#[tokio::test(start_paused = true)]
async fn a_watch_ends_when_its_time_is_up() {
    let server = Server::start().await;
    let mut events = Events::open(&server, &format!("{MAPS}?watch=1&timeoutSeconds=5"), "*/*").await;
    assert_eq!(events.next().await, None);
}

// proves: AM-19
#[tokio::test(start_paused = true)]
async fn bookmarks_come_before_the_end() {
    let server = Server::start().await;
    let path = format!("{MAPS}?watch=1&timeoutSeconds=100&allowWatchBookmarks=true");
    let mut events = Events::open(&server, &path, "*/*").await;
    let bookmark = events.next().await.expect("a bookmark");
    assert_eq!((&bookmark["type"], &bookmark["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
}

// proves: AM-21
#[tokio::test]
async fn a_watch_ends_cleanly_when_the_server_closes() {
    let server = Server::start().await;
    let mut events = Events::open(&server, &format!("{MAPS}?watch=1"), "*/*").await;
    server.closing.cancel();
    assert_eq!(events.next().await, None);
}

// proves: AM-30
#[tokio::test]
async fn tables_are_watched_with_the_columns_in_the_first_event_only() {
    let server = Server::start().await;
    server.post(MAPS, &map("a")).await.expect(201);
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let mut events = Events::open(&server, &format!("{MAPS}?watch=1"), accept).await;
    let first = events.next().await.expect("an event");
    assert_eq!(first["object"]["rows"][0]["cells"][0], "a");
    assert!(first["object"]["columnDefinitions"].is_array());
    server.post(MAPS, &map("b")).await.expect(201);
    let second = events.next().await.expect("an event");
    assert_eq!((&second["object"]["kind"], &second["object"]["columnDefinitions"]), (&json!("Table"), &json!(null)));
}

// proves: AM-24
#[tokio::test]
async fn watchers_share_the_bytes_of_an_event() {
    let server = Server::start().await;
    let revision = server.get(MAPS).await.expect(200)["metadata"]["resourceVersion"].as_str().expect("one").to_owned();
    let path = format!("{MAPS}?watch=1&resourceVersion={revision}");
    let mut one = Events::open(&server, &path, "*/*").await;
    let mut other = Events::open(&server, &path, "*/*").await;
    server.post(MAPS, &map("a")).await.expect(201);
    let frame = |events: &mut Events| {
        let body = std::mem::replace(&mut events.body, crate::http::Body::empty());
        async move {
            let mut body = body;
            body.frame().await.expect("a frame").expect("a frame").into_data().expect("data")
        }
    };
    let (one, other) = (frame(&mut one).await, frame(&mut other).await);
    assert_eq!(one.as_ptr(), other.as_ptr(), "the event was encoded or copied twice");
}

// proves: AM-30
#[tokio::test]
async fn metadata_alone_is_watched() {
    let server = Server::start().await;
    let created = server.post(MAPS, &map("a")).await.expect(201);
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    for version in ["v1", "v1beta1"] {
        let accept = format!("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v={version}");
        let mut events = Events::open(&server, &format!("{MAPS}?{query}"), &accept).await;
        let object = events.expect("ADDED", "a").await;
        let (kind, api_version) = (json!("PartialObjectMetadata"), json!(format!("meta.k8s.io/{version}")));
        assert_eq!(object, json!({"kind": kind, "apiVersion": api_version, "metadata": created["metadata"]}));
        let bookmark = events.next().await.expect("a bookmark");
        let object = &bookmark["object"];
        assert_eq!((&bookmark["type"], &object["kind"]), (&json!("BOOKMARK"), &kind));
        assert_eq!(object["apiVersion"], api_version);
        assert_eq!(object["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    }
}
