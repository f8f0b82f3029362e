//! Addresses and ports of services.

use super::Server;
use serde_json::{Value, json};

const SERVICES: &str = "/api/v1/namespaces/default/services";

fn service(name: &str, spec: Value) -> Value {
    let mut service = json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": name},
        "spec": {"ports": [{"port": 80}]}});
    for (key, value) in spec.as_object().expect("a map") {
        service["spec"][key] = value.clone();
    }
    service
}

// proves: AM-49
#[tokio::test]
async fn every_service_gets_an_address_of_its_own_and_gives_it_back() {
    let server = Server::start().await;
    let first = server.post(SERVICES, &service("a", json!({}))).await.expect(201);
    let second = server.post(SERVICES, &service("b", json!({}))).await.expect(201);
    let address = first["spec"]["clusterIP"].as_str().expect("an address").to_owned();
    assert!(address.starts_with("10.96.0."), "{address}");
    assert_eq!(first["spec"]["clusterIPs"], json!([address]));
    assert_ne!(first["spec"]["clusterIP"], second["spec"]["clusterIP"]);

    let taken = server.post(SERVICES, &service("c", json!({"clusterIP": address}))).await;
    let (code, _, message) = taken.refusal();
    assert_eq!(code, 422);
    assert!(
        message.contains(&format!("failed to allocate IP {address}: provided IP is already allocated")),
        "{message}"
    );
    let outside = server.post(SERVICES, &service("c", json!({"clusterIP": "10.97.0.1"}))).await.refusal();
    let text = "the provided IP (10.97.0.1) is not in the valid range. The range of valid IPs is 10.96.0.0/24";
    assert!(outside.2.ends_with(text), "{}", outside.2);

    server.delete(&format!("{SERVICES}/a")).await.expect(200);
    let again = server.post(SERVICES, &service("c", json!({"clusterIP": address}))).await.expect(201);
    assert_eq!(again["spec"]["clusterIP"], json!(address));
    let headless = server.post(SERVICES, &service("h", json!({"clusterIP": "None"}))).await.expect(201);
    assert_eq!(headless["spec"]["clusterIP"], "None");
}

// proves: AM-49
#[tokio::test]
async fn node_ports_are_given_kept_and_taken_back() {
    let server = Server::start().await;
    let first = server.post(SERVICES, &service("a", json!({"type": "NodePort"}))).await.expect(201);
    let port = first["spec"]["ports"][0]["nodePort"].as_i64().expect("a port");
    assert!((30_000..=30_099).contains(&port), "{port}");
    let same = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]});
    let (code, _, message) = server.post(SERVICES, &service("b", same.clone())).await.refusal();
    assert_eq!(code, 422);
    assert!(message.contains("provided port is already allocated"), "{message}");

    let patch = json!({"metadata": {"labels": {"x": "y"}}});
    let patched = server.patch(&format!("{SERVICES}/a"), "merge-patch", &patch).await.expect(200);
    assert_eq!(patched["spec"], first["spec"]);

    let mut inner = patched;
    inner["spec"]["type"] = "ClusterIP".into();
    inner["spec"]["ports"][0].as_object_mut().expect("a port").remove("nodePort");
    server.put(&format!("{SERVICES}/a"), &inner).await.expect(200);
    server.post(SERVICES, &service("b", same)).await.expect(201);
}

// proves: AM-49
#[tokio::test]
async fn a_refused_service_keeps_nothing() {
    let server = Server::start().await;
    let wrong = json!({"clusterIP": "10.96.0.77", "ports": [{"port": 0}]});
    assert_eq!(server.post(SERVICES, &service("a", wrong)).await.code, 422);
    server.post(&format!("{SERVICES}?dryRun=All"), &service("a", json!({"clusterIP": "10.96.0.77"}))).await.expect(201);
    server.post(SERVICES, &service("a", json!({"clusterIP": "10.96.0.77"}))).await.expect(201);
    assert_eq!(server.post(SERVICES, &service("a", json!({"clusterIP": "10.96.0.78"}))).await.code, 409);
    server.post(SERVICES, &service("b", json!({"clusterIP": "10.96.0.78"}))).await.expect(201);
}

// proves: AM-49
#[tokio::test]
async fn claims_that_no_service_has_are_dropped_at_the_second_sight() {
    let server = Server::start().await;
    let registry = server.handlers.registry();
    let lost = "10.96.0.99".parse().expect("an address");
    drop(registry.addresses().claim(lost, "default/gone", false).await.expect("free"));
    let mut repair = crate::registry::alloc::repair::Repair::default();
    assert_eq!(repair.run(registry).await.expect("compared"), 0);
    assert_eq!(repair.run(registry).await.expect("compared"), 1);
    server.post(SERVICES, &service("a", json!({"clusterIP": "10.96.0.99"}))).await.expect(201);
    assert_eq!(repair.run(registry).await.expect("compared"), 0);
    let kept = server.get(&format!("{SERVICES}/kubernetes")).await.expect(200);
    assert_eq!(kept["spec"]["clusterIP"], "10.96.0.1");
}
