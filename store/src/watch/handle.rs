//! A watch inside this process: one cursor as a stream.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store_client::{WatchEvent, WatchHandle};
use store_types::Event;
use store_types::etcdserverpb::WatchCreateRequest;
use tokio::time::{Instant, sleep_until};

use super::cursor::Selected;
use super::{Cursor, Group, Step, refusal};
use crate::state::State;

struct Watching {
    state: Arc<State>,
    cursor: Cursor,
    group: Arc<Group>,
    progress: Arc<AtomicBool>,
    ready: VecDeque<WatchEvent>,
    ended: bool,
    /// When the next unasked-for progress mark is due, with its interval.
    notify: Option<(Instant, std::time::Duration)>,
}

/// Opens a watch.
pub(crate) fn open(state: &Arc<State>, request: &WatchCreateRequest) -> WatchHandle {
    let group = Arc::new(Group::default());
    let progress = Arc::new(AtomicBool::new(false));
    let (cursor, now) = Cursor::open(state, request, 0, &group);
    let interval = state.watch_progress_notify_interval();
    let mut watching = Watching {
        state: Arc::clone(state),
        cursor,
        group: Arc::clone(&group),
        progress: Arc::clone(&progress),
        ready: VecDeque::from([WatchEvent::Created { revision: now }]),
        ended: false,
        notify: request.progress_notify.then(|| (Instant::now() + interval, interval)),
    };
    if let Some(reason) = refusal(request) {
        watching.end(WatchEvent::Canceled { compact_revision: 0, reason: reason.into() });
    } else if let Some(compacted) = watching.cursor.compacted_at_start() {
        watching.end_compacted(compacted);
    }
    let events = futures::stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((event, watching))
    });
    WatchHandle::new(events, move || {
        progress.store(true, Ordering::Release);
        group.wake();
    })
}

impl Watching {
    async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.postpone_notify();
                return Some(event);
            }
            if self.ended {
                return None;
            }
            while self.group.pop_ready().is_some() {}
            match self.cursor.step().await {
                Ok(Step::Selected(selected)) => {
                    for selected in selected {
                        if let Err(error) = self.deliver(selected) {
                            self.end_failed(&error);
                            break;
                        }
                    }
                }
                Ok(Step::Compacted(compacted)) => self.end_compacted(compacted),
                Ok(Step::AtEnd) => {
                    if let Some(revision) = self.progress_due() {
                        return Some(WatchEvent::Progress { revision });
                    }
                    self.wait().await;
                }
                Err(error) => self.end_failed(&error),
            }
        }
    }

    fn deliver(&mut self, selected: Selected) -> io::Result<()> {
        let Selected { changes, picks } = selected;
        let events = match self.cursor.with_previous() {
            true => changes.events_with_previous(&*self.state.generation())?,
            false => changes.events(),
        };
        let events: Arc<[Event]> = match picks {
            None => Arc::clone(events),
            Some(picks) => picks.into_iter().map(|index| events[index].clone()).collect(),
        };
        self.ready.push_back(WatchEvent::Events { revision: self.state.revision(), events });
        Ok(())
    }

    /// A progress mark, if one was asked for or is due, and if everything was delivered.
    fn progress_due(&mut self) -> Option<i64> {
        let due = self.notify.is_some_and(|(at, _)| at <= Instant::now());
        if !due && !self.progress.load(Ordering::Acquire) {
            return None;
        }
        // A mark that cannot be given now is skipped; one that was asked for stays asked for.
        if due {
            self.postpone_notify();
        }
        let revision = Cursor::synced(self.state.hub(), [&self.cursor])?;
        self.progress.store(false, Ordering::Release);
        self.postpone_notify();
        Some(revision)
    }

    async fn wait(&self) {
        match self.notify {
            Some((at, _)) => {
                tokio::select! {
                    () = self.group.changed() => {}
                    () = sleep_until(at) => {}
                }
            }
            None => self.group.changed().await,
        }
    }

    fn postpone_notify(&mut self) {
        if let Some((at, interval)) = &mut self.notify {
            *at = Instant::now() + *interval;
        }
    }

    fn end_compacted(&mut self, compact_revision: i64) {
        let reason = store_client::Error::COMPACTED.message;
        self.end(WatchEvent::Canceled { compact_revision, reason: reason.into_owned().into() });
    }

    fn end_failed(&mut self, error: &io::Error) {
        self.end(WatchEvent::Canceled { compact_revision: 0, reason: error.to_string().into() });
    }

    fn end(&mut self, last: WatchEvent) {
        self.ready.push_back(last);
        self.ended = true;
    }
}
