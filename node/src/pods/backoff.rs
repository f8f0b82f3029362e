//! How long a container that keeps ending waits before it is started again.

use jiff::Timestamp;
use std::collections::HashMap;

/// Wait after the second end; the first restart is immediate (upstream: 10 s).
const FIRST_SECONDS: i64 = 10;
/// Longest wait (upstream: 300 s).
const MAX_SECONDS: i64 = 300;
/// A container that behaved for this long starts anew (upstream: twice the longest wait).
const RESET_SECONDS: i64 = 2 * MAX_SECONDS;

/// The waits of one pod's containers, by name.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    waits: HashMap<String, (i64, Timestamp)>,
}

impl Backoff {
    /// Seconds that a container which ended then still has to wait; 0 when it may start.
    pub fn seconds_left(&self, container: &str, finished: Timestamp, now: Timestamp) -> i64 {
        let Some((wait, started)) = self.waits.get(container) else { return 0 };
        if finished.as_second() - started.as_second() > RESET_SECONDS {
            return 0;
        }
        (finished.as_second() + wait - now.as_second()).max(0)
    }

    /// The wait that applies now, for the message of CrashLoopBackOff.
    pub fn wait_seconds(&self, container: &str) -> i64 {
        self.waits.get(container).map_or(0, |(wait, _)| *wait)
    }

    /// The container is started once more.
    pub fn restarted(&mut self, container: &str, finished: Timestamp, now: Timestamp) {
        let next = match self.waits.get(container) {
            Some((wait, started)) if finished.as_second() - started.as_second() <= RESET_SECONDS => {
                (wait * 2).min(MAX_SECONDS)
            }
            _ => FIRST_SECONDS,
        };
        self.waits.insert(container.to_owned(), (next, now));
    }
}
