//! Workers that take keys from a queue and reconcile them.

use crate::{Key, Queue};
use daemon::{OnError, Supervisor, TaskKind};
use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

const WORKER: TaskKind = TaskKind { name: "controller worker", on_error: OnError::ShutDown };

/// What a reconciler wants next for its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing until something changes.
    Wait,
    /// Another look when this time has passed.
    After(Duration),
}

/// Starts `count` workers; each reconciles one key at a time, no key is worked on twice at a time. An error puts the key
/// back with a growing delay. Workers finish the key at hand when the shutdown begins.
pub fn start<F, R, E>(queue: &Queue<Key>, count: usize, supervisor: &Supervisor, reconcile: F)
where
    F: Fn(Key) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Next, E>> + Send + 'static,
    E: Display + Send + 'static,
{
    let reconcile = Arc::new(reconcile);
    for _ in 0..count {
        let (queue, reconcile, token) = (queue.clone(), Arc::clone(&reconcile), supervisor.token().clone());
        supervisor.spawn(WORKER, async move {
            loop {
                let key = tokio::select! {
                    biased;
                    () = token.cancelled() => return Ok::<(), Infallible>(()),
                    key = queue.next() => key,
                };
                settle(&queue, &key, reconcile(key.clone()).await);
            }
        });
    }
}

fn settle<E: Display>(queue: &Queue<Key>, key: &Key, outcome: Result<Next, E>) {
    match outcome {
        Ok(next) => {
            queue.forget(key);
            if let Next::After(delay) = next {
                queue.add_after(key.clone(), delay);
            }
        }
        Err(error) => {
            tracing::debug!(controller = queue.name(), %key, %error, failures = queue.failures(key), "will try again");
            queue.add_rate_limited(key.clone());
        }
    }
    queue.done(key);
}
