//! A watch is a cursor over the kept rows: it holds no queue, so a slow reader costs nothing but its own delay.

use super::state::{Shared, State};
use crate::watch::{WatchEvent, WatchHandle};
use bytes::Bytes;
use futures::stream;
use std::sync::{Arc, Weak};
use std::time::Duration;
use store_mvcc::{Record, Revision, Values};
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::watch_create_request::FilterType;
use store_types::{Event, KeyRange};
use tokio::sync::{Notify, watch};

/// Events after which a batch ends at the next whole revision; the rest comes in the next batch.
const EVENTS_PER_BATCH_MAX: usize = 1_000;
/// Rows that one look at the state may pass over; then others get the lock.
const ROWS_PER_LOOK_MAX: usize = 10_000;
/// Silence after which a watch that asked for it gets a progress mark, as in etcd.
const PROGRESS_INTERVAL_SECONDS: u64 = 600;

/// What one look at the state found.
enum Look {
    Events {
        revision: i64,
        events: Vec<Event>,
    },
    /// Rows were passed over and more are left.
    Again,
    /// Everything up to this revision has been delivered.
    Idle {
        revision: i64,
    },
    Compacted {
        revision: i64,
    },
}

/// What the cursor tells before it looks at rows, and after it has ended.
enum Stage {
    Create { refusal: Option<&'static str> },
    Refused(&'static str),
    Follow,
    Ended,
}

struct Cursor {
    shared: Weak<Shared>,
    changed: watch::Receiver<i64>,
    progress: Arc<Notify>,
    /// A mark was asked for and not given yet.
    progress_due: bool,
    progress_notify: bool,
    keys: KeyRange,
    no_put: bool,
    no_delete: bool,
    prev_kv: bool,
    opened_at: i64,
    /// First revision that has not been delivered.
    next: i64,
    stage: Stage,
}

pub(super) fn open(shared: &Arc<Shared>, request: pb::WatchCreateRequest) -> WatchHandle {
    let opened_at = shared.state.lock().mvcc.revision();
    let filtered = |filter: FilterType| request.filters.contains(&(filter as i32));
    let refusal = refusal(&request);
    // The empty key is the smallest one there can be.
    let key = if request.key.is_empty() { Bytes::from_static(&[0]) } else { request.key.clone() };
    let progress = Arc::new(Notify::new());
    let cursor = Cursor {
        shared: Arc::downgrade(shared),
        changed: shared.revision.subscribe(),
        progress: Arc::clone(&progress),
        progress_due: false,
        progress_notify: request.progress_notify,
        no_put: filtered(FilterType::Noput),
        no_delete: filtered(FilterType::Nodelete),
        prev_kv: request.prev_kv,
        keys: KeyRange::new(key, request.range_end.clone()),
        opened_at,
        next: if request.start_revision == 0 { opened_at + 1 } else { request.start_revision },
        stage: Stage::Create { refusal },
    };
    let events =
        stream::unfold(cursor, |mut cursor| async move { cursor.advance().await.map(|event| (event, cursor)) });
    WatchHandle::new(events, move || progress.notify_one())
}

/// Why a watch cannot be opened.
fn refusal(request: &pb::WatchCreateRequest) -> Option<&'static str> {
    let half_open = !matches!(request.range_end.as_ref(), [] | [0]);
    (half_open && request.key >= request.range_end).then_some("mvcc: watcher range is empty")
}

impl Cursor {
    async fn advance(&mut self) -> Option<WatchEvent> {
        match std::mem::replace(&mut self.stage, Stage::Follow) {
            Stage::Create { refusal } => {
                self.stage = refusal.map_or(Stage::Follow, Stage::Refused);
                return Some(WatchEvent::Created { revision: self.opened_at });
            }
            Stage::Refused(reason) => {
                self.stage = Stage::Ended;
                return Some(WatchEvent::Canceled {
                    compact_revision: 0,
                    reason: Bytes::from_static(reason.as_bytes()),
                });
            }
            Stage::Ended => {
                self.stage = Stage::Ended;
                return None;
            }
            Stage::Follow => {}
        }
        loop {
            self.changed.borrow_and_update();
            match self.look()? {
                Look::Events { revision, events } => {
                    return Some(WatchEvent::Events { revision, events: events.into() });
                }
                Look::Compacted { revision } => {
                    self.stage = Stage::Ended;
                    let reason = Bytes::from(crate::Error::COMPACTED.to_string());
                    return Some(WatchEvent::Canceled { compact_revision: revision, reason });
                }
                Look::Again => tokio::task::yield_now().await,
                // The mark is decided by the same look that found nothing left to deliver, so it cannot overtake events.
                Look::Idle { revision } if self.progress_due => {
                    self.progress_due = false;
                    return Some(WatchEvent::Progress { revision });
                }
                Look::Idle { .. } => self.wait().await?,
            }
        }
    }

    /// Waits for something to do; `None` when the store is gone.
    async fn wait(&mut self) -> Option<()> {
        let interval = tokio::time::sleep(Duration::from_secs(PROGRESS_INTERVAL_SECONDS));
        tokio::select! {
            changed = self.changed.changed() => changed.ok()?,
            () = self.progress.notified() => self.progress_due = true,
            () = interval, if self.progress_notify => self.progress_due = true,
        }
        Some(())
    }

    fn look(&mut self) -> Option<Look> {
        let shared = self.shared.upgrade()?;
        let state = shared.state.lock();
        let current = state.mvcc.revision();
        let compacted = state.mvcc.compacted_revision();
        // A negative start is as far in the past as one can ask for.
        if self.next < compacted.max(1) {
            return Some(Look::Compacted { revision: compacted });
        }
        if self.next > current {
            // A watch on the future stays silent until its start.
            self.progress_due &= self.next == current + 1;
            return Some(Look::Idle { revision: current });
        }
        let mut events = Vec::new();
        let first = Revision::new(self.next, 0);
        for (passed, (revision, record)) in state.rows.range(first..).enumerate() {
            if revision.main >= self.next {
                if events.len() >= EVENTS_PER_BATCH_MAX || passed >= ROWS_PER_LOOK_MAX {
                    let more = if events.is_empty() { Look::Again } else { Look::Events { revision: current, events } };
                    return Some(more);
                }
                self.next = revision.main + 1;
            }
            if self.wants(record) {
                events.push(self.event(&state, *revision, record));
            }
        }
        self.next = current + 1;
        Some(if events.is_empty() {
            Look::Idle { revision: current }
        } else {
            Look::Events { revision: current, events }
        })
    }

    fn wants(&self, record: &Record) -> bool {
        let filtered = match record {
            Record::Put(_) => self.no_put,
            Record::Tombstone { .. } => self.no_delete,
        };
        !filtered && self.keys.contains(record.key())
    }

    fn event(&self, state: &State, revision: Revision, record: &Record) -> Event {
        let mut event = record.clone().into_event(revision);
        if self.prev_kv
            && let Some(previous) = state.mvcc.previous(record.key(), revision.main)
        {
            let Ok(value) = Values::get(&state.rows, previous);
            event.prev_kv = value;
        }
        event
    }
}
