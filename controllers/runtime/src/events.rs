//! Events about objects (core/v1), repeated ones counted instead of posted again (upstream: client-go `tools/record`).

use crate::metrics;
use daemon::{OnError, Supervisor, TaskKind};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde_json::json;
use std::collections::HashMap;
use std::convert::Infallible;
use tokio::sync::mpsc;

const RECORDER: TaskKind = TaskKind { name: "event recorder", on_error: OnError::Log };
/// Events that wait to be posted; further ones are dropped and counted (upstream: 1,000).
const QUEUE_EVENTS_MAX: usize = 1000;
/// Events whose repetitions are counted; then the memory starts anew (upstream: 4,096).
const REMEMBERED_EVENTS_MAX: usize = 4096;

/// How serious an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// For information.
    Normal,
    /// Something did not work.
    Warning,
}

/// Posts events in the background; never blocks, never fails the caller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    component: &'static str,
    queue: mpsc::Sender<Note>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Note {
    component: &'static str,
    level: Level,
    reason: String,
    message: String,
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
    uid: String,
}

impl Recorder {
    /// Starts the task that posts; `component` becomes the events' source.
    pub fn start(client: Client, component: &'static str, supervisor: &Supervisor) -> Self {
        let (queue, notes) = mpsc::channel(QUEUE_EVENTS_MAX);
        let token = supervisor.token().clone();
        supervisor.spawn(RECORDER, async move {
            tokio::select! {
                () = token.cancelled() => {}
                () = post_all(client, notes) => {}
            }
            Ok::<(), Infallible>(())
        });
        Self { component, queue }
    }

    /// The same queue under the name of another component.
    pub fn named(&self, component: &'static str) -> Self {
        Self { component, queue: self.queue.clone() }
    }

    /// Posts an event about an object.
    pub fn event<K>(&self, object: &K, level: Level, reason: &str, message: impl Into<String>)
    where
        K: Resource<DynamicType = ()>,
    {
        let meta = object.meta();
        let note = Note {
            component: self.component,
            level,
            reason: reason.to_owned(),
            message: message.into(),
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
        };
        if self.queue.try_send(note).is_err() {
            metrics::events_dropped().inc();
        }
    }
}

struct Posted {
    name: String,
    count: i32,
}

async fn post_all(client: Client, mut notes: mpsc::Receiver<Note>) {
    let mut posted: HashMap<Note, Posted> = HashMap::new();
    while let Some(note) = notes.recv().await {
        if posted.len() >= REMEMBERED_EVENTS_MAX {
            posted.clear();
        }
        // Events of cluster-scoped objects live in `default`.
        let namespace = if note.namespace.is_empty() { "default" } else { &note.namespace };
        let events: Api<Event> = Api::namespaced(client.clone(), namespace);
        let now = Timestamp::now();
        if let Some(earlier) = posted.get_mut(&note) {
            earlier.count += 1;
            let patch = json!({ "count": earlier.count, "lastTimestamp": Time(now) });
            match events.patch(&earlier.name, &PatchParams::default(), &Patch::Merge(patch)).await {
                Ok(_) => continue,
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => {
                    tracing::debug!(%error, "an event could not be counted");
                    continue;
                }
            }
        }
        let event = render(&note, namespace, now);
        let name = event.metadata.name.clone().unwrap_or_default();
        match events.create(&PostParams::default(), &event).await {
            Ok(_) => {
                posted.insert(note, Posted { name, count: 1 });
            }
            Err(error) => tracing::debug!(%error, "an event could not be posted"),
        }
    }
}

fn render(note: &Note, namespace: &str, now: Timestamp) -> Event {
    // The name that client-go gives: object name and the time in hexadecimal nanoseconds.
    let name = format!("{}.{:x}", note.name, now.as_nanosecond());
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: Some(namespace.to_owned()), ..ObjectMeta::default() },
        involved_object: ObjectReference {
            api_version: Some(note.api_version.clone()),
            kind: Some(note.kind.clone()),
            namespace: Some(note.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            name: Some(note.name.clone()),
            uid: Some(note.uid.clone()),
            ..ObjectReference::default()
        },
        reason: Some(note.reason.clone()),
        message: Some(note.message.clone()),
        type_: Some(match note.level {
            Level::Normal => "Normal".to_owned(),
            Level::Warning => "Warning".to_owned(),
        }),
        source: Some(EventSource { component: Some(note.component.to_owned()), host: None }),
        reporting_component: Some(note.component.to_owned()),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_its_object_and_its_source() {
        let note = Note {
            component: "deployment-controller",
            level: Level::Normal,
            reason: "ScalingReplicaSet".into(),
            message: "Scaled up replica set web-1 from 0 to 2".into(),
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            namespace: "a".into(),
            name: "web".into(),
            uid: "u".into(),
        };
        let event = render(&note, "a", Timestamp::UNIX_EPOCH);
        assert_eq!(event.metadata.name.as_deref(), Some("web.0"));
        assert_eq!(event.source.unwrap().component.as_deref(), Some("deployment-controller"));
        assert_eq!((event.type_.as_deref(), event.count), (Some("Normal"), Some(1)));
    }
}
