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
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const NAME: &str = "endpoint-controller";
/// Services reconciled at a time (upstream: `--concurrent-endpoint-syncs`).
const WORKERS: usize = 5;

/// Until the watch is asked again for what this controller wrote itself.
const STALE_RETRY: Duration = Duration::from_millis(20);

/// What was written is not waited for longer than this: it may have gone before its writer knew that it was there.
const STALE_MAX: Duration = Duration::from_secs(10);

/// For each Service the version of its Endpoints that was last replaced, empty where there were none, and when: seen again,
/// the watch is behind this controller's own write, and another write would be refused.
#[derive(Default)]
struct Replaced(Mutex<HashMap<Key, (String, Instant)>>);

impl Replaced {
    fn is_stale(&self, key: &Key, seen: Option<&Endpoints>) -> bool {
        let replaced = self.0.lock();
        replaced.get(key).is_some_and(|(replaced, at)| replaced == version(seen) && at.elapsed() <= STALE_MAX)
    }

    fn wrote(&self, key: &Key, seen: Option<&Endpoints>, written: &Endpoints) {
        let seen = version(seen);
        // A write that changed nothing has replaced nothing.
        if seen != version(Some(written)) {
            self.0.lock().insert(key.clone(), (seen.to_owned(), Instant::now()));
        }
    }

    fn forget(&self, key: &Key) {
        self.0.lock().remove(key);
    }
}

fn version(endpoints: Option<&Endpoints>) -> &str {
    endpoints.and_then(|endpoints| endpoints.metadata.resource_version.as_deref()).unwrap_or_default()
}

/// Starts the controller.
pub fn start(context: &Context) {
    let queue: Queue<Key> = Queue::new("endpoint");
    feed(&context.informers, &queue);
    // What somebody else writes is theirs; what is gone, or was left behind by a Service that went while nobody looked,
    // is ours.
    context.informers.endpoints.index().list().iter().for_each(|endpoints| queue.add(Key::of(endpoints.as_ref())));
    let (keys, replaced) = (queue.clone(), Arc::new(Replaced::default()));
    let own = Arc::clone(&replaced);
    context.informers.endpoints.on_change(move |delta| {
        if let Delta::Deleted(endpoints) = delta {
            let key = Key::of(endpoints.as_ref());
            own.forget(&key);
            keys.add(key);
        }
    });
    let (client, recorder) = ((context.client_for)(NAME), context.recorder.named(NAME));
    let (informers, tracker) = (context.informers.clone(), Arc::new(Tracker::default()));
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let api: Api<Endpoints> = Api::namespaced(client.clone(), &key.namespace);
        let (informers, tracker, recorder) = (informers.clone(), Arc::clone(&tracker), recorder.clone());
        let replaced = Arc::clone(&replaced);
        async move {
            let Some(service) = informers.services.index().get(&key) else {
                tracker.forget(&key);
                replaced.forget(&key);
                return gone(api.delete(&key.name, &DeleteParams::default()).await.map(drop));
            };
            if !has_endpoints(&service) {
                return Ok(Next::Wait);
            }
            let existing = informers.endpoints.index().get(&key);
            if replaced.is_stale(&key, existing.as_deref()) {
                return Ok(Next::After(STALE_RETRY));
            }
            let pods = pods_of(&informers.pods, &service);
            let changed = tracker.last_change(&key, &service, &pods);
            if let Some(endpoints) = plan::plan(&service, &pods, existing.as_deref(), changed)
                && let Some(written) = write(&api, &endpoints, &recorder).await?
            {
                replaced.wrote(&key, existing.as_deref(), &written);
            }
            Ok(Next::Wait)
        }
    });
}

/// Returns what was written; `None` where the namespace is on its way out.
async fn write(
    api: &Api<Endpoints>,
    endpoints: &Endpoints,
    recorder: &Recorder,
) -> Result<Option<Endpoints>, kube::Error> {
    let meta = &endpoints.metadata;
    let (namespace, own) = (meta.namespace.as_deref().unwrap_or_default(), name(meta));
    let parameters = PostParams::default();
    let is_new = meta.resource_version.is_none();
    let written = match is_new {
        true => api.create(&parameters, endpoints).await,
        false => api.replace(own, &parameters, endpoints).await,
    };
    let error = match written {
        Ok(written) => return Ok(Some(written)),
        Err(error) if is_new && is_namespace_terminating(&error) => return Ok(None),
        Err(error) => error,
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_this_controller_replaced_is_not_replaced_again() {
        let at = |version: &str| {
            let mut endpoints = Endpoints::default();
            endpoints.metadata.resource_version = Some(version.to_owned());
            endpoints
        };
        let (replaced, key) = (Replaced::default(), Key::new("a", "web"));
        assert!(!replaced.is_stale(&key, None), "nothing was written yet");
        replaced.wrote(&key, None, &at("1"));
        assert!(replaced.is_stale(&key, None), "the watch has not shown what was made");
        assert!(!replaced.is_stale(&key, Some(&at("1"))));
        replaced.wrote(&key, Some(&at("1")), &at("2"));
        assert!(replaced.is_stale(&key, Some(&at("1"))) && !replaced.is_stale(&key, Some(&at("2"))));
        replaced.wrote(&key, Some(&at("2")), &at("2"));
        assert!(!replaced.is_stale(&key, Some(&at("2"))), "a write that changed nothing");
        replaced.wrote(&key, None, &at("3"));
        tokio::time::advance(STALE_MAX + Duration::from_secs(1)).await;
        assert!(!replaced.is_stale(&key, None), "they went before their writer knew of them");
        replaced.wrote(&key, None, &at("3"));
        replaced.forget(&key);
        assert!(!replaced.is_stale(&key, None), "somebody deleted it");
    }
}
