//! Tables of the EndpointSlice plan.

use super::plan::{self, Plan};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::json;
use std::sync::Arc;

fn service() -> Service {
    serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "a", "uid": "s"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}}))
    .unwrap()
}

fn pod(number: usize, ready: bool) -> Arc<Pod> {
    let status = if ready { "True" } else { "False" };
    let value = json!({"metadata": {"name": format!("p{number}"), "namespace": "a", "uid": format!("u{number}")},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {"phase": "Running", "podIP": format!("10.0.{}.{}", number / 250, number % 250 + 1),
                   "conditions": [{"type": "Ready", "status": status}]}});
    Arc::new(serde_json::from_value(value).unwrap())
}

fn existing(plan: &Plan) -> Vec<Arc<EndpointSlice>> {
    let named = plan.create.iter().enumerate().map(|(index, slice)| {
        let mut slice = slice.clone();
        slice.metadata.name = Some(format!("web-{index}"));
        Arc::new(slice)
    });
    named.collect()
}

fn sizes(slices: &[EndpointSlice]) -> Vec<usize> {
    slices.iter().map(|slice| slice.endpoints.as_ref().map_or(0, Vec::len)).collect()
}

// proves: CT-13
#[test]
fn a_service_gets_the_addresses_and_ports_of_its_pods() {
    let plan = plan::plan(&service(), &[pod(0, true), pod(1, false)], &[], |_| None);
    assert_eq!((plan.create.len(), plan.update.len(), plan.delete.len()), (1, 0, 0));
    let slice = &plan.create[0];
    assert_eq!(slice.ports.as_ref().unwrap()[0].port, Some(8080));
    assert_eq!(slice.metadata.labels.as_ref().unwrap()[plan::SERVICE_NAME], "web");
    let ready: Vec<_> =
        slice.endpoints.as_ref().unwrap().iter().map(|endpoint| endpoint.conditions.as_ref().unwrap().ready).collect();
    assert_eq!(ready, [Some(true), Some(false)]);
}

#[test]
fn nothing_changes_when_nothing_changed() {
    let pods = [pod(0, true), pod(1, true)];
    let slices = existing(&plan::plan(&service(), &pods, &[], |_| None));
    assert_eq!(plan::plan(&service(), &pods, &slices, |_| None), Plan::default());
    let empty = existing(&plan::plan(&service(), &[], &[], |_| None));
    assert_eq!(empty.len(), 1, "a service without pods has an empty slice");
    assert_eq!(plan::plan(&service(), &[], &empty, |_| None), Plan::default());
}

#[test]
fn a_slice_is_full_at_a_hundred_and_keeps_its_endpoints() {
    let pods: Vec<_> = (0..150).map(|number| pod(number, true)).collect();
    let first = plan::plan(&service(), &pods, &[], |_| None);
    assert_eq!(sizes(&first.create), [100, 50]);
    let slices = existing(&first);
    let fewer: Vec<_> = pods.iter().skip(1).cloned().collect();
    let plan = plan::plan(&service(), &fewer, &slices, |_| None);
    assert_eq!(
        (plan.create.len(), plan.update.len(), plan.delete.len()),
        (0, 1, 0),
        "one endpoint less changes one slice"
    );
}

#[test]
fn the_empty_slice_of_a_service_is_used_for_its_first_pods() {
    let empty = existing(&plan::plan(&service(), &[], &[], |_| None));
    let plan = plan::plan(&service(), &[pod(0, true)], &empty, |_| None);
    assert_eq!((plan.create.len(), sizes(&plan.update), plan.delete.len()), (0, vec![1], 0));
    assert_eq!(plan.update[0].metadata.name.as_deref(), Some("web-0"));
}

#[test]
fn a_pod_on_its_way_out_serves_and_is_not_ready() {
    let mut leaving = pod(0, true).as_ref().clone();
    leaving.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time("2026-01-01T00:00:00Z".parse().unwrap()));
    let plan = plan::plan(&service(), &[Arc::new(leaving)], &[], |_| None);
    let conditions = plan.create[0].endpoints.as_ref().unwrap()[0].conditions.clone().unwrap();
    assert_eq!((conditions.ready, conditions.serving, conditions.terminating), (Some(false), Some(true), Some(true)));
}

#[test]
fn slices_follow_the_labels_of_their_service() {
    let pods = [pod(0, true)];
    let slices = existing(&plan::plan(&service(), &pods, &[], |_| None));
    let mut labelled = service();
    labelled.metadata.labels = Some([("team".to_owned(), "a".to_owned())].into());
    let plan = plan::plan(&labelled, &pods, &slices, |_| None);
    assert_eq!((plan.create.len(), plan.update.len(), plan.delete.len()), (0, 1, 0));
    assert_eq!(plan.update[0].metadata.labels.as_ref().unwrap()["team"], "a");
}

#[test]
fn a_pod_with_the_services_subdomain_keeps_its_hostname() {
    let mut named = pod(0, true).as_ref().clone();
    let spec = named.spec.as_mut().unwrap();
    (spec.hostname, spec.subdomain) = (Some("zero".to_owned()), Some("web".to_owned()));
    let plan = plan::plan(&service(), &[Arc::new(named.clone())], &[], |_| None);
    assert_eq!(plan.create[0].endpoints.as_ref().unwrap()[0].hostname.as_deref(), Some("zero"));
    named.spec.as_mut().unwrap().subdomain = Some("other".to_owned());
    let plan = plan::plan(&service(), &[Arc::new(named)], &[], |_| None);
    assert_eq!(plan.create[0].endpoints.as_ref().unwrap()[0].hostname, None);
}
