//! GET, LIST and WATCH never parse a stored object. Alone in its process, because the count of decodes is the process's.

use api::auth::UserInfo;
use api::auth::authz::Authorizer;
use api::auth::keys::SigningKey;
use api::auth::objects::LiveObjects;
use api::auth::tokens::Tokens;
use api::filters::request_info::RequestInfo;
use api::handlers::Handlers;
use api::http::{RequestBody, RequestContext};
use api::registry::{Registry, Settings};
use api_storage::{ContinueKey, Storage};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use std::sync::Arc;
use store_client::MemoryStore;
use tokio_util::sync::CancellationToken;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn send(handlers: &Handlers, method: Method, path: &str, body: String, frames_max: usize) -> Bytes {
    let body = RequestBody::boxed(Full::new(Bytes::from(body)));
    let request = Request::builder().method(method).uri(path).body(body).expect("a request");
    let info = RequestInfo::new(request.method(), request.uri()).expect("a path");
    let cx = RequestContext::new(info, Arc::new(UserInfo::new("tester", ["system:masters"])));
    let response = handlers.serve(&cx, request).await;
    assert!(response.status().is_success(), "{path}: {}", response.status());
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    for _ in 0..frames_max {
        let Some(frame) = body.frame().await else { break };
        bytes.extend_from_slice(&frame.expect("a frame").into_data().expect("data"));
    }
    bytes.into()
}

#[tokio::test]
async fn get_list_and_watch_decode_no_stored_object() {
    let storage = Storage::new(Arc::new(MemoryStore::new()), ContinueKey::new(b"test"));
    let settings = Settings { service_cidr: "10.96.0.0/24".parse().expect("a range"), node_ports: 30_000..=30_099 };
    let authorizer = Arc::new(Authorizer::default());
    let registry = Arc::new(Registry::new(api::resources::TABLE, &storage, authorizer, &settings));
    api::bootstrap::run(&registry, None).await.expect("bootstrapped");
    let key = SigningKey::from_pem(rcgen::KeyPair::generate().expect("a key").serialize_pem().as_bytes());
    let objects = Arc::new(LiveObjects::new(registry.kinds()).expect("stored"));
    let tokens = Tokens::new("https://issuer".into(), Vec::new(), key.expect("a key"), objects);
    let handlers = Handlers::new(registry, Arc::new(tokens), None, CancellationToken::new());
    for number in 0..50 {
        let body = format!(r#"{{"metadata":{{"name":"m{number}"}},"data":{{"k":"v"}}}}"#);
        send(&handlers, Method::POST, MAPS, body, usize::MAX).await;
    }

    let before = api_machinery::codec::decodes();
    for query in ["", "?resourceVersion=0", "?limit=10", "?labelSelector=!x", "?fieldSelector=metadata.name%3Dm7"] {
        let list = send(&handlers, Method::GET, &format!("{MAPS}{query}"), String::new(), usize::MAX).await;
        assert!(list.starts_with(b"{\"kind\":\"ConfigMapList\""), "{list:?}");
    }
    let one = send(&handlers, Method::GET, &format!("{MAPS}/m7"), String::new(), usize::MAX).await;
    assert!(one.starts_with(b"{\"kind\":\"ConfigMap\""), "{one:?}");
    let events = send(&handlers, Method::GET, &format!("{MAPS}?watch=1"), String::new(), 1).await;
    assert!(events.starts_with(b"{\"type\":\"ADDED\""), "{events:?}");
    assert_eq!(api_machinery::codec::decodes(), before, "a read has parsed an object");

    let patch = Method::PATCH;
    let request = Request::builder().method(patch).uri(format!("{MAPS}/m7"));
    let request = request.header("content-type", "application/merge-patch+json");
    let request = request.body(RequestBody::boxed(Full::new(Bytes::from("{}")))).expect("a request");
    let info = RequestInfo::new(request.method(), request.uri()).expect("a path");
    let cx = RequestContext::new(info, Arc::new(UserInfo::new("tester", ["system:masters"])));
    handlers.serve(&cx, request).await;
    assert!(api_machinery::codec::decodes() > before, "the counter counts writes");
}
