//! What callers hand over and get back.

use crate::predicate::Predicate;
use crate::stored::Stored;
use serde_json::Value;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

/// Selectable fields of an object besides `metadata.name` and `metadata.namespace`, extracted by the registry.
pub type Fields = SmallVec<[(&'static str, String); 3]>;

/// What a create stores.
#[derive(Clone, Debug)]
pub struct NewObject<'a> {
    /// The whole object; `metadata.resourceVersion` is ignored.
    pub value: &'a Value,
    /// Selectable fields of it.
    pub fields: Fields,
}

/// How fresh a get has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReadRevision {
    /// `resourceVersion` unset: everything acknowledged before the request is seen.
    #[default]
    Consistent,
    /// `resourceVersion=0`: whatever is at hand.
    Any,
    /// At least this revision; waits for it up to 3 s.
    NotOlderThan(i64),
}

/// Which state a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ListRevision {
    /// `resourceVersion` unset: everything acknowledged before the request is seen.
    #[default]
    Consistent,
    /// `resourceVersion=0`: whatever is at hand.
    Any,
    /// At least this revision; waits for it up to 3 s.
    NotOlderThan(i64),
    /// The state at exactly this revision.
    Exact(i64),
}

impl ListRevision {
    /// The meaning of `resourceVersion=revision` without a `resourceVersionMatch`: with a limit it is exact, for the
    /// sake of clients from before the match parameter; without it is a lower bound.
    pub fn without_match(revision: Option<i64>, limited: bool) -> Self {
        match revision {
            None => Self::Consistent,
            Some(0) => Self::Any,
            Some(revision) if limited => Self::Exact(revision),
            Some(revision) => Self::NotOlderThan(revision),
        }
    }
}

/// A list request.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// Label and field selectors.
    pub predicate: Predicate,
    /// Items of a page, at most; 0 is all.
    pub limit: usize,
    /// Token of the previous page; decides the revision, so `revision` must then be unset or 0.
    pub continue_token: Option<String>,
    /// Which state to show.
    pub revision: ListRevision,
}

/// One page of a list.
#[derive(Clone, Debug, Default)]
pub struct ListPage {
    /// The objects, in key order.
    pub items: Vec<Arc<Stored>>,
    /// The state that the list shows.
    pub resource_version: i64,
    /// Token for the next page, if there is one.
    pub continue_token: Option<String>,
    /// Objects after this page; known only without selectors, and only if there are any.
    pub remaining_item_count: Option<i64>,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WatchStart {
    /// `resourceVersion` unset: the state of now, everything acknowledged included, as ADDED events.
    #[default]
    Unset,
    /// `resourceVersion=0`: whatever state is at hand, as ADDED events.
    Any,
    /// Everything after this revision.
    From(i64),
}

/// A watch request.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// Label and field selectors.
    pub predicate: Predicate,
    /// Where to begin.
    pub start: WatchStart,
    /// Whether to send bookmarks, about once a minute and before the end.
    pub bookmarks: bool,
    /// `sendInitialEvents`: with `true`, the state (at least as new as `start`) comes first and a bookmark with the
    /// `k8s.io/initial-events-end` annotation ends it; with `false`, no state is sent.
    pub send_initial_events: Option<bool>,
    /// The stream ends after this time.
    pub timeout: Option<Duration>,
}

/// What must hold for a write to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// The object's uid.
    pub uid: Option<String>,
    /// The object's resourceVersion.
    pub resource_version: Option<i64>,
}

impl Preconditions {
    /// Upstream's words for the first precondition that does not hold.
    pub(crate) fn check(&self, object: &Stored) -> Result<(), String> {
        if let Some(uid) = self.uid.as_deref().filter(|uid| *uid != object.uid()) {
            return Err(format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                object.uid()
            ));
        }
        match self.resource_version {
            Some(revision) if revision != object.resource_version() => Err(format!(
                "Precondition failed: ResourceVersion in precondition: {revision}, ResourceVersion in object meta: {}",
                object.resource_version()
            )),
            _ => Ok(()),
        }
    }
}

/// What an update function makes of the current state.
#[derive(Clone, Debug)]
pub enum Change {
    /// Store this object.
    Write {
        /// The whole object; `metadata.resourceVersion` is ignored.
        value: Value,
        /// Selectable fields of it.
        fields: Fields,
    },
    /// Delete the object: its last finalizer is gone.
    Delete,
    /// Leave it as it is.
    Nothing,
}

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new version was written.
    Written,
    /// Nothing was written: the result equals what is stored.
    Unchanged,
    /// The object was deleted.
    Deleted,
}

/// Result of an update.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The state after the update; after a deletion the last state, at the revision of the deletion.
    pub object: Arc<Stored>,
    /// What happened.
    pub outcome: Outcome,
}
