//! What a watch delivers. One item is shared by all watchers it goes to, and so are its bytes on the wire.

use crate::error::StorageError;
use crate::resource::Resource;
use crate::stored::{EncodingKey, Encodings, Stored};
use api_machinery::gvk::GroupResource;
use api_machinery::status::Status;
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::{Arc, OnceLock};

/// Annotation of the bookmark that ends the initial events of a watch with `sendInitialEvents`.
pub const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Kind of a watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The object exists, or begins to match.
    Added,
    /// The object has changed and still matches.
    Modified,
    /// The object is gone, or matches no longer.
    Deleted,
    /// Everything up to this revision has been delivered.
    Bookmark,
    /// The watch is over, and the status says why.
    Error,
}

impl EventKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
            Self::Error => "ERROR",
        }
    }
}

/// One event of a watch.
pub struct WatchItem {
    kind: EventKind,
    revision: i64,
    payload: Payload,
    wire: OnceLock<Bytes>,
    encodings: Encodings,
}

enum Payload {
    Object(Arc<Stored>),
    Bookmark { resource: Arc<Resource>, initial_events_end: bool },
    Error(Box<Status>),
}

impl WatchItem {
    pub(crate) fn object_event(kind: EventKind, object: Arc<Stored>) -> Arc<Self> {
        Self::new(kind, object.resource_version(), Payload::Object(object))
    }

    pub(crate) fn bookmark(resource: &Arc<Resource>, revision: i64, initial_events_end: bool) -> Arc<Self> {
        let resource = Arc::clone(resource);
        Self::new(EventKind::Bookmark, revision, Payload::Bookmark { resource, initial_events_end })
    }

    pub(crate) fn error(error: &StorageError, resource: &Resource) -> Arc<Self> {
        let resource = GroupResource { group: &resource.group, resource: &resource.resource };
        Self::new(EventKind::Error, 0, Payload::Error(Box::new(error.status(resource, ""))))
    }

    fn new(kind: EventKind, revision: i64, payload: Payload) -> Arc<Self> {
        Arc::new(Self { kind, revision, payload, wire: OnceLock::new(), encodings: Encodings::default() })
    }

    /// Kind of the event.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// Revision of the event, and of the object in it; 0 for an error.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The object of an ADDED, MODIFIED or DELETED event.
    pub fn object(&self) -> Option<&Arc<Stored>> {
        match &self.payload {
            Payload::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The status of an ERROR event.
    pub fn status(&self) -> Option<&Status> {
        match &self.payload {
            Payload::Error(status) => Some(status),
            _ => None,
        }
    }

    /// Whether this is the bookmark that ends the initial events.
    pub fn is_initial_events_end(&self) -> bool {
        matches!(self.payload, Payload::Bookmark { initial_events_end: true, .. })
    }

    /// The event as one line of JSON, encoded by the first who asks.
    pub fn wire(&self) -> Bytes {
        self.wire.get_or_init(|| self.encode_wire()).clone()
    }

    /// A derived frame, such as a Table event: made by the first who asks, shared by all who follow.
    pub fn encoded(&self, key: EncodingKey, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encodings.get_or_make(key, || make(self))
    }

    fn encode_wire(&self) -> Bytes {
        let body_bytes = self.object().map_or(256, |object| object.json_bytes_max());
        let mut out = BytesMut::with_capacity(body_bytes + 40);
        out.put_slice(b"{\"type\":\"");
        out.put_slice(self.kind.as_str().as_bytes());
        out.put_slice(b"\",\"object\":");
        match &self.payload {
            Payload::Object(object) => object.write_json(&mut out),
            Payload::Error(status) => out.put_slice(&status.to_json()),
            Payload::Bookmark { resource, initial_events_end } => {
                put_bookmark(&mut out, resource, self.revision, *initial_events_end);
            }
        }
        out.put_slice(b"}\n");
        out.freeze()
    }
}

impl std::fmt::Debug for WatchItem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.object() {
            Some(object) => write!(formatter, "{} {object:?}", self.kind.as_str()),
            None => write!(formatter, "{} @{}", self.kind.as_str(), self.revision),
        }
    }
}

fn put_bookmark(out: &mut BytesMut, resource: &Resource, revision: i64, initial_events_end: bool) {
    let mut metadata = serde_json::json!({ "resourceVersion": revision.to_string() });
    if initial_events_end {
        metadata["annotations"] = serde_json::json!({ INITIAL_EVENTS_END: "true" });
    }
    let object = serde_json::json!({
        "kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata,
    });
    out.put_slice(object.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookmark_names_the_kind_and_the_revision() {
        let resource = Arc::new(Resource::new("apps", "v1", "deployments", "Deployment", true));
        assert_eq!(
            WatchItem::bookmark(&resource, 7, true).wire(),
            "{\"type\":\"BOOKMARK\",\"object\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":\
             {\"annotations\":{\"k8s.io/initial-events-end\":\"true\"},\"resourceVersion\":\"7\"}}}\n"
        );
    }

    #[test]
    fn an_error_event_carries_the_status() {
        let resource = Resource::new("", "v1", "pods", "Pod", true);
        let item = WatchItem::error(&StorageError::WatchExpired { requested: 1, oldest: 5 }, &resource);
        let wire: serde_json::Value = serde_json::from_slice(&item.wire()).unwrap();
        assert_eq!(wire["type"], "ERROR");
        assert_eq!(wire["object"]["code"], 410);
        assert_eq!(wire["object"]["reason"], "Expired");
        assert_eq!(wire["object"]["message"], "too old resource version: 1 (5)");
    }
}
