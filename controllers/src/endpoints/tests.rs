//! Tables of the Endpoints plan.

use super::plan::{self, MANAGED_BY, OVER_CAPACITY};
use super::subsets::ADDRESSES_MAX;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{EndpointSubset, Endpoints, Pod, Service};
use serde_json::{Value, json};
use std::sync::Arc;

fn service(spec: Value) -> Service {
    serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "a", "labels": {"x": "y"}}, "spec": spec}))
        .unwrap()
}

fn web() -> Service {
    service(json!({"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}]}))
}

fn pod(number: usize, port: i32, ready: bool) -> Arc<Pod> {
    let ports = json!([{"name": "http", "containerPort": port}]);
    let ready = json!([{"type": "Ready", "status": if ready { "True" } else { "False" }}]);
    let value = json!({"metadata": {"name": format!("p{number}"), "namespace": "a", "uid": format!("u{number}")},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "ports": ports}]},
        "status": {"phase": "Running", "podIP": format!("10.0.{}.{}", number / 250, number % 250 + 1),
                   "conditions": ready}});
    Arc::new(serde_json::from_value(value).unwrap())
}

fn new(service: &Service, pods: &[Arc<Pod>]) -> Endpoints {
    plan::plan(service, pods, None, None).unwrap()
}

/// How many addresses are ready and unready, and the ports, a subset at a time.
fn shape(endpoints: &Endpoints) -> Vec<(usize, usize, Vec<i32>)> {
    let shape = |subset: &EndpointSubset| {
        let ports = subset.ports.iter().flatten().map(|port| port.port).collect();
        let ready = subset.addresses.as_ref().map_or(0, Vec::len);
        (ready, subset.not_ready_addresses.as_ref().map_or(0, Vec::len), ports)
    };
    endpoints.subsets.iter().flatten().map(shape).collect()
}

// proves: CT-12
#[test]
fn a_service_gets_the_addresses_of_its_pods_by_the_ports_that_they_serve() {
    let pods = [pod(0, 8080, true), pod(1, 8080, false), pod(2, 9090, true)];
    let endpoints = new(&web(), &pods);
    let mut shape = shape(&endpoints);
    shape.sort();
    assert_eq!(shape, [(1, 0, vec![9090]), (1, 1, vec![8080])]);
    let labels = endpoints.metadata.labels.unwrap();
    assert_eq!((labels["x"].as_str(), labels[MANAGED_BY].as_str()), ("y", "endpoint-controller"));
}

#[test]
fn ports_with_the_same_addresses_share_a_subset_in_upstreams_order() {
    let ports = json!([{"name": "a", "port": 80, "protocol": "TCP"}, {"name": "b", "port": 81, "protocol": "TCP"},
                       {"name": "c", "port": 82, "protocol": "TCP"}, {"name": "d", "port": 83, "protocol": "TCP"}]);
    let service = service(json!({"selector": {"app": "web"}, "ports": ports}));
    assert_eq!(shape(&new(&service, &[pod(0, 1, true)])), [(1, 0, vec![82, 81, 80, 83])]);
}

#[test]
fn what_is_as_it_should_be_is_not_written() {
    let (service, pods) = (web(), [pod(0, 8080, true)]);
    let mut existing = new(&service, &pods);
    existing.metadata.resource_version = Some("7".to_owned());
    assert_eq!(plan::plan(&service, &pods, Some(&existing), None), None);
    let changed = Some(Timestamp::UNIX_EPOCH);
    let update = plan::plan(&service, &[], Some(&existing), changed).unwrap();
    assert_eq!((update.metadata.resource_version.as_deref(), &update.subsets), (Some("7"), &None));
    let annotations = update.metadata.annotations.unwrap();
    assert_eq!(annotations["endpoints.kubernetes.io/last-change-trigger-time"], "1970-01-01T00:00:00Z");
}

#[test]
fn a_headless_service_without_ports_has_addresses_alone() {
    let headless = service(json!({"selector": {"app": "web"}, "clusterIP": "None"}));
    let endpoints = new(&headless, &[pod(0, 1, true)]);
    assert_eq!(shape(&endpoints), [(1, 0, vec![])]);
    assert_eq!(endpoints.metadata.labels.unwrap()["service.kubernetes.io/headless"], "");
    assert_eq!(shape(&new(&service(json!({"selector": {"app": "web"}})), &[pod(0, 1, true)])), []);
}

#[test]
fn pods_that_leave_are_left_out_unless_unready_addresses_are_published() {
    let mut leaving = pod(0, 8080, false).as_ref().clone();
    leaving.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    let pods = [Arc::new(leaving)];
    assert_eq!(new(&web(), &pods).subsets, None);
    let mut publishing = web();
    publishing.spec.as_mut().unwrap().publish_not_ready_addresses = Some(true);
    assert_eq!(shape(&new(&publishing, &pods)), [(1, 0, vec![8080])]);
}

#[test]
fn beyond_the_limit_unready_addresses_go_first_and_an_annotation_says_so() {
    let ready = ADDRESSES_MAX - 1;
    let mut pods: Vec<_> = (0..ready).map(|number| pod(number, 8080, true)).collect();
    pods.extend((ready..ready + 5).map(|number| pod(number, 8080, false)));
    let over = new(&web(), &pods);
    assert_eq!(shape(&over), [(ready, 1, vec![8080])]);
    assert_eq!(over.metadata.annotations.as_ref().unwrap()[OVER_CAPACITY], "truncated");
    let back = plan::plan(&web(), &pods[..3], Some(&over), None).unwrap();
    assert_eq!(back.metadata.annotations, None);
}
