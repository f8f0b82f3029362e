//! When a watch sends bookmarks and when it ends.

use rand::Rng;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Longest time between bookmarks; upstream's `defaultBookmarkFrequency`.
const BOOKMARK_SECONDS_MAX: f64 = 60.0;
/// Bookmarks of many watches are spread over this part of the time, so that they do not come all at once.
const BOOKMARK_SPREAD_SECONDS: f64 = 10.0;

pub(crate) struct Timer {
    sleep: Pin<Box<Sleep>>,
    bookmarks: bool,
    end: Option<Instant>,
}

/// What it is time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Bookmark,
    End,
}

impl Timer {
    /// `None` if there is nothing to wait for.
    pub(crate) fn new(bookmarks: bool, timeout: Option<Duration>) -> Option<Self> {
        if !bookmarks && timeout.is_none() {
            return None;
        }
        let end = timeout.map(|timeout| Instant::now() + timeout);
        Some(Self { sleep: Box::pin(sleep_until(next(bookmarks, end))), bookmarks, end })
    }

    pub(crate) fn bookmarks(&self) -> bool {
        self.bookmarks
    }

    /// What is due; otherwise the waker is registered.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Due {
        while let Poll::Ready(()) = self.sleep.as_mut().poll(context) {
            let deadline = self.sleep.deadline();
            if self.end.is_some_and(|end| deadline >= end) {
                return Due::End;
            }
            self.sleep.as_mut().reset(next(self.bookmarks, self.end));
            if self.bookmarks {
                // Registers the waker for the next deadline.
                let _ = self.sleep.as_mut().poll(context);
                return Due::Bookmark;
            }
        }
        Due::Nothing
    }
}

fn next(bookmarks: bool, end: Option<Instant>) -> Instant {
    let far = Duration::from_secs(24 * 3600);
    let seconds = BOOKMARK_SECONDS_MAX - rand::rng().random_range(0.0..BOOKMARK_SPREAD_SECONDS);
    let bookmark = Instant::now() + if bookmarks { Duration::from_secs_f64(seconds) } else { far };
    end.map_or(bookmark, |end| end.min(bookmark))
}
