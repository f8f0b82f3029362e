//! One watcher's place in history.

use std::io;
use std::sync::Arc;
use store_mvcc::{Change, Record, Revision};
use store_types::etcdserverpb::WatchCreateRequest;
use store_types::etcdserverpb::watch_create_request::FilterType;
use store_types::mvccpb::event::EventType;
use store_types::{Event, KeyRange};

use super::hub::{Group, Located, Slot};
use super::{Changes, Hub};
use crate::state::State;

/// Revisions of recent history that one step looks at; the watcher goes to the end of the line after each step.
const STEP_REVISIONS_MAX: usize = 512;
/// Rows of older history that one step reads from the backend.
const STEP_ROWS_MAX: usize = 4_096;
/// Bytes of matching rows after which a step from the backend ends, at the next revision.
const STEP_BYTES_MAX: usize = 1 << 20;

/// Which kinds of events a watcher does not want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters {
    no_put: bool,
    no_delete: bool,
}

/// A watcher's place in history. Dropping it ends the watch.
pub(crate) struct Cursor {
    state: Arc<State>,
    slot: Arc<Slot>,
    /// First revision that has not been looked at.
    next: i64,
    /// Whether everything up to the last look was looked at: then only pending revisions matter.
    at_end: bool,
    filters: Filters,
    with_previous: bool,
    canceled: bool,
}

/// The matching changes of one revision.
pub(crate) struct Selected {
    pub(crate) changes: Arc<Changes>,
    /// Indexes of the matching events; `None` for all of them.
    pub(crate) picks: Option<Vec<usize>>,
}

/// What a look at history brought.
pub(crate) enum Step {
    /// Matching changes, maybe none, of whole revisions in order. Look again.
    Selected(Vec<Selected>),
    /// Everything up to the announced revision was delivered.
    AtEnd,
    /// The history that comes next was compacted; this is the first revision that can still be watched.
    Compacted(i64),
}

impl Filters {
    /// Reads the filters of a request; unknown ones are ignored, as etcd does.
    pub(crate) fn new(filters: &[i32]) -> Self {
        Self {
            no_put: filters.contains(&(FilterType::Noput as i32)),
            no_delete: filters.contains(&(FilterType::Nodelete as i32)),
        }
    }

    fn pass(self, event: &Event) -> bool {
        match event.r#type == EventType::Delete as i32 {
            true => !self.no_delete,
            false => !self.no_put,
        }
    }
}

/// Why a watch as requested cannot be, if so; etcd's text.
pub(crate) fn refusal(request: &WatchCreateRequest) -> Option<&'static str> {
    let half_open = !matches!(request.range_end.as_ref(), [] | [0]);
    (half_open && request.key >= request.range_end).then_some("mvcc: watcher range is empty")
}

impl Cursor {
    /// A watcher as requested, and the revision of the store at that moment.
    pub(crate) fn open(state: &Arc<State>, request: &WatchCreateRequest, tag: i64, group: &Arc<Group>) -> (Self, i64) {
        let key = match request.key.is_empty() {
            // etcd takes an empty key for the smallest one.
            true => bytes::Bytes::from_static(&[0]),
            false => request.key.clone(),
        };
        let range = KeyRange::new(key, request.range_end.clone());
        let (slot, announced) = state.hub().register(range, tag, group);
        // What is answered but not yet announced is not after "now".
        let now = state.revision().max(announced);
        let next = match request.start_revision {
            0 => now + 1,
            start => start,
        };
        let cursor = Self {
            state: Arc::clone(state),
            slot,
            next,
            at_end: false,
            filters: Filters::new(&request.filters),
            with_previous: request.prev_kv,
            canceled: false,
        };
        (cursor, now)
    }

    pub(crate) fn with_previous(&self) -> bool {
        self.with_previous
    }

    /// The first compacted look: a watch that starts below the compacted revision never begins.
    pub(crate) fn compacted_at_start(&self) -> Option<i64> {
        let compacted = self.state.compacted_revision();
        // A negative start is as far in the past as one can ask for.
        (self.next < compacted.max(1)).then_some(compacted)
    }

    /// Looks at the next piece of history.
    ///
    /// # Errors
    /// The backend failed.
    pub(crate) async fn step(&mut self) -> io::Result<Step> {
        if self.canceled {
            return Ok(Step::AtEnd);
        }
        if self.at_end {
            match self.hub().take_pending(&self.slot) {
                0 => return Ok(Step::AtEnd),
                pending => self.next = self.next.max(pending),
            }
            self.at_end = false;
        }
        match self.hub().locate(&self.slot, self.next, STEP_REVISIONS_MAX) {
            Located::AtEnd { announced } => {
                self.next = self.next.max(announced + 1);
                self.at_end = true;
                Ok(Step::AtEnd)
            }
            Located::Recent { changes, next } => {
                self.next = next;
                Ok(Step::Selected(changes.into_iter().filter_map(|changes| self.select(changes)).collect()))
            }
            Located::Older { upto } => self.step_in_backend(upto).await,
        }
    }

    /// The announced revision, if all of `cursors` have delivered everything up to it and none waits for the future.
    pub(crate) fn synced<'a>(hub: &Hub, cursors: impl IntoIterator<Item = &'a Self> + Clone) -> Option<i64> {
        if cursors.clone().into_iter().any(|cursor| !cursor.at_end && !cursor.canceled) {
            return None;
        }
        let announced = hub.idle_at(cursors.clone().into_iter().map(|cursor| &*cursor.slot))?;
        // A watch that starts in the future is silent until then.
        cursors.into_iter().all(|cursor| cursor.next <= announced + 1).then_some(announced)
    }

    fn hub(&self) -> &Hub {
        self.state.hub()
    }

    fn select(&self, changes: Arc<Changes>) -> Option<Selected> {
        let wanted = |event: &Event| {
            event.kv.as_ref().is_some_and(|kv| self.slot.range().contains(&kv.key)) && self.filters.pass(event)
        };
        let events = changes.events();
        let count = events.iter().filter(|event| wanted(event)).count();
        if count == 0 {
            return None;
        }
        let picks = (count < events.len())
            .then(|| events.iter().enumerate().filter(|(_, event)| wanted(event)).map(|(index, _)| index).collect());
        Some(Selected { changes, picks })
    }

    async fn step_in_backend(&mut self, upto: i64) -> io::Result<Step> {
        let (state, from, range, filters) =
            (Arc::clone(&self.state), self.next, self.slot.range().clone(), self.filters);
        let read = tokio::task::spawn_blocking(move || read_older(&state, from, upto, &range, filters)).await;
        let (selected, next) = match read.map_err(|_| io::Error::other("shutting down"))?? {
            Older::Read { selected, next } => (selected, next),
            Older::Compacted(compacted) => {
                self.canceled = true;
                return Ok(Step::Compacted(compacted));
            }
        };
        self.next = next;
        Ok(Step::Selected(selected))
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.state.hub().unregister(&self.slot);
    }
}

enum Older {
    Read { selected: Vec<Selected>, next: i64 },
    Compacted(i64),
}

/// Reads whole revisions from `from` up to `upto` from the backend, as many as make one step.
fn read_older(state: &State, from: i64, upto: i64, range: &KeyRange, filters: Filters) -> io::Result<Older> {
    let generation = state.generation();
    let (mut rows, mut bytes, mut last) = (0, 0, from - 1);
    let mut found: Vec<(Revision, Event)> = Vec::new();
    let mut ended_early = false;
    generation.scan(from.max(0), |revision, row| {
        if revision.main > upto {
            return Ok(false);
        }
        if revision.main > last && (rows >= STEP_ROWS_MAX || bytes >= STEP_BYTES_MAX) {
            ended_early = true;
            return Ok(false);
        }
        (rows, last) = (rows + 1, revision.main);
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let head = store_mvcc::record::Head::decode(row).map_err(invalid)?;
        if range.contains(head.key) {
            let event = Record::decode_slice(revision, row).map_err(invalid)?.into_event(revision);
            if filters.pass(&event) {
                bytes += row.len();
                found.push((revision, event));
            }
        }
        Ok(true)
    })?;
    let mvcc = state.mvcc();
    // Checked after the rows were read: what was compacted meanwhile may have been missing among them.
    if from < mvcc.compacted_revision() {
        return Ok(Older::Compacted(mvcc.compacted_revision()));
    }
    let mut selected: Vec<Selected> = Vec::new();
    let mut found = found.into_iter().peekable();
    while let Some((revision, event)) = found.next() {
        let change = |revision: Revision, event: Event| {
            let previous = event.kv.as_ref().and_then(|kv| mvcc.previous(&kv.key, revision.main));
            Change { revision, event, previous }
        };
        let mut together = vec![change(revision, event)];
        while let Some((revision, event)) = found.next_if(|(next, _)| next.main == revision.main) {
            together.push(change(revision, event));
        }
        selected.push(Selected { changes: Arc::new(Changes::new(together)), picks: None });
    }
    Ok(Older::Read { selected, next: if ended_early { last + 1 } else { upto + 1 } })
}
