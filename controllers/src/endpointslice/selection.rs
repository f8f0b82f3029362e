//! Which pods a Service selects, and which Services a pod concerns.

use crate::Informers;
use crate::objects::Labels;
use controllers_runtime::{Delta, Informer, Key, Queue};
use k8s_openapi::api::core::v1::{Pod, Service};
use std::sync::Arc;

/// Whether this Service's endpoints are made from pods: one without a selector has what somebody else writes, one that
/// is only another name (ExternalName) has none.
pub fn has_endpoints(service: &Service) -> bool {
    let Some(spec) = &service.spec else { return false };
    spec.type_.as_deref() != Some("ExternalName") && spec.selector.as_ref().is_some_and(|selector| !selector.is_empty())
}

/// The pods that a Service selects.
pub fn pods_of(pods: &Informer<Pod>, service: &Service) -> Vec<Arc<Pod>> {
    let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
    let pods = pods.index().in_namespace(namespace).into_iter();
    pods.filter(|pod| selects(service, pod.metadata.labels.as_ref())).collect()
}

/// Queues a Service when it changes, or a pod that it selects does.
pub fn feed(informers: &Arc<Informers>, queue: &Queue<Key>) {
    let keys = queue.clone();
    informers.services.on_change(move |delta| keys.add(Key::of(delta.object().as_ref())));
    let (keys, shared) = (queue.clone(), Arc::clone(informers));
    informers.pods.on_change(move |delta| services_of(&shared.services, delta).for_each(|key| keys.add(key)));
}

/// The Services that select a pod, or did before it changed.
fn services_of(services: &Informer<Service>, delta: &Delta<Pod>) -> impl Iterator<Item = Key> {
    let old = match delta {
        Delta::Applied { old: Some(old), .. } => old.metadata.labels.clone(),
        _ => None,
    };
    let pod = Arc::clone(delta.object());
    let services = services.index().in_namespace(pod.metadata.namespace.as_deref().unwrap_or_default());
    services.into_iter().filter_map(move |service| {
        let concerns = selects(&service, pod.metadata.labels.as_ref()) || selects(&service, old.as_ref());
        concerns.then(|| Key::of(service.as_ref()))
    })
}

fn selects(service: &Service, labels: Option<&Labels>) -> bool {
    let Some(selector) = service.spec.as_ref().and_then(|spec| spec.selector.as_ref()) else { return false };
    let Some(labels) = labels else { return false };
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_services_with_a_selector_that_are_not_another_name_have_endpoints() {
        let has = |spec| has_endpoints(&serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap());
        assert!(has(json!({"selector": {"app": "web"}})));
        assert!(!has(json!({"selector": {"app": "web"}, "type": "ExternalName"})));
        assert!(!has(json!({"type": "ClusterIP"})));
        assert!(!has(json!({"selector": {}})));
    }
}
