//! Observes Services, pods and slices, and carries the plan out.

use super::plan::{self, MANAGED_BY, MANAGER, SERVICE_NAME};
use super::selection::{feed, has_endpoints, pods_of};
use crate::Context;
use crate::objects::{is_terminating, name, uid};
use crate::trigger_time::{Tracker, stamp};
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Delta, Key, Queue};
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const NAME: &str = "endpointslice-controller";
/// Services reconciled at a time (upstream: 5).
const WORKERS: usize = 5;
/// Label with the zone of a node.
const ZONE: &str = "topology.kubernetes.io/zone";
/// Until a Service is looked at again whose slices the watch shows as they were before this controller's own writes; the
/// watch mostly brings it back sooner.
const STALE_RETRY: Duration = Duration::from_secs(1);

/// What was written is not waited for longer than this: it may have gone before its writer knew that it was there.
const STALE_MAX: Duration = Duration::from_secs(10);

/// The generation of each slice of a Service as this controller wrote it last, and when, by uid.
type Slices = HashMap<String, (i64, Instant)>;

/// What this controller wrote, by Service. Until the watch shows as much, another look would do the same work again, and
/// make slices twice.
#[derive(Default)]
struct Written(Mutex<HashMap<Key, Slices>>);

impl Written {
    fn is_seen(&self, service: &Key, slices: &[Arc<EndpointSlice>]) -> bool {
        let written = self.0.lock();
        let seen: HashMap<&str, i64> =
            slices.iter().map(|slice| (uid(&slice.metadata), slice.metadata.generation.unwrap_or(0))).collect();
        let mut written = written.get(service).into_iter().flatten();
        written.all(|(uid, (generation, at))| {
            at.elapsed() > STALE_MAX || seen.get(uid.as_str()).is_some_and(|seen| seen >= generation)
        })
    }

    fn wrote(&self, service: &Key, slice: &EndpointSlice) {
        let (uid, generation) = (uid(&slice.metadata).to_owned(), slice.metadata.generation.unwrap_or(0));
        self.0.lock().entry(service.clone()).or_default().insert(uid, (generation, Instant::now()));
    }

    /// The watch shows that a slice is gone.
    fn gone(&self, service: &Key, uid: &str) {
        if let Some(slices) = self.0.lock().get_mut(service) {
            slices.remove(uid);
        }
    }

    fn forget(&self, service: &Key) {
        self.0.lock().remove(service);
    }
}

/// Starts the controller.
pub fn start(context: &Context) {
    let queue: Queue<Key> = Queue::new("endpointslice");
    feed(&context.informers, &queue);
    let (keys, written) = (queue.clone(), Arc::new(Written::default()));
    let own = Arc::clone(&written);
    context.informers.endpoint_slices.on_change(move |delta| {
        let meta = &delta.object().metadata;
        let label = |key: &str| meta.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
        if label(MANAGED_BY) == Some(MANAGER)
            && let Some(service) = label(SERVICE_NAME)
        {
            let key = Key::new(meta.namespace.clone().unwrap_or_default(), service);
            if matches!(delta, Delta::Deleted(_)) {
                own.gone(&key, uid(meta));
            }
            keys.add(key);
        }
    });
    let (client, informers) = ((context.client_for)(NAME), context.informers.clone());
    let tracker = Arc::new(Tracker::default());
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let (client, informers, tracker) = (client.clone(), informers.clone(), Arc::clone(&tracker));
        let written = Arc::clone(&written);
        async move {
            let Some(service) = informers.services.index().get(&key) else {
                tracker.forget(&key);
                written.forget(&key);
                return Ok(Next::Wait);
            };
            if !has_endpoints(&service) || is_terminating(&service.metadata) {
                return Ok(Next::Wait);
            }
            let slices: Vec<Arc<EndpointSlice>> = informers.endpoint_slices.index().in_namespace(&key.namespace);
            if !written.is_seen(&key, &slices) {
                return Ok(Next::After(STALE_RETRY));
            }
            let pods = pods_of(&informers.pods, &service);
            let changed = tracker.last_change(&key, &service, &pods);
            let slices: Vec<_> = slices.into_iter().filter(|slice| belongs(slice, &service)).collect();
            let zone = |node: &str| zone(informers.nodes.index().get(&Key::new("", node)).as_deref());
            let mut plan = plan::plan(&service, &pods, &slices, zone);
            plan.create.iter_mut().chain(&mut plan.update).for_each(|slice| stamp(&mut slice.metadata, changed));
            let wrote = |slice: &EndpointSlice| written.wrote(&key, slice);
            carry_out(&Api::namespaced(client, &key.namespace), plan, wrote).await.map(|()| Next::Wait)
        }
    });
}

fn zone(node: Option<&Node>) -> Option<String> {
    let zone = node?.metadata.labels.as_ref()?.get(ZONE)?;
    Some(zone.clone()).filter(|zone| !zone.is_empty())
}

/// Makes, changes and deletes the slices of a plan; tells what it wrote.
pub(crate) async fn carry_out(
    api: &Api<EndpointSlice>,
    plan: plan::Plan,
    wrote: impl Fn(&EndpointSlice),
) -> Result<(), kube::Error> {
    let parameters = PostParams::default();
    for slice in plan.create {
        match api.create(&parameters, &slice).await {
            Ok(made) => wrote(&made),
            // The namespace is on its way out.
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    for slice in plan.update {
        wrote(&api.replace(name(&slice.metadata), &parameters, &slice).await?);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(uid: &str, generation: i64) -> Arc<EndpointSlice> {
        let mut slice = EndpointSlice::default();
        slice.metadata.uid = Some(uid.to_owned());
        slice.metadata.generation = Some(generation);
        Arc::new(slice)
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_waits_until_the_watch_shows_what_was_written_for_it() {
        let (written, key) = (Written::default(), Key::new("a", "web"));
        assert!(written.is_seen(&key, &[]));
        written.wrote(&key, &slice("one", 1));
        assert!(!written.is_seen(&key, &[]) && written.is_seen(&key, &[slice("one", 1)]));
        written.wrote(&key, &slice("one", 2));
        assert!(!written.is_seen(&key, &[slice("one", 1)]));
        assert!(written.is_seen(&key, &[slice("one", 3), slice("other", 1)]), "others write as well");
        assert!(written.is_seen(&Key::new("a", "db"), &[]), "of another Service");
        written.gone(&key, "one");
        assert!(written.is_seen(&key, &[]));
        written.wrote(&key, &slice("two", 1));
        tokio::time::advance(STALE_MAX + Duration::from_secs(1)).await;
        assert!(written.is_seen(&key, &[]), "it went before its writer knew of it");
        written.wrote(&key, &slice("two", 1));
        written.forget(&key);
        assert!(written.is_seen(&key, &[]));
    }
}
