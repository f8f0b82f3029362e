//! Tasks with a declared fate, and their staged, bounded shutdown.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a task's error or panic means to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The process cannot go on: start the shutdown and exit with an error.
    ShutDown,
    /// Log it; others go on.
    Log,
}

/// The kind of a task: a name for logs and what its failure means. Tasks end by watching their token.
#[derive(Clone, Copy, Debug)]
pub struct TaskKind {
    /// For logs and for naming who is late at shutdown.
    pub name: &'static str,
    /// What an error or a panic means.
    pub on_error: OnError,
}

/// Starts tasks, tells them to stop, waits for them and names who is late. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Supervisor {
    inner: Arc<Inner>,
    token: CancellationToken,
}

#[derive(Debug, Default)]
struct Inner {
    tracker: TaskTracker,
    running: Mutex<BTreeMap<&'static str, usize>>,
    failure: Mutex<Option<String>>,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl Supervisor {
    /// A supervisor with nothing to do yet.
    pub fn new() -> Self {
        Self { inner: Arc::default(), token: CancellationToken::new() }
    }

    /// A supervisor that shares the tasks but can be told to stop on its own: one stage of a staged shutdown.
    pub fn child(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), token: self.token.child_token() }
    }

    /// Cancelled when the shutdown (of this stage) begins.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Starts a task. It must end soon after [`Self::token`] is cancelled.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn<F, E>(&self, kind: TaskKind, future: F) -> JoinHandle<()>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let supervisor = self.clone();
        *self.inner.running.lock().entry(kind.name).or_default() += 1;
        self.inner.tracker.spawn(async move {
            let guard = Running { supervisor: &supervisor, kind, finished: false };
            let result = future.await;
            guard.finish();
            if let Err(error) = result {
                supervisor.failed(kind, &error.to_string());
            }
        })
    }

    /// Starts a helper that nobody waits for and that ends with the process.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub(crate) fn spawn_detached(&self, future: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(future);
    }

    /// Begins the shutdown of this stage.
    pub fn shut_down(&self) {
        self.token.cancel();
    }

    /// The first failure of a task whose kind is [`OnError::ShutDown`].
    pub fn failure(&self) -> Option<String> {
        self.inner.failure.lock().clone()
    }

    /// Waits until all tasks have ended, at most `limit`; returns the names of those that have not.
    pub async fn wait(&self, limit: Duration) -> Vec<&'static str> {
        self.inner.tracker.close();
        if tokio::time::timeout(limit, self.inner.tracker.wait()).await.is_ok() {
            return Vec::new();
        }
        self.inner.running.lock().iter().filter(|(_, count)| **count > 0).map(|(name, _)| *name).collect()
    }

    fn failed(&self, kind: TaskKind, error: &str) {
        tracing::error!(task = kind.name, error, "task failed");
        if kind.on_error == OnError::ShutDown {
            self.inner.failure.lock().get_or_insert_with(|| format!("{}: {error}", kind.name));
            self.token.cancel();
        }
    }
}

/// Counts a task down when it ends, and turns a panic into a failure.
struct Running<'a> {
    supervisor: &'a Supervisor,
    kind: TaskKind,
    finished: bool,
}

impl Running<'_> {
    fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.supervisor.inner.running.lock().get_mut(self.kind.name) {
            *count -= 1;
        }
        if !self.finished && std::thread::panicking() {
            self.supervisor.failed(self.kind, "panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VITAL: TaskKind = TaskKind { name: "vital", on_error: OnError::ShutDown };
    const MINOR: TaskKind = TaskKind { name: "minor", on_error: OnError::Log };

    #[tokio::test]
    async fn a_vital_failure_begins_the_shutdown() {
        let supervisor = Supervisor::new();
        supervisor.spawn(VITAL, async { Err("disk gone") });
        supervisor.token().cancelled().await;
        assert_eq!(supervisor.failure().as_deref(), Some("vital: disk gone"));
    }

    #[tokio::test]
    async fn a_vital_panic_begins_the_shutdown() {
        let supervisor = Supervisor::new();
        supervisor.spawn(VITAL, async {
            if true {
                panic!("on purpose");
            }
            Ok::<(), String>(())
        });
        supervisor.token().cancelled().await;
        assert_eq!(supervisor.failure().as_deref(), Some("vital: panicked"));
    }

    #[tokio::test]
    async fn a_minor_failure_is_only_logged() {
        let supervisor = Supervisor::new();
        supervisor.spawn(MINOR, async { Err("never mind") }).await.expect("task ends");
        assert!(!supervisor.token().is_cancelled());
        assert_eq!(supervisor.failure(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_names_who_is_late() {
        let supervisor = Supervisor::new();
        supervisor.spawn(MINOR, std::future::pending::<Result<(), String>>());
        supervisor.shut_down();
        assert_eq!(supervisor.wait(Duration::from_secs(1)).await, ["minor"]);
    }
}
