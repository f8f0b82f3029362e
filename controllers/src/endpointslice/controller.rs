//! Observes Services, pods and slices, and carries the plan out.

use super::plan::{self, MANAGED_BY, MANAGER, SERVICE_NAME};
use super::selection::{feed, has_endpoints, pods_of};
use crate::Context;
use crate::objects::{is_terminating, name};
use crate::trigger_time::{Tracker, stamp};
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Key, Queue};
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use std::sync::Arc;

const NAME: &str = "endpointslice-controller";
/// Services reconciled at a time (upstream: 5).
const WORKERS: usize = 5;
/// Label with the zone of a node.
const ZONE: &str = "topology.kubernetes.io/zone";

/// Starts the controller.
pub fn start(context: &Context) {
    let queue: Queue<Key> = Queue::new("endpointslice");
    feed(&context.informers, &queue);
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
    let tracker = Arc::new(Tracker::default());
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let (client, informers, tracker) = (client.clone(), informers.clone(), Arc::clone(&tracker));
        async move {
            let Some(service) = informers.services.index().get(&key) else {
                tracker.forget(&key);
                return Ok(Next::Wait);
            };
            if !has_endpoints(&service) || is_terminating(&service.metadata) {
                return Ok(Next::Wait);
            }
            let pods = pods_of(&informers.pods, &service);
            let changed = tracker.last_change(&key, &service, &pods);
            let slices: Vec<Arc<EndpointSlice>> = informers.endpoint_slices.index().in_namespace(&key.namespace);
            let slices: Vec<_> = slices.into_iter().filter(|slice| belongs(slice, &service)).collect();
            let zone = |node: &str| zone(informers.nodes.index().get(&Key::new("", node)).as_deref());
            let mut plan = plan::plan(&service, &pods, &slices, zone);
            plan.create.iter_mut().chain(&mut plan.update).for_each(|slice| stamp(&mut slice.metadata, changed));
            carry_out(&Api::namespaced(client, &key.namespace), plan).await.map(|()| Next::Wait)
        }
    });
}

fn zone(node: Option<&Node>) -> Option<String> {
    let zone = node?.metadata.labels.as_ref()?.get(ZONE)?;
    Some(zone.clone()).filter(|zone| !zone.is_empty())
}

/// Makes, changes and deletes the slices of a plan.
pub(crate) async fn carry_out(api: &Api<EndpointSlice>, plan: plan::Plan) -> Result<(), kube::Error> {
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

fn belongs(slice: &EndpointSlice, service: &Service) -> bool {
    let label = |key: &str| slice.metadata.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
    label(MANAGED_BY) == Some(MANAGER)
        && label(SERVICE_NAME) == Some(name(&service.metadata))
        && !is_terminating(&slice.metadata)
}
