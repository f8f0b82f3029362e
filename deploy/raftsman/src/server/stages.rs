//! The order of stopping: clients of the API, then the API server, then the store.

use anyhow::{Result, bail};
use api::server::Handle;
use daemon::Supervisor;
use std::future::Future;
use std::time::Duration;

/// How long the tasks of one stage may take to end.
const STAGE_MAX: Duration = Duration::from_secs(10);

/// A supervisor a stage.
#[derive(Default)]
pub(super) struct Stages {
    pub(super) clients: Supervisor,
    pub(super) api: Supervisor,
    pub(super) store: Supervisor,
}

impl Stages {
    /// Waits for a signal, or for a vital task of any stage to fail.
    pub(super) async fn until_stopped(&self, signal: impl Future<Output = std::io::Result<()>>) -> Result<()> {
        tokio::select! {
            outcome = signal => outcome?,
            () = self.api.token().cancelled() => {}
            () = self.store.token().cancelled() => {}
        }
        Ok(())
    }

    /// Stops stage after stage; names who is late; returns the first failure.
    pub(super) async fn shut_down(&self, api: &Handle, member: &store::Member) -> Result<()> {
        stop("clients", &self.clients).await;
        api.drain().await;
        stop("API server", &self.api).await;
        member.shut_down().await;
        stop("store", &self.store).await;
        let failures = [&self.store, &self.api, &self.clients].map(Supervisor::failure);
        match failures.into_iter().flatten().next() {
            Some(failure) => bail!(failure),
            None => Ok(()),
        }
    }
}

async fn stop(stage: &str, supervisor: &Supervisor) {
    supervisor.shut_down();
    let late = supervisor.wait(STAGE_MAX).await;
    if !late.is_empty() {
        tracing::warn!(stage, ?late, "tasks did not end in time");
    }
}
