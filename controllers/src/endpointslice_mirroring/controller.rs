//! Observes Endpoints, Services and slices, and carries the plan out.

use super::plan::{self, ADDRESSES_MAX, MANAGER};
use crate::Context;
use crate::endpointslice::carry_out;
use crate::endpointslice::plan::{MANAGED_BY, Plan, SERVICE_NAME};
use crate::objects::name;
use controllers_runtime::events::Level;
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Key, Queue, Recorder};
use k8s_openapi::api::core::v1::Endpoints;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use std::sync::Arc;

const NAME: &str = "endpointslicemirroring-controller";
/// Endpoints reconciled at a time (upstream: `--mirroring-concurrent-service-endpoint-syncs`).
const WORKERS: usize = 5;

/// Starts the controller. Service and Endpoints have one name, which is the key.
pub fn start(context: &Context) {
    let queue: Queue<Key> = Queue::new("endpointslicemirroring");
    let keys = queue.clone();
    context.informers.services.on_change(move |delta| keys.add(Key::of(delta.object().as_ref())));
    let keys = queue.clone();
    context.informers.endpoints.on_change(move |delta| keys.add(Key::of(delta.object().as_ref())));
    let keys = queue.clone();
    context.informers.endpoint_slices.on_change(move |delta| {
        if let Some(key) = mirrored(&delta.object().metadata) {
            keys.add(key);
        }
    });
    let (client, recorder) = ((context.client_for)(NAME), context.recorder.named(NAME));
    let informers = Arc::clone(&context.informers);
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let api: Api<EndpointSlice> = Api::namespaced(client.clone(), &key.namespace);
        let (informers, recorder) = (Arc::clone(&informers), recorder.clone());
        async move {
            let slices = informers.endpoint_slices.index().in_namespace(&key.namespace);
            let slices: Vec<_> =
                slices.into_iter().filter(|slice| mirrored(&slice.metadata).as_ref() == Some(&key)).collect();
            let service = informers.services.index().get(&key);
            let endpoints = informers.endpoints.index().get(&key);
            let plan = match service.zip(endpoints) {
                Some((service, endpoints)) if plan::is_mirrored(&service, &endpoints) => {
                    let mirror = plan::mirror(&endpoints, &slices);
                    tell(&recorder, &endpoints, &mirror);
                    mirror.plan
                }
                _ => {
                    let delete = slices.iter().map(|slice| name(&slice.metadata).to_owned()).collect();
                    Plan { delete, ..Plan::default() }
                }
            };
            carry_out(&api, plan, |_| {}).await.map(|()| Next::Wait)
        }
    });
}

/// The Endpoints that a slice mirrors, if it is one of ours.
fn mirrored(slice: &ObjectMeta) -> Option<Key> {
    let label = |key: &str| slice.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
    let service = label(SERVICE_NAME).filter(|_| label(MANAGED_BY) == Some(MANAGER))?;
    Some(Key::new(slice.namespace.clone().unwrap_or_default(), service))
}

fn tell(recorder: &Recorder, endpoints: &Endpoints, mirror: &plan::Mirror) {
    let (invalid, too_many) = (mirror.invalid, mirror.too_many);
    if invalid > 0 {
        let message = format!("Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices");
        recorder.event(endpoints, Level::Warning, "InvalidIPAddress", message);
    }
    if too_many > 0 {
        let skipped = invalid + too_many;
        let message = format!(
            "A max of {ADDRESSES_MAX} addresses can be mirrored to EndpointSlices per Endpoints subset. {skipped} addresses were skipped"
        );
        recorder.event(endpoints, Level::Warning, "TooManyAddressesToMirror", message);
    }
}
