//! Requests to answers, in this process over the in-memory store: everything behind the filters.

mod deletes;
mod events;
mod logs;
mod parity;
mod patches;
mod reads;
mod services;
mod subresources;
mod views;
mod watches;
mod writes;

use super::Handlers;
use crate::auth::UserInfo;
use crate::auth::authz::Authorizer;
use crate::auth::keys::SigningKey;
use crate::auth::objects::LiveObjects;
use crate::auth::tokens::Tokens;
use crate::auth::user::MASTERS;
use crate::filters::request_info::RequestInfo;
use crate::http::{Body, RequestBody, RequestContext};
use crate::registry::{Registry, Settings};
use crate::{bootstrap, resources};
use ::http::{HeaderMap, Method, Request, Response};
use api_storage::{ContinueKey, Storage};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use std::sync::Arc;
use store_client::MemoryStore;
use tokio_util::sync::CancellationToken;

/// Config maps of the default namespace.
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

struct Server {
    handlers: Handlers,
    user: Arc<UserInfo>,
    closing: CancellationToken,
}

#[derive(Debug)]
struct Answer {
    code: u16,
    headers: HeaderMap,
    bytes: Bytes,
    warnings: Vec<String>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {:?}", self.bytes))
    }

    /// Code, reason and message of a Status.
    fn refusal(&self) -> (u16, String, String) {
        let status = self.json();
        assert_eq!(status["kind"], "Status", "{status}");
        assert_eq!(status["code"], self.code);
        let text = |field: &str| status[field].as_str().unwrap_or_default().to_owned();
        (self.code, text("reason"), text("message"))
    }

    fn expect(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", String::from_utf8_lossy(&self.bytes));
        self.json()
    }
}

impl Server {
    async fn start() -> Self {
        Self::with(|registry| registry).await
    }

    async fn with(change: impl FnOnce(Registry) -> Registry) -> Self {
        let storage = Storage::new(Arc::new(MemoryStore::new()), ContinueKey::new(b"test"));
        let authorizer = Arc::new(Authorizer::default());
        let settings = Settings { service_cidr: "10.96.0.0/24".parse().expect("a range"), node_ports: 30_000..=30_099 };
        let registry = Arc::new(change(Registry::new(resources::TABLE, &storage, authorizer, &settings)));
        bootstrap::run(&registry, None).await.expect("bootstrapped");
        let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        let key = SigningKey::from_pem(key.as_bytes()).expect("a key");
        let tokens = Tokens::new(
            "https://issuer".into(),
            Vec::new(),
            key,
            Arc::new(LiveObjects::new(registry.kinds()).expect("stored")),
        );
        let closing = CancellationToken::new();
        let handlers = Handlers::new(registry, Arc::new(tokens), None, closing.clone());
        let server = Self { handlers, user: Arc::new(UserInfo::new("tester", [MASTERS])), closing };
        let account = json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}});
        server.post("/api/v1/namespaces/default/serviceaccounts", &account).await.expect(201);
        server
    }

    /// Sends a request and returns the response before its body.
    async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> (Response<Body>, Vec<String>) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(RequestBody::boxed(Full::new(body))).expect("a request");
        let info = RequestInfo::new(request.method(), request.uri()).expect("a path");
        let cx = RequestContext::new(info, Arc::clone(&self.user));
        let response = self.handlers.serve(&cx, request).await;
        (response, cx.take_warnings())
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let (response, warnings) = self.open(method, path, headers, body.into()).await;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer { code: head.status.as_u16(), headers: head.headers, bytes, warnings }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    async fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", accept)], "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &[("content-type", "application/json")], body.to_string()).await
    }

    async fn patch(&self, path: &str, patch_type: &str, body: &Value) -> Answer {
        let media_type = format!("application/{patch_type}+json");
        self.send(Method::PATCH, path, &[("content-type", &media_type)], body.to_string()).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    async fn delete_with(&self, path: &str, options: &Value) -> Answer {
        self.send(Method::DELETE, path, &[("content-type", "application/json")], options.to_string()).await
    }
}

fn map(name: &str) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": {"k": "v"}})
}

fn pod(name: &str) -> Value {
    json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn deployment(name: &str) -> Value {
    json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": name},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}
