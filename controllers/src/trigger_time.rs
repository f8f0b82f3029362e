//! What a change of endpoints is told to be due to: the time at which the first of the pods and Services that changed did
//! so, for whoever measures how long programming a network takes (upstream: `EndpointsLastChangeTriggerTime`).

use crate::objects::{created, name};
use controllers_runtime::Key;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Annotation with the time, in RFC 3339.
pub(crate) const LAST_CHANGE: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// The times that were seen when each Service was last looked at. No larger than the Services and their pods: a Service
/// that is gone is forgotten.
#[derive(Default)]
pub(crate) struct Tracker(Mutex<HashMap<Key, Seen>>);

#[derive(Default)]
struct Seen {
    service: Timestamp,
    pods: HashMap<String, Timestamp>,
}

impl Tracker {
    /// The earliest change since the last call for this Service, which must not run twice at a time for one key. A
    /// Service that is seen for the first time counts from its creation.
    pub(crate) fn last_change(&self, key: &Key, service: &Service, pods: &[Arc<Pod>]) -> Option<Timestamp> {
        let now = Seen {
            service: created(&service.metadata),
            pods: pods.iter().filter_map(|pod| Some((name(&pod.metadata).to_owned(), ready_since(pod)?))).collect(),
        };
        let since = now.service;
        let mut seen = self.0.lock();
        let Some(before) = seen.get(key) else {
            seen.insert(key.clone(), now);
            return Some(since);
        };
        let changed = now.pods.iter().filter(|(name, time)| before.pods.get(*name).is_none_or(|old| *time > old));
        let service = (now.service > before.service).then_some(now.service);
        let earliest = changed.map(|(_, time)| *time).chain(service).min();
        seen.insert(key.clone(), now);
        earliest
    }

    /// Forgets a Service that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.0.lock().remove(key);
    }
}

/// Writes the time of a change into an object that is about to be sent, or takes an older one out.
pub(crate) fn stamp(meta: &mut ObjectMeta, changed: Option<Timestamp>) {
    let annotations = meta.annotations.get_or_insert_default();
    match changed {
        Some(time) => annotations.insert(LAST_CHANGE.to_owned(), time.to_string()),
        None => annotations.remove(LAST_CHANGE),
    };
    if annotations.is_empty() {
        meta.annotations = None;
    }
}

fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
    ready.last_transition_time.as_ref().map(|time| time.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, since: &str) -> Arc<Pod> {
        let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": since});
        let pod = json!({"metadata": {"name": name}, "status": {"conditions": [ready]}});
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn a_change_is_due_to_the_first_pod_that_changed_since_the_last_look() {
        let service: Service = serde_json::from_value(
            json!({"metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}),
        )
        .unwrap();
        let (tracker, key) = (Tracker::default(), Key::new("a", "web"));
        let look = |pods: &[Arc<Pod>]| tracker.last_change(&key, &service, pods).map(|time| time.to_string());
        let (early, late) = ("2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z");
        assert_eq!(look(&[pod("one", late)]).as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(look(&[pod("one", late)]), None);
        assert_eq!(look(&[pod("one", late), pod("two", early)]).as_deref(), Some(early));
        assert_eq!(look(&[pod("two", early)]), None, "one that went away says nothing");
        tracker.forget(&key);
        assert_eq!(tracker.last_change(&key, &service, &[]).unwrap().to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn an_object_sent_for_no_change_of_endpoints_says_no_time() {
        let mut meta = ObjectMeta::default();
        stamp(&mut meta, Some(Timestamp::UNIX_EPOCH));
        assert_eq!(meta.annotations.as_ref().unwrap()[LAST_CHANGE], "1970-01-01T00:00:00Z");
        stamp(&mut meta, None);
        assert_eq!(meta.annotations, None);
    }
}
