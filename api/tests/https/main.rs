//! The whole server over real HTTPS, on the in-memory store, with throw-away certificates.

mod client;
mod itself;
mod pki;

use api::auth::UserInfo;
use api::config::{Config, KubeletClient};
use api::http::TlsMaterial;
use api::server::{Handle, start};
use api_storage::{ContinueKey, Storage};
use bytes::Bytes;
use client::Dial;
use daemon::Supervisor;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use pki::{Ca, Identity};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

struct Server {
    handle: Handle,
    ca: Ca,
    admin: Identity,
    address: SocketAddr,
    supervisor: Supervisor,
}

async fn server() -> Server {
    let ca = Ca::new("test-ca");
    let identity = ca.server();
    let kubelet = ca.client("kube-apiserver-kubelet-client", "system:masters");
    let supervisor = Supervisor::new();
    let config = Config {
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        tls: TlsMaterial { cert_chain_pem: identity.cert_pem.into(), key_pem: identity.key_pem.into() },
        client_ca_pem: ca.pem.clone().into(),
        service_account_issuer: "https://kubernetes.default.svc".to_owned(),
        service_account_audiences: Vec::new(),
        service_account_signing_key_pem: rcgen::KeyPair::generate().expect("a key").serialize_pem().into(),
        service_cidr: "10.96.0.0/16".parse().expect("a network"),
        node_port_range: 30_000..=32_767,
        kubelet_client: KubeletClient {
            cert_pem: kubelet.cert_pem.into(),
            key_pem: kubelet.key_pem.into(),
            ca_pem: ca.pem.clone().into(),
        },
        hostname: "localhost".to_owned(),
        advertise: None,
        storage: Storage::new(Arc::new(store_client::MemoryStore::new()), ContinueKey::new(b"test")),
        shutdown_delay: Duration::ZERO,
    };
    let handle = start(config, &supervisor).await.expect("starts");
    handle.ready().await;
    let address = handle.local_addr().expect("listens");
    let admin = ca.client("admin", "system:masters");
    Server { handle, ca, admin, address, supervisor }
}

impl Server {
    fn dial<'a>(&'a self, identity: Option<&'a Identity>) -> Dial<'a> {
        Dial::new(&self.ca, identity)
    }

    async fn admin(&self) -> client::Connection {
        self.dial(Some(&self.admin)).connect(self.address).await
    }
}

fn config_map(name: &str) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": {"a": "1"}})
}

// proves: SE-01
#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls_from_1_2_on_and_nothing_without_it() {
    let server = server().await;
    static NEW: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
    static OLD: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
    for (http2, versions) in [(true, NEW), (false, OLD)] {
        let dial = Dial { http2, versions, ..server.dial(Some(&server.admin)) };
        let answer = dial.connect(server.address).await.get("/api/v1/namespaces/default").await;
        assert_eq!((answer.code, &answer.json()["metadata"]["name"]), (200, &json!("default")));
        assert!(answer.headers.contains_key("audit-id"));
        assert_eq!(answer.headers["cache-control"], "no-cache, private");
    }
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut plain = tokio::net::TcpStream::connect(server.address).await.expect("TCP");
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sends");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
}

// proves: SE-01
#[tokio::test]
async fn a_certificate_is_replaced_without_a_restart_and_a_broken_one_is_not_taken() {
    let server = server().await;
    let shown = async || {
        let stream = server.dial(None).tls(server.address).await.expect("TLS");
        stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone()
    };
    let first = shown().await;
    let renewed = server.ca.server();
    let material = |key: &str| TlsMaterial { cert_chain_pem: renewed.cert_pem.clone().into(), key_pem: key.into() };
    assert!(server.handle.replace_certificate(&material("no key")).is_err());
    assert_eq!(shown().await, first);
    let other = server.ca.server();
    assert!(server.handle.replace_certificate(&material(&other.key_pem)).is_err(), "the key of another certificate");
    server.handle.replace_certificate(&material(&renewed.key_pem)).expect("usable");
    assert_ne!(shown().await, first);
}

// proves: SE-02
#[tokio::test]
async fn strangers_are_told_401_and_may_only_ask_how_the_server_is() {
    let server = server().await;
    let stranger = Ca::new("another-ca").client("admin", "system:masters");
    for identity in [None, Some(&stranger)] {
        let mut connection = server.dial(identity).connect(server.address).await;
        let refused = connection.get("/api/v1/namespaces").await;
        assert_eq!(
            refused.json(),
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "Unauthorized", "reason": "Unauthorized", "code": 401})
        );
        assert_eq!(connection.get("/metrics").await.code, 401);
    }
    let mut connection = server.dial(None).connect(server.address).await;
    for path in ["/livez", "/readyz", "/healthz", "/version"] {
        assert_eq!(connection.get(path).await.code, 200, "{path}");
    }
    let headers = [("authorization", "Bearer nonsense")];
    assert_eq!(connection.ask(Method::GET, "/livez", &headers, Vec::new()).await.code, 401);
}

// proves: SE-10
#[tokio::test]
async fn a_user_may_do_what_a_binding_grants_as_soon_as_it_is_written_and_no_longer_when_it_is_gone() {
    let server = server().await;
    let jane = server.ca.client("jane", "dev");
    let mut jane = server.dial(Some(&jane)).connect(server.address).await;
    let path = "/api/v1/namespaces/default/configmaps";
    let refused = jane.get(path).await;
    assert_eq!(
        (refused.code, &refused.json()["message"]),
        (
            403,
            &json!(
                "configmaps is forbidden: User \"jane\" cannot list resource \"configmaps\" in API group \"\" in \
                    the namespace \"default\""
            )
        )
    );
    let mut admin = server.admin().await;
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let role = json!({"metadata": {"name": "r"},
        "rules": [{"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"]}]});
    let binding = json!({"metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]});
    assert_eq!(admin.post(&format!("{rbac}/roles"), role).await.code, 201);
    assert_eq!(admin.post(&format!("{rbac}/rolebindings"), binding).await.code, 201);
    let mut code = 403;
    for _ in 0..500 {
        code = jane.get(path).await.code;
        if code == 200 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(code, 200, "the policy follows");
    let gone = admin.ask(Method::DELETE, &format!("{rbac}/rolebindings/b"), &[], Vec::new()).await;
    assert_eq!(gone.code, 200);
    for _ in 0..500 {
        code = jane.get(path).await.code;
        if code == 403 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(code, 403, "the policy follows");
}

// proves: SE-03, SE-04
#[tokio::test]
async fn a_requested_token_is_somebody_until_its_account_is_deleted() {
    let server = server().await;
    let mut admin = server.admin().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    assert_eq!(admin.post(accounts, json!({"metadata": {"name": "bot"}})).await.code, 201);
    let request = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "spec": {"audiences": [], "expirationSeconds": 3600}});
    let token = admin.post(&format!("{accounts}/bot/token"), request).await;
    assert_eq!(token.code, 201, "{}", token.text);
    let token = token.json()["status"]["token"].as_str().expect("a token").to_owned();
    let keys = admin.get("/openid/v1/jwks").await.json();
    let header = jsonwebtoken::decode_header(&token).expect("a token");
    assert_eq!(keys["keys"][0]["kid"], json!(header.kid));
    let issuer = admin.get("/.well-known/openid-configuration").await.json();
    assert_eq!(issuer["issuer"], "https://kubernetes.default.svc");
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let mut anyone = server.dial(None).connect(server.address).await;
    let review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let myself = anyone.ask(Method::POST, review, &headers, b"{}".to_vec()).await;
    assert_eq!(myself.json()["status"]["userInfo"]["username"], "system:serviceaccount:default:bot", "{}", myself.text);
    let reviewed = json!({"spec": {"token": token}});
    let reviewed = admin.post("/apis/authentication.k8s.io/v1/tokenreviews", reviewed).await.json();
    assert_eq!(reviewed["status"]["authenticated"], true, "{reviewed}");
    assert_eq!(admin.ask(Method::DELETE, &format!("{accounts}/bot"), &[], Vec::new()).await.code, 200);
    assert_eq!(anyone.ask(Method::POST, review, &headers, b"{}".to_vec()).await.code, 401);
}

// proves: OP-02
#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let server = server().await;
    let mut admin = server.admin().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let headers = [("content-type", "application/json")];
    let refused = admin.ask(Method::POST, path, &headers, vec![b' '; 3 * 1024 * 1024 + 1]).await;
    assert_eq!((refused.code, &refused.json()["message"]), (413, &json!("Request entity too large: limit is 3145728")));
}

#[tokio::test]
async fn a_body_in_protobuf_is_taken_and_answered_in_json() {
    let server = server().await;
    let mut admin = server.admin().await;
    // TypeMeta{v1, ConfigMap} and ConfigMap{metadata{name: "pb"}, data{"k": "v"}}, as kubectl sends them.
    let body = b"k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12\x10\n\x04\n\x02pb\x12\x08\n\x01k\x12\x03v\xc3\xa9".to_vec();
    let headers = [
        ("content-type", "application/vnd.kubernetes.protobuf"),
        ("accept", "application/vnd.kubernetes.protobuf,application/json"),
    ];
    let created = admin.ask(Method::POST, "/api/v1/namespaces/default/configmaps", &headers, body).await;
    assert_eq!(created.code, 201, "{}", created.text);
    assert_eq!((&created.json()["metadata"]["name"], &created.json()["data"]), (&json!("pb"), &json!({"k": "vé"})));
    let broken =
        admin.ask(Method::POST, "/api/v1/namespaces/default/configmaps", &headers, b"k8s\0\x12".to_vec()).await;
    assert_eq!(broken.code, 400, "{}", broken.text);
}

// proves: AM-46
#[tokio::test]
async fn metrics_count_requests_under_upstreams_names() {
    let server = server().await;
    let mut admin = server.admin().await;
    assert_eq!(admin.get("/api/v1/namespaces/default").await.code, 200);
    assert_eq!(admin.get("/api/v1/secret-things-nobody-serves").await.code, 404);
    let metrics = admin.get("/metrics").await;
    assert_eq!(metrics.code, 200);
    for line in [
        "apiserver_request_total{code=\"200\",component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"namespaces\",\
         scope=\"resource\",subresource=\"\",verb=\"GET\",version=\"v1\"}",
        "apiserver_request_duration_seconds_bucket{",
        "apiserver_current_inflight_requests{request_kind=\"readOnly\"} ",
    ] {
        assert!(metrics.text.contains(line), "{line} is not in\n{}", metrics.text);
    }
    assert!(!metrics.text.contains("nobody-serves"), "labels never come from a client");
    let slis = admin.get("/metrics/slis").await.text;
    assert!(slis.contains("kubernetes_healthcheck{name=\"etcd\",type=\"readyz\"} 1"), "{slis}");
}

// proves: OP-03
#[tokio::test]
async fn a_server_that_ends_says_so_first_ends_watches_and_then_connections() {
    let server = server().await;
    let mut watching = server.admin().await;
    let watch = Request::get("/api/v1/namespaces/default/configmaps?watch=true")
        .header("host", "localhost")
        .body(Full::new(Bytes::new()))
        .expect("a request");
    let watch = watching.send(watch).await.expect("an answer");
    assert_eq!(watch.status(), 200);
    let mut admin = server.admin().await;
    let created = admin.post("/api/v1/namespaces/default/configmaps", config_map("late")).await;
    assert_eq!(created.code, 201, "{}", created.text);
    server.supervisor.shut_down();
    let body = watch.into_body().collect().await.expect("the watch ends cleanly").to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("\"late\""));
    assert!(!server.handle.is_ready().await);
    assert_eq!(server.supervisor.wait(Duration::from_secs(30)).await, Vec::<&str>::new());
    assert!(server.dial(None).tls(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn paths_nobody_serves_are_404_and_the_root_lists_those_somebody_does() {
    let server = server().await;
    let mut admin = server.admin().await;
    let missing = admin.get("/nowhere").await;
    assert_eq!((missing.code, missing.text.as_str()), (404, "404 page not found\n"));
    let paths = admin.get("/").await.json()["paths"].clone();
    for path in paths.as_array().expect("a list") {
        let path = path.as_str().expect("text");
        assert_eq!(admin.get(path).await.code, 200, "{path}");
    }
    for bad in ["/api/v1/namespaces/../secrets", "/api/v1/namespaces/a%2Fb", "/api/v1/namespaces/%2e%2e/pods"] {
        assert_eq!(admin.get(bad).await.code, 400, "{bad}");
    }
}

#[tokio::test]
async fn what_a_router_has_is_read_by_get_alone_and_the_rest_by_any_method() {
    let server = server().await;
    let mut admin = server.admin().await;
    for path in ["/api", "/api/v1", "/apis/apps/v1", "/version", "/openid/v1/jwks", "/api/v1/namespaces/default"] {
        assert_eq!(admin.ask(Method::HEAD, path, &[], Vec::new()).await.code, 405, "HEAD {path}");
        assert_eq!(admin.ask(Method::POST, path, &[], b"{}".to_vec()).await.code, 405, "POST {path}");
    }
    for path in ["/", "/apis", "/apis/apps", "/healthz", "/livez/ping", "/metrics", "/openapi/v2", "/openapi/v3"] {
        assert_eq!(admin.ask(Method::HEAD, path, &[], Vec::new()).await.code, 200, "HEAD {path}");
        assert_eq!(admin.ask(Method::POST, path, &[], b"{}".to_vec()).await.code, 200, "POST {path}");
    }
    let html = [("accept", "text/html")];
    for path in ["/version", "/api", "/apis", "/api/v1/namespaces", "/openapi/v2"] {
        assert_eq!(admin.ask(Method::GET, path, &html, Vec::new()).await.code, 406, "{path}");
    }
    let watch = admin.get("/api/v1/watch").await;
    let text = "Internal Server Error: \"/api/v1/watch\": failed to create RequestInfo: unable to determine kind and \
                namespace from url, /api/v1/watch\n";
    assert_eq!((watch.code, watch.text.as_str()), (500, text));
    for path in
        ["//", "//api/v1/namespaces/default", "//livez", "/openapi/v3/", "/api/v1/namespaces/default/namespaces"]
    {
        assert_eq!(admin.get(path).await.code, 404, "{path}");
    }
}

#[tokio::test]
async fn whoever_connects_and_says_nothing_is_let_go() {
    use tokio::io::AsyncReadExt;
    let server = server().await;
    let mut silent = tokio::net::TcpStream::connect(server.address).await.expect("TCP");
    let mut idle = server.dial(None).tls(server.address).await.expect("TLS");
    // Nothing else goes on: time passes as fast as the server's own deadlines ask for.
    tokio::time::pause();
    let mut bytes = Vec::new();
    assert_eq!(silent.read_to_end(&mut bytes).await.unwrap_or_default(), 0, "no handshake");
    assert_eq!(idle.read_to_end(&mut bytes).await.unwrap_or_default(), 0, "no request");
}

#[tokio::test]
async fn a_request_with_two_lengths_is_refused() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = server().await;
    let mut stream = server.dial(Some(&server.admin)).tls(server.address).await.expect("TLS");
    let request = "POST /api/v1/namespaces HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\n\
                   transfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
}

// proves: SE-20
#[tokio::test]
async fn clients_of_this_process_are_strangers_with_an_identity() {
    let server = server().await;
    let nobody = server.handle.local_service(UserInfo::new("system:kube-nobody", ["x"]));
    let get = |path: &str| Request::get(path).body(Full::new(Bytes::new())).expect("a request");
    let refused = nobody.oneshot(get("/api/v1/secrets")).await.expect("never fails");
    assert_eq!(refused.status(), 403);
    let admin = server.handle.local_service(UserInfo::new("admin", ["system:masters"]));
    let answered = admin.oneshot(get("/api/v1/namespaces/kube-system")).await.expect("never fails");
    assert_eq!(answered.status(), 200);
}

// proves: AM-42, AM-44
#[tokio::test]
async fn what_discovery_and_openapi_tell_is_what_is_served() {
    let server = server().await;
    let mut admin = server.admin().await;
    let groups = admin.get("/apis").await.json();
    assert!(groups["groups"].as_array().is_some_and(|groups| groups.len() >= 6), "{groups}");
    let mut lists = vec!["/api/v1".to_owned()];
    for group in groups["groups"].as_array().expect("a list") {
        lists.push(format!("/apis/{}", group["preferredVersion"]["groupVersion"].as_str().expect("a version")));
    }
    let index = admin.get("/openapi/v3").await.json();
    for list in lists {
        let resources = admin.get(&list).await.json();
        for resource in resources["resources"].as_array().expect("a list") {
            let listed = resource["verbs"].as_array().is_some_and(|verbs| verbs.contains(&json!("list")));
            if listed {
                let path = format!("{list}/{}", resource["name"].as_str().expect("a name"));
                assert_eq!(admin.get(&path).await.code, 200, "{path}");
            }
        }
        let url = index["paths"][list.trim_start_matches('/')]["serverRelativeURL"].as_str().expect("a URL").to_owned();
        assert!(admin.get(&url).await.json()["components"]["schemas"].is_object(), "{url}");
    }
}
