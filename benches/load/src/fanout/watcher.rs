//! One watcher: reads until it has what it was promised, and keeps the books.

use super::events::{Line, read};
use crate::lines::Lines;
use crate::report::Latencies;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The numbers that a watcher must see, object by object.
#[derive(Clone)]
pub(super) struct Orders {
    /// The last number before the watch.
    after: Arc<[u64]>,
    /// The last number of all.
    until: Arc<[u64]>,
}

/// What a watcher has seen.
pub(super) struct Order {
    orders: Orders,
    last: Vec<u64>,
    gaps: u64,
    repetitions: u64,
}

/// What became of a watcher.
pub(super) struct Watched {
    /// It did not read while events flowed.
    pub(super) was_stalled: bool,
    /// From when an event was due until it was read.
    pub(super) latencies: Latencies,
    /// What came.
    pub(super) order: Order,
    /// Why the watch ended before everything had come.
    pub(super) end: Option<String>,
}

impl Orders {
    /// After `written`, `planned` more.
    pub(super) fn new(written: Vec<u64>, planned: Vec<u64>) -> Self {
        let until = written.iter().zip(&planned).map(|(written, planned)| written + planned).collect();
        Self { after: written.into(), until }
    }
}

impl Order {
    fn new(orders: Orders) -> Self {
        Self { last: orders.after.to_vec(), orders, gaps: 0, repetitions: 0 }
    }

    /// Books the number of an object's event.
    fn saw(&mut self, object: usize, number: u64) {
        let Some(last) = self.last.get_mut(object) else { return };
        if number <= *last {
            self.repetitions += 1;
        } else {
            self.gaps += number - *last - 1;
            *last = number;
        }
    }

    /// Numbers that never came.
    pub(super) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Numbers that came again, or after a later one.
    pub(super) fn repetitions(&self) -> u64 {
        self.repetitions
    }

    /// The last number of every object has come.
    fn is_at_end(&self) -> bool {
        self.last.iter().zip(self.orders.until.iter()).all(|(last, until)| last >= until)
    }
}

impl Watched {
    /// Everything came once and in order.
    pub(super) fn is_whole(&self) -> bool {
        self.end.is_none() && self.order.gaps == 0 && self.order.repetitions == 0 && self.order.is_at_end()
    }
}

/// Reads to the end; with `resumed`, begins only when that turns true.
pub(super) async fn watch(
    body: Incoming,
    orders: Orders,
    epoch: Instant,
    resumed: Option<watch::Receiver<bool>>,
) -> Watched {
    let was_stalled = resumed.is_some();
    if let Some(mut resumed) = resumed {
        // A sender that is gone means the same: go on.
        drop(resumed.wait_for(|resumed| *resumed).await);
    }
    let mut watched = Watched { was_stalled, latencies: Latencies::new(), order: Order::new(orders), end: None };
    let mut lines = Lines::of(body);
    while !watched.order.is_at_end() {
        let line = match lines.next().await {
            Ok(line) => line,
            Err(error) => {
                watched.end = Some(format!("{error:#}"));
                break;
            }
        };
        match read(&line) {
            Line::Write(stamp) => {
                watched.order.saw(stamp.object, stamp.number);
                let due = Duration::from_micros(stamp.due_microseconds);
                watched.latencies.record(epoch.elapsed().saturating_sub(due));
            }
            Line::Error => {
                watched.end = Some(String::from_utf8_lossy(&line).into_owned());
                break;
            }
            Line::Other => {}
        }
    }
    watched
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order::new(Orders::new(vec![5, 0], vec![3, 1]))
    }

    #[test]
    fn numbers_that_come_once_and_in_order_are_the_end() {
        let mut order = order();
        for (object, number) in [(0, 6), (1, 1), (0, 7)] {
            order.saw(object, number);
            assert!(!order.is_at_end());
        }
        order.saw(0, 8);
        assert!(order.is_at_end());
        assert_eq!((order.gaps(), order.repetitions()), (0, 0));
    }

    #[test]
    fn a_number_left_out_and_one_that_comes_twice_are_counted() {
        let mut order = order();
        for number in [6, 8, 7, 8] {
            order.saw(0, number);
        }
        assert_eq!((order.gaps(), order.repetitions()), (1, 2));
    }
}
