//! Empties a namespace that is being deleted, then lets it go (upstream: `pkg/controller/namespace`).
//!
//! What there is to delete is asked of discovery, so that kinds added later are emptied too. Pods go first: what they
//! still use must not be taken away under them.

mod empty;
pub mod plan;

use crate::Context;
use crate::objects::is_terminating;
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Key, Queue};
use k8s_openapi::api::core::v1::NamespaceSpec;
use std::time::Duration;

const NAME: &str = "namespace-controller";
/// Namespaces reconciled at a time (upstream: 10).
const WORKERS: usize = 10;
/// Before a namespace that is not empty yet is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Starts the controller.
pub fn start(context: &Context) {
    let queue = Queue::new("namespace");
    let keys = queue.clone();
    context.informers.namespaces.on_change(move |delta| {
        if is_terminating(&delta.object().metadata) {
            keys.add(Key::of(delta.object().as_ref()));
        }
    });
    let (client, informers) = ((context.client_for)(NAME), context.informers.clone());
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let (client, informers) = (client.clone(), informers.clone());
        async move {
            let Some(namespace) = informers.namespaces.index().get(&key) else { return Ok(Next::Wait) };
            if !is_terminating(&namespace.metadata) {
                return Ok(Next::Wait);
            }
            // One without our finalizer goes as soon as the others' are gone.
            if !namespace.spec.as_ref().is_some_and(has_our_finalizer) {
                return Ok(Next::Wait);
            }
            let findings = empty::empty(&client, &key.name).await;
            empty::tell(&client, &namespace, &findings).await?;
            match findings.is_empty() {
                true => empty::finalize(&client, &key.name).await.map(|()| Next::Wait),
                false => Ok(Next::After(LOOK_AGAIN)),
            }
        }
    });
}

fn has_our_finalizer(spec: &NamespaceSpec) -> bool {
    spec.finalizers.iter().flatten().any(|finalizer| finalizer == empty::FINALIZER)
}
