//! Observes Services and pods, and writes what the plan says.

use super::plan;
use crate::Context;
use crate::endpointslice::selection::{feed, has_endpoints, pods_of};
use crate::objects::{explain, name};
use crate::trigger_time::Tracker;
use controllers_runtime::events::Level;
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Delta, Key, Queue, Recorder};
use k8s_openapi::api::core::v1::Endpoints;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use std::sync::Arc;

const NAME: &str = "endpoint-controller";
/// Services reconciled at a time (upstream: `--concurrent-endpoint-syncs`).
const WORKERS: usize = 5;

/// Starts the controller.
pub fn start(context: &Context) {
    let queue: Queue<Key> = Queue::new("endpoint");
    feed(&context.informers, &queue);
    // What somebody else writes is theirs; what is gone, or was left behind by a Service that went while nobody looked,
    // is ours.
    context.informers.endpoints.index().list().iter().for_each(|endpoints| queue.add(Key::of(endpoints.as_ref())));
    let keys = queue.clone();
    context.informers.endpoints.on_change(move |delta| {
        if let Delta::Deleted(endpoints) = delta {
            keys.add(Key::of(endpoints.as_ref()));
        }
    });
    let (client, recorder) = ((context.client_for)(NAME), context.recorder.named(NAME));
    let (informers, tracker) = (context.informers.clone(), Arc::new(Tracker::default()));
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let api: Api<Endpoints> = Api::namespaced(client.clone(), &key.namespace);
        let (informers, tracker, recorder) = (informers.clone(), Arc::clone(&tracker), recorder.clone());
        async move {
            let Some(service) = informers.services.index().get(&key) else {
                tracker.forget(&key);
                return gone(api.delete(&key.name, &DeleteParams::default()).await.map(drop));
            };
            if !has_endpoints(&service) {
                return Ok(Next::Wait);
            }
            let pods = pods_of(&informers.pods, &service);
            let changed = tracker.last_change(&key, &service, &pods);
            let existing = informers.endpoints.index().get(&key);
            match plan::plan(&service, &pods, existing.as_deref(), changed) {
                Some(endpoints) => write(&api, &endpoints, &recorder).await,
                None => Ok(Next::Wait),
            }
        }
    });
}

async fn write(api: &Api<Endpoints>, endpoints: &Endpoints, recorder: &Recorder) -> Result<Next, kube::Error> {
    let meta = &endpoints.metadata;
    let (namespace, own) = (meta.namespace.as_deref().unwrap_or_default(), name(meta));
    let parameters = PostParams::default();
    let is_new = meta.resource_version.is_none();
    let written = match is_new {
        true => api.create(&parameters, endpoints).await,
        false => api.replace(own, &parameters, endpoints).await,
    };
    let Err(error) = written else { return Ok(Next::Wait) };
    if is_new && is_namespace_terminating(&error) {
        return Ok(Next::Wait);
    }
    let (reason, message) = match is_new {
        true => ("FailedToCreateEndpoint", "Failed to create endpoint for service"),
        false => ("FailedToUpdateEndpoint", "Failed to update endpoint"),
    };
    let message = format!("{message} {namespace}/{own}: {}", explain(&error));
    recorder.event(endpoints, Level::Warning, reason, message);
    Err(error)
}

fn is_namespace_terminating(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

fn gone(deleted: Result<(), kube::Error>) -> Result<Next, kube::Error> {
    match deleted {
        Ok(()) => Ok(Next::Wait),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Next::Wait),
        Err(error) => Err(error),
    }
}
