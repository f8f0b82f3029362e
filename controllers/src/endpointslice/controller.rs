//! Observes Services, pods and slices, and carries the plan out.

use super::plan::{self, MANAGED_BY, MANAGER, SERVICE_NAME};
use crate::Context;
use crate::objects::{Labels, is_terminating, name};
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Delta, Key, Queue};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use std::sync::Arc;

const NAME: &str = "endpointslice-controller";
/// Services reconciled at a time (upstream: 5).
const WORKERS: usize = 5;

/// Starts the controller.
pub fn start(context: &Context) {
    let queue: Queue<Key> = Queue::new("endpointslice");
    let keys = queue.clone();
    context.informers.services.on_change(move |delta| keys.add(Key::of(delta.object().as_ref())));
    let (keys, informers) = (queue.clone(), context.informers.clone());
    context.informers.pods.on_change(move |delta| {
        let old = match delta {
            Delta::Applied { old: Some(old), .. } => old.metadata.labels.clone(),
            _ => None,
        };
        let pod = delta.object();
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        for service in informers.services.index().in_namespace(namespace) {
            if selects(&service, pod.metadata.labels.as_ref()) || selects(&service, old.as_ref()) {
                keys.add(Key::of(service.as_ref()));
            }
        }
    });
    let keys = queue.clone();
    context.informers.endpoint_slices.on_change(move |delta| {
        let meta = &delta.object().metadata;
        let label = |key: &str| meta.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
        if label(MANAGED_BY) == Some(MANAGER)
            && let Some(service) = label(SERVICE_NAME)
        {
            keys.add(Key::new(meta.namespace.clone().unwrap_or_default(), service));
        }
    });
    let (client, informers) = ((context.client_for)(NAME), context.informers.clone());
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let (client, informers) = (client.clone(), informers.clone());
        async move {
            let Some(service) = informers.services.index().get(&key) else { return Ok(Next::Wait) };
            let is_ours = service
                .spec
                .as_ref()
                .is_some_and(|spec| spec.selector.as_ref().is_some_and(|selector| !selector.is_empty()));
            if !is_ours || is_terminating(&service.metadata) {
                return Ok(Next::Wait);
            }
            let pods: Vec<Arc<Pod>> = informers.pods.index().in_namespace(&key.namespace);
            let pods: Vec<_> = pods.into_iter().filter(|pod| selects(&service, pod.metadata.labels.as_ref())).collect();
            let slices: Vec<Arc<EndpointSlice>> = informers.endpoint_slices.index().in_namespace(&key.namespace);
            let slices: Vec<_> = slices.into_iter().filter(|slice| belongs(slice, &service)).collect();
            let plan = plan::plan(&service, &pods, &slices);
            carry_out(&Api::namespaced(client, &key.namespace), plan).await.map(|()| Next::Wait)
        }
    });
}

async fn carry_out(api: &Api<EndpointSlice>, plan: plan::Plan) -> Result<(), kube::Error> {
    let parameters = PostParams::default();
    for slice in plan.create {
        match api.create(&parameters, &slice).await {
            Ok(_) => {}
            // The namespace is on its way out.
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    for slice in plan.update {
        api.replace(name(&slice.metadata), &parameters, &slice).await?;
    }
    for slice in plan.delete {
        match api.delete(&slice, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn selects(service: &Service, labels: Option<&Labels>) -> bool {
    let Some(selector) = service.spec.as_ref().and_then(|spec| spec.selector.as_ref()) else { return false };
    let Some(labels) = labels else { return false };
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn belongs(slice: &EndpointSlice, service: &Service) -> bool {
    let label = |key: &str| slice.metadata.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
    label(MANAGED_BY) == Some(MANAGER)
        && label(SERVICE_NAME) == Some(name(&service.metadata))
        && !is_terminating(&slice.metadata)
}
