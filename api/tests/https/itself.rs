//! What a server tells of itself: how it is, who it is, whom it trusts.

use super::{Value, json, server};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

// proves: AM-45
#[tokio::test]
async fn readiness_lists_its_checks() {
    let server = server().await;
    let mut anyone = server.dial(None).connect(server.address).await;
    let hooks = "[+]poststarthook/start-system-namespaces-controller ok\n\
                 [+]poststarthook/start-cluster-authentication-info-controller ok\n\
                 [+]poststarthook/start-kube-apiserver-identity-lease-controller ok\n\
                 [+]poststarthook/start-kube-apiserver-identity-lease-garbage-collector ok\n\
                 [+]poststarthook/start-legacy-token-tracking-controller ok\n\
                 [+]poststarthook/start-service-ip-repair-controllers ok\n\
                 [+]poststarthook/rbac/bootstrap-roles ok\n\
                 [+]poststarthook/scheduling/bootstrap-system-priority-classes ok\n\
                 [+]poststarthook/bootstrap-controller ok\n";
    assert_eq!(
        anyone.get("/readyz?verbose").await.text,
        format!("[+]ping ok\n[+]etcd ok\n[+]etcd-readiness ok\n{hooks}[+]shutdown ok\nreadyz check passed\n")
    );
    assert_eq!(anyone.get("/livez?verbose").await.text, format!("[+]ping ok\n[+]etcd ok\n{hooks}livez check passed\n"));
    let root = server.admin().await.get("/").await.json();
    let paths: Vec<&str> = root["paths"].as_array().expect("paths").iter().filter_map(Value::as_str).collect();
    let of_health = |path: &&&str| ["/healthz", "/livez", "/readyz"].iter().any(|root| path.starts_with(root));
    assert_eq!(paths.iter().filter(of_health).count(), 3 + 11 + 11 + 13);
    for path in paths.iter().filter(of_health) {
        assert_eq!(anyone.get(path).await.text, "ok", "{path}");
        assert_eq!(anyone.get(&format!("{path}/")).await.code, 404, "{path}/");
    }
}

#[tokio::test]
async fn a_server_publishes_whom_it_trusts_and_has_a_lease_of_its_own() {
    let server = server().await;
    let mut admin = server.admin().await;
    let path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    let map = admin.get(path).await.json();
    let published = map["data"]["client-ca-file"].as_str().expect("a certificate");
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    assert_eq!(der(published), der(&server.ca.pem));

    let leases = admin.get("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases").await.json();
    let lease = &leases["items"][0];
    let labels = json!({"apiserver.kubernetes.io/identity": "kube-apiserver", "kubernetes.io/hostname": "localhost"});
    assert_eq!(lease["metadata"]["labels"], labels);
    assert_eq!(lease["metadata"]["name"], "apiserver-l2yubf4cvcl5c7a3wrubrwqdve");
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 3600);
}

#[tokio::test]
async fn a_server_that_others_cannot_reach_is_behind_no_service_and_the_endpoints_say_so() {
    let server = server().await;
    let mut admin = server.admin().await;
    let endpoints = admin.get("/api/v1/namespaces/default/endpoints/kubernetes").await;
    assert_eq!((endpoints.code, endpoints.json().get("subsets")), (200, None));
    let slice = admin.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes").await;
    assert_eq!((slice.code, &slice.json()["endpoints"]), (200, &Value::Null));
}

// proves: SE-03
#[tokio::test]
async fn those_who_verify_tokens_find_the_keys_at_the_server_in_upstreams_order() {
    let server = server().await;
    let mut admin = server.admin().await;
    let keys = admin.get("/openid/v1/jwks").await.text;
    let at = |name: &str| keys.find(&format!("\"{name}\":")).unwrap_or_else(|| panic!("no {name} in {keys}"));
    let order = ["keys", "use", "kty", "kid", "crv", "alg", "x", "y"].map(at);
    assert!(order.is_sorted(), "{keys}");
    let configuration = admin.get("/.well-known/openid-configuration").await.json();
    assert_eq!(configuration["jwks_uri"], format!("https://{}/openid/v1/jwks", server.address));
}
