//! Tables of what is mirrored.

use super::plan::{self, ADDRESSES_MAX, Mirror};
use k8s_openapi::api::core::v1::{Endpoints, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};
use std::sync::Arc;

fn endpoints(subsets: Value) -> Endpoints {
    let annotations = json!({"kept": "yes", "kubectl.kubernetes.io/last-applied-configuration": "{}"});
    let meta = json!({"name": "db", "namespace": "a", "uid": "e", "labels": {"x": "y"}, "annotations": annotations});
    serde_json::from_value(json!({"metadata": meta, "subsets": subsets})).unwrap()
}

fn named(mirror: Mirror) -> Vec<Arc<EndpointSlice>> {
    let created = mirror.plan.create.into_iter().enumerate();
    let named = created.map(|(index, mut slice)| {
        slice.metadata.name = Some(format!("db-{index}"));
        Arc::new(slice)
    });
    named.collect()
}

// proves: CT-14
#[test]
fn addresses_are_mirrored_by_family_and_ports() {
    let ports = json!([{"name": "sql", "port": 5432, "protocol": "TCP"}]);
    let subset = json!({"addresses": [{"ip": "192.0.2.1", "nodeName": "n"}, {"ip": "2001:db8::1"}],
                        "notReadyAddresses": [{"ip": "192.0.2.2"}], "ports": ports});
    let endpoints = endpoints(json!([subset]));
    let mirror = plan::mirror(&endpoints, &[]);
    assert_eq!(mirror.plan.create.len(), 2);
    let slice = serde_json::to_value(&mirror.plan.create[0]).unwrap();
    assert_eq!(slice["addressType"], "IPv4");
    assert_eq!(slice["metadata"]["annotations"], json!({"kept": "yes"}));
    let labels = json!({"x": "y", "kubernetes.io/service-name": "db",
                        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io"});
    assert_eq!(slice["metadata"]["labels"], labels);
    assert_eq!(slice["metadata"]["ownerReferences"][0]["kind"], "Endpoints");
    let wanted = json!([{"addresses": ["192.0.2.1"], "conditions": {"ready": true}, "nodeName": "n"},
                        {"addresses": ["192.0.2.2"], "conditions": {"ready": false}}]);
    assert_eq!((&slice["endpoints"], &slice["ports"]), (&wanted, &ports));
    assert_eq!(mirror.plan.create[1].endpoints.as_ref().unwrap()[0].addresses, ["2001:db8::1"]);
    assert_eq!(plan::mirror(&endpoints, &named(mirror)), Mirror::default());
}

#[test]
fn a_slice_whose_ports_are_gone_is_used_again() {
    let with = |port: i32| endpoints(json!([{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": port}]}]));
    let slices = named(plan::mirror(&with(80), &[]));
    let mirror = plan::mirror(&with(81), &slices);
    assert_eq!((mirror.plan.create.len(), mirror.plan.update.len(), mirror.plan.delete.len()), (0, 1, 0));
    let update = &mirror.plan.update[0];
    assert_eq!((update.metadata.name.as_deref(), update.ports.as_ref().unwrap()[0].port), (Some("db-0"), Some(81)));
    assert_eq!(plan::mirror(&endpoints(json!([])), &slices).plan.delete, ["db-0"]);
}

#[test]
fn what_cannot_be_mirrored_is_counted() {
    let mut addresses: Vec<Value> =
        (0..=ADDRESSES_MAX).map(|n| json!({"ip": format!("10.0.{}.{}", n / 250, n % 250)})).collect();
    addresses.push(json!({"ip": "!"}));
    let mirror = plan::mirror(&endpoints(json!([{"addresses": addresses}])), &[]);
    assert_eq!((mirror.invalid, mirror.too_many), (1, 1));
    assert_eq!(mirror.plan.create[0].endpoints.as_ref().unwrap().len(), ADDRESSES_MAX);
}

#[test]
fn only_endpoints_of_others_are_mirrored() {
    let service = |spec| serde_json::from_value::<Service>(json!({"metadata": {}, "spec": spec})).unwrap();
    let (without, with) = (service(json!({})), service(json!({"selector": {"a": "b"}})));
    let mut endpoints = endpoints(json!([]));
    assert!(plan::is_mirrored(&without, &endpoints) && !plan::is_mirrored(&with, &endpoints));
    let labels = endpoints.metadata.labels.get_or_insert_default();
    labels.insert("endpointslice.kubernetes.io/skip-mirror".to_owned(), "true".to_owned());
    assert!(!plan::is_mirrored(&without, &endpoints));
}
