//! The requests of an HTTP/2 connection, run by the connection's own task.
//!
//! hyper hands what a request needs to an executor. With a task for each request an answer costs two wake-ups, the
//! request's and then the connection's, mostly on another thread, and goes out in a write of its own. [`Streams`] keeps
//! them in the task that also reads and writes the socket: an answer costs one wake-up, and answers that are ready
//! together are written together.
//!
//! The price is that the requests of one connection share one thread, so what computes for long belongs into a task of its
//! own. A request that panics ends alone, as it would in a task.

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What runs in one connection's task beside the connection itself.
#[derive(Default)]
pub(super) struct Streams {
    running: FuturesUnordered<BoxFuture<'static, ()>>,
    starter: Starter,
}

/// The executor for hyper. What it is given begins to run when the connection has done what it can for now.
#[derive(Clone, Default)]
pub(super) struct Starter {
    /// Only the connection's task takes the lock.
    started: Arc<Mutex<Vec<BoxFuture<'static, ()>>>>,
}

impl<F> hyper::rt::Executor<F> for Starter
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        self.started.lock().push(AssertUnwindSafe(future).catch_unwind().map(drop).boxed());
    }
}

impl Streams {
    /// The executor to build the connection with.
    pub(super) fn starter(&self) -> Starter {
        self.starter.clone()
    }

    /// One turn of the connection's task: what runs goes as far as it can, and `connection` sends what came of it. Ready
    /// when the connection is over; what still ran is then dropped with `self`.
    pub(super) fn poll<C: Future>(
        &mut self,
        mut connection: Pin<&mut C>,
        context: &mut Context<'_>,
    ) -> Poll<C::Output> {
        self.poll_running(context);
        loop {
            if let Poll::Ready(outcome) = connection.as_mut().poll(context) {
                return Poll::Ready(outcome);
            }
            let started = std::mem::take(&mut *self.starter.started.lock());
            if started.is_empty() {
                return Poll::Pending;
            }
            self.running.extend(started);
            self.poll_running(context);
        }
    }

    fn poll_running(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(context) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::rt::Executor;
    use std::future::poll_fn;
    use std::pin::pin;
    use tokio::sync::oneshot;

    /// A connection that starts each of `requests` in a turn of its own and ends when `end` is told.
    fn connection(
        starter: Starter,
        mut requests: Vec<BoxFuture<'static, ()>>,
        end: oneshot::Receiver<()>,
    ) -> impl Future<Output = bool> {
        let mut end = Box::pin(end);
        poll_fn(move |context| {
            if let Some(request) = requests.pop() {
                starter.execute(request);
            }
            end.poll_unpin(context).map(|end| end.is_ok())
        })
    }

    #[tokio::test]
    async fn requests_run_beside_each_other_in_the_connections_turns() {
        let mut streams = Streams::default();
        let (first, second) = (oneshot::channel(), oneshot::channel());
        let end = oneshot::channel();
        let requests: Vec<BoxFuture<'static, ()>> = vec![
            async move { end.0.send(()).expect("the connection waits") }.boxed(),
            async move {
                first.1.await.expect("the other request tells");
                second.0.send(()).expect("the other request waits");
            }
            .boxed(),
            async move {
                first.0.send(()).expect("the other request waits");
                second.1.await.expect("the other request tells");
            }
            .boxed(),
        ];
        let mut connection = pin!(connection(streams.starter(), requests, end.1));
        assert!(poll_fn(|context| streams.poll(connection.as_mut(), context)).await);
        streams.poll_running(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(streams.running.is_empty());
    }

    #[tokio::test]
    async fn a_request_that_panics_ends_alone() {
        let mut streams = Streams::default();
        let end = oneshot::channel();
        let requests: Vec<BoxFuture<'static, ()>> = vec![
            async move { end.0.send(()).expect("the connection waits") }.boxed(),
            async { std::panic::resume_unwind(Box::new("on purpose")) }.boxed(),
        ];
        let mut connection = pin!(connection(streams.starter(), requests, end.1));
        assert!(poll_fn(|context| streams.poll(connection.as_mut(), context)).await);
    }
}
