//! Events about pods and the node, posted in the background under the source `kubelet`.

mod correlate;

use correlate::{Correlator, Decision};
use daemon::{OnError, Supervisor, TaskKind};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use std::convert::Infallible;
use tokio::sync::mpsc;

const RECORDER: TaskKind = TaskKind { name: "node events", on_error: OnError::Log };
/// Events that wait to be posted; further ones are dropped, the pods' status tells the same.
const QUEUE_EVENTS_MAX: usize = 256;
const COMPONENT: &str = "kubelet";

/// Posts events; never blocks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    host: String,
    queue: mpsc::Sender<Event>,
}

impl Recorder {
    /// Starts the task that posts.
    pub fn start(client: Client, host: &str, supervisor: &Supervisor) -> Self {
        let (queue, mut events) = mpsc::channel::<Event>(QUEUE_EVENTS_MAX);
        let token = supervisor.token().clone();
        supervisor.spawn(RECORDER, async move {
            let mut correlator = Correlator::default();
            loop {
                let mut event = tokio::select! {
                    () = token.cancelled() => break,
                    event = events.recv() => match event { Some(event) => event, None => break },
                };
                let decision = correlator.decide(&mut event, Timestamp::now());
                if let Err(error) = post(&client, event, decision).await {
                    tracing::debug!(%error, "an event could not be posted");
                }
            }
            Ok::<(), Infallible>(())
        });
        Self { host: host.to_owned(), queue }
    }

    /// Posts an event about a pod, or about one of its containers.
    pub fn pod(&self, pod: &Pod, container: Option<&str>, is_warning: bool, reason: &str, message: String) {
        let meta = &pod.metadata;
        let object = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            field_path: container.map(|container| field_path(pod, container)),
        };
        self.send(object, is_warning, reason, message);
    }

    /// Posts an event about the node. As upstream's, it names the node where others name a uid.
    pub fn node(&self, reason: &str, message: String) {
        let object = ObjectReference {
            kind: Some("Node".to_owned()),
            name: Some(self.host.clone()),
            uid: Some(self.host.clone()),
            ..ObjectReference::default()
        };
        self.send(object, false, reason, message);
    }

    fn send(&self, object: ObjectReference, is_warning: bool, reason: &str, message: String) {
        let now = Timestamp::now();
        let name = format!("{}.{:x}", object.name.as_deref().unwrap_or_default(), now.as_nanosecond());
        // What has no namespace is told of in this one.
        let namespace = object.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let event = Event {
            metadata: ObjectMeta { name: Some(name), namespace: Some(namespace), ..ObjectMeta::default() },
            involved_object: object,
            reason: Some(reason.to_owned()),
            message: Some(message),
            type_: Some(if is_warning { "Warning" } else { "Normal" }.to_owned()),
            source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: Some(self.host.clone()) }),
            reporting_component: Some(COMPONENT.to_owned()),
            reporting_instance: Some(self.host.clone()),
            first_timestamp: Some(Time(now)),
            last_timestamp: Some(Time(now)),
            count: Some(1),
            ..Event::default()
        };
        if self.queue.try_send(event).is_err() {
            tracing::debug!(reason, "an event was dropped: the queue is full");
        }
    }
}

async fn post(client: &Client, mut event: Event, decision: Decision) -> Result<(), kube::Error> {
    let api: Api<Event> = Api::namespaced(client.clone(), event.metadata.namespace.as_deref().unwrap_or_default());
    match decision {
        Decision::Drop => return Ok(()),
        Decision::Create => {}
        Decision::Repeat(name, count) => {
            let patch = json!({ "count": count, "lastTimestamp": event.last_timestamp, "message": event.message });
            let patch = Patch::Merge(patch);
            match api.patch(&name, &PatchParams::default(), &patch).await {
                // It was there and has expired.
                Err(kube::Error::Api(status)) if status.code == 404 => event.count = Some(count),
                outcome => return outcome.map(drop),
            }
        }
    }
    api.create(&PostParams::default(), &event).await.map(drop)
}

fn field_path(pod: &Pod, container: &str) -> String {
    let mut init = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    let list = if init.any(|one| one.name == container) { "initContainers" } else { "containers" };
    format!("spec.{list}{{{container}}}")
}
