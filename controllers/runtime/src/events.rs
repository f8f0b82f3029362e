//! Events about objects (core/v1), repeated ones counted instead of posted again (upstream: client-go `tools/record`, and
//! `tools/events` for those that say what was done).

mod correlate;

use crate::metrics;
use correlate::{Correlator, Decision};
use daemon::{OnError, Supervisor, TaskKind};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSeries, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde_json::json;
use std::convert::Infallible;
use tokio::sync::mpsc;

const RECORDER: TaskKind = TaskKind { name: "event recorder", on_error: OnError::Log };
/// Events that wait to be posted; further ones are dropped and counted (upstream: 1,000).
const QUEUE_EVENTS_MAX: usize = 1000;
/// Events that are being posted at a time; the next waits for one of them.
const POSTS_IN_FLIGHT_MAX: usize = 16;
/// Longest message of an event of the newer form, in bytes; longer ones are cut (upstream: 1,024).
const ACTION_MESSAGE_BYTES_MAX: usize = 1024;
/// Where the kernel says what this host is called.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

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

#[derive(Clone, Debug, PartialEq)]
struct Note {
    component: &'static str,
    level: Level,
    reason: String,
    message: String,
    object: ObjectReference,
    /// What was done; only events of the newer form say.
    action: Option<&'static str>,
    /// It stands for several, and names no reporter.
    is_combined: bool,
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
        self.post(object, level, reason, None, message.into());
    }

    /// Posts an event of the newer form: it says what was done, or tried, and by which instance.
    pub fn action<K>(&self, object: &K, level: Level, reason: &str, action: &'static str, message: impl Into<String>)
    where
        K: Resource<DynamicType = ()>,
    {
        self.post(object, level, reason, Some(action), cut(message.into()));
    }

    /// Posts an event about an object of any kind, told by its reference.
    pub fn event_about(&self, object: ObjectReference, level: Level, reason: &str, message: impl Into<String>) {
        self.send(object, level, reason, None, message.into());
    }

    fn post<K>(&self, object: &K, level: Level, reason: &str, action: Option<&'static str>, message: String)
    where
        K: Resource<DynamicType = ()>,
    {
        let meta = object.meta();
        let object = ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            namespace: meta.namespace.clone().filter(|namespace| !namespace.is_empty()),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            field_path: None,
        };
        self.send(object, level, reason, action, message);
    }

    fn send(&self, object: ObjectReference, level: Level, reason: &str, action: Option<&'static str>, message: String) {
        let note = Note {
            component: self.component,
            level,
            reason: reason.to_owned(),
            message,
            object,
            action,
            is_combined: false,
        };
        if self.queue.try_send(note).is_err() {
            metrics::events_dropped().inc();
        }
    }
}

/// A message that is too long ends in dots, as upstream's does.
fn cut(mut message: String) -> String {
    const DOTS: &str = " ...";
    if message.len() > ACTION_MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(ACTION_MESSAGE_BYTES_MAX - DOTS.len()));
        message.push_str(DOTS);
    }
    message
}

async fn post_all(client: Client, notes: mpsc::Receiver<Note>) {
    let host = tokio::fs::read_to_string(HOST_NAME).await.unwrap_or_default();
    let mut correlator = Correlator::default();
    let begin = |mut note: Note| {
        let now = Timestamp::now();
        // The name that client-go gives: object name and the time in hexadecimal nanoseconds.
        let name = format!("{}.{:x}", note.object.name.as_deref().unwrap_or_default(), now.as_nanosecond());
        let decision = correlator.decide(&mut note, &name, now);
        let order = match decision {
            Decision::Create => Order::Any,
            // What is counted up must be there first.
            Decision::Repeat(..) => Order::AfterAll,
            Decision::Drop => return None,
        };
        let event = render(&note, name, host.trim_end(), now);
        Some((order, post(&client, event, decision, now)))
    };
    carry_out(notes, begin).await;
}

/// What must have happened before a post begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Nothing.
    Any,
    /// All that began before.
    AfterAll,
}

/// Begins what each note asks for, several at a time, and sees it through whether or not further notes come.
async fn carry_out<T, P: Future<Output = ()>>(
    mut notes: mpsc::Receiver<T>,
    mut begin: impl FnMut(T) -> Option<(Order, P)>,
) {
    let mut posts = FuturesUnordered::new();
    loop {
        let note = tokio::select! {
            Some(()) = posts.next(), if !posts.is_empty() => continue,
            note = notes.recv() => note,
        };
        let Some(note) = note else { break };
        let Some((order, post)) = begin(note) else { continue };
        let in_flight_max = if order == Order::Any { POSTS_IN_FLIGHT_MAX - 1 } else { 0 };
        while posts.len() > in_flight_max {
            posts.next().await;
        }
        posts.push(post);
    }
    while posts.next().await.is_some() {}
}

async fn post(client: &Client, mut event: Event, decision: Decision, now: Timestamp) {
    let events: Api<Event> = Api::namespaced(client.clone(), event.metadata.namespace.as_deref().unwrap_or_default());
    if let Decision::Repeat(name, count) = decision {
        let patch = if event.event_time.is_some() {
            event.series = Some(EventSeries { count: Some(count), last_observed_time: Some(MicroTime(now)) });
            json!({ "series": event.series })
        } else {
            event.count = Some(count);
            json!({ "count": count, "lastTimestamp": Time(now), "message": event.message })
        };
        match events.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => return,
            // It was there and has expired.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return tracing::debug!(%error, "an event could not be counted"),
        }
    }
    if let Err(error) = events.create(&PostParams::default(), &event).await {
        tracing::debug!(%error, "an event could not be posted");
    }
}

fn render(note: &Note, name: String, host: &str, now: Timestamp) -> Event {
    // Events of cluster-scoped objects live in `default`.
    let namespace = note.object.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let event = Event {
        metadata: ObjectMeta { name: Some(name), namespace: Some(namespace), ..ObjectMeta::default() },
        involved_object: note.object.clone(),
        reason: Some(note.reason.clone()),
        message: Some(note.message.clone()),
        type_: Some(match note.level {
            Level::Normal => "Normal".to_owned(),
            Level::Warning => "Warning".to_owned(),
        }),
        reporting_component: (!note.is_combined).then(|| note.component.to_owned()),
        ..Event::default()
    };
    match note.action {
        Some(action) => Event {
            action: Some(action.to_owned()),
            event_time: Some(MicroTime(now)),
            reporting_instance: Some(format!("{}-{host}", note.component)),
            ..event
        },
        None => Event {
            source: Some(EventSource { component: Some(note.component.to_owned()), host: None }),
            first_timestamp: Some(Time(now)),
            last_timestamp: Some(Time(now)),
            count: Some(1),
            ..event
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(action: Option<&'static str>) -> Note {
        Note {
            component: "deployment-controller",
            level: Level::Normal,
            reason: "ScalingReplicaSet".into(),
            message: "Scaled up replica set web-1 from 0 to 2".into(),
            object: ObjectReference { namespace: Some("a".into()), ..ObjectReference::default() },
            action,
            is_combined: false,
        }
    }

    #[test]
    fn an_event_names_its_object_and_its_source() {
        let event = render(&note(None), "web.0".to_owned(), "host", Timestamp::UNIX_EPOCH);
        assert_eq!((event.metadata.namespace.as_deref(), &event.involved_object), (Some("a"), &note(None).object));
        assert_eq!(event.source.unwrap().component.as_deref(), Some("deployment-controller"));
        assert_eq!((event.type_.as_deref(), event.count), (Some("Normal"), Some(1)));
    }

    #[tokio::test]
    async fn a_post_is_carried_out_though_nothing_follows() {
        let (queue, notes) = mpsc::channel(1);
        let (done, posted) = tokio::sync::oneshot::channel();
        queue.send(done).await.unwrap();
        let begin = |done: tokio::sync::oneshot::Sender<()>| {
            Some((Order::Any, async move {
                tokio::task::yield_now().await;
                done.send(()).unwrap();
            }))
        };
        let turns = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = carry_out(notes, begin) => panic!("the queue is open"),
            outcome = posted => outcome.unwrap(),
            () = turns => panic!("nothing was posted"),
        }
    }

    #[tokio::test]
    async fn what_counts_up_waits_for_what_is_being_posted() {
        let (queue, notes) = mpsc::channel(2);
        queue.send((Order::Any, "create", 5)).await.unwrap();
        queue.send((Order::AfterAll, "count", 0)).await.unwrap();
        drop(queue);
        let log = parking_lot::Mutex::new(Vec::new());
        let begin = |(order, what, turns): (Order, &'static str, usize)| {
            let log = &log;
            Some((order, async move {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                log.lock().push(what);
            }))
        };
        carry_out(notes, begin).await;
        assert_eq!(*log.lock(), ["create", "count"]);
    }

    #[test]
    fn a_message_that_is_too_long_is_cut() {
        assert_eq!(cut("x".repeat(1024)), "x".repeat(1024));
        assert_eq!(cut("x".repeat(1025)), format!("{} ...", "x".repeat(1020)));
        assert_eq!(cut("ä".repeat(1025)), format!("{} ...", "ä".repeat(510)));
    }

    #[test]
    fn an_event_that_says_what_was_done_has_the_newer_form() {
        let event = render(&note(Some("Binding")), "web.0".to_owned(), "host", Timestamp::UNIX_EPOCH);
        assert_eq!(event.action.as_deref(), Some("Binding"));
        assert_eq!(event.reporting_instance.as_deref(), Some("deployment-controller-host"));
        assert_eq!((event.source, event.count, event.first_timestamp), (None, None, None));
        assert!(event.event_time.is_some());
    }
}
