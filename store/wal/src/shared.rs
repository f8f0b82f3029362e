//! What handles, writer and readers share: the queue, the view of what is readable, the segments.

use std::collections::VecDeque;
use std::io;

use parking_lot::{Condvar, Mutex};

use crate::Record;
use crate::segments::Segments;
use crate::view::View;

pub(crate) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// One call of [`crate::Log::append`] on its way to disk.
pub(crate) struct Append {
    pub(crate) number: u64,
    pub(crate) records: Vec<Record>,
    pub(crate) bytes: usize,
    pub(crate) done: Done,
}

/// What handles, writer and readers share.
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    /// Something was queued, or the log closes.
    pub(crate) work: Condvar,
    /// The queue has room again.
    pub(crate) room: Condvar,
    pub(crate) segments: Mutex<Segments>,
}

/// Under the lock.
pub(crate) struct State {
    pub(crate) view: View,
    pub(crate) queue: VecDeque<Append>,
    pub(crate) queue_bytes: usize,
    pub(crate) appends: u64,
    pub(crate) closing: bool,
    pub(crate) failed: Option<String>,
}

impl Shared {
    pub(crate) fn new(view: View, segments: Segments) -> Shared {
        let state = State { view, queue: VecDeque::new(), queue_bytes: 0, appends: 0, closing: false, failed: None };
        Shared { state: Mutex::new(state), work: Condvar::new(), room: Condvar::new(), segments: Mutex::new(segments) }
    }

    /// Waits until something is queued. False when the log closes and nothing is.
    pub(crate) fn wait_for_work(&self) -> bool {
        let mut state = self.state.lock();
        while state.queue.is_empty() && !state.closing {
            self.work.wait(&mut state);
        }
        !state.queue.is_empty()
    }

    /// Takes queued appends for one batch.
    pub(crate) fn take_queued(&self, bytes_max: usize) -> Vec<Append> {
        let mut state = self.state.lock();
        let mut bytes = 0;
        let mut count = 0;
        for append in &state.queue {
            if count > 0 && bytes + append.bytes > bytes_max {
                break;
            }
            bytes += append.bytes;
            count += 1;
        }
        state.queue_bytes -= bytes;
        let taken = state.queue.drain(..count).collect();
        drop(state);
        self.room.notify_all();
        taken
    }

    /// Everything up to append `number` is on disk.
    pub(crate) fn durable(&self, number: u64) {
        self.state.lock().view.evict(number);
    }

    /// Answers everything with an error from now on.
    pub(crate) fn fail(&self, text: &str) {
        self.state.lock().failed.get_or_insert_with(|| text.to_owned());
        self.room.notify_all();
    }
}
