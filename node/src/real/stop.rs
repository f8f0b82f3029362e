//! Stops everything that runs in a containerd of our own, while no agent looks after it.

use super::CONTAINERD;
use crate::agent::StartError;
use daemon::Supervisor;
use futures::future::{join_all, try_join_all};
use node_cri::supervise::{Containerd, Tools};
use node_cri::{Client, ContainerState, Error, Runtime, SandboxStatus};
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

/// What containers get to end by themselves.
const GRACE: Duration = Duration::from_secs(10);
/// How long containerd may take to end after that.
const STOP_MAX: Duration = Duration::from_secs(15);

/// Stops all containers and takes their networks down; containers and their logs stay for the next agent, which starts
/// them again. Returns how many pods were running.
///
/// # Errors
/// containerd does not start, or a pod cannot be stopped; the others are.
pub async fn stop_containers(directory: &Path, tools: Tools, pod_cidr: ipnet::IpNet) -> Result<usize, StartError> {
    let containerd = Containerd::configure(directory, tools, pod_cidr)?;
    let runtime = Client::connect(&containerd.socket());
    let supervisor = Supervisor::new();
    let (running, until) = (containerd.clone(), supervisor.token().clone());
    supervisor.spawn(CONTAINERD, async move {
        running.run(until).await;
        Ok::<(), Infallible>(())
    });
    let stopped = stop_all(&containerd, &runtime).await;
    supervisor.shut_down();
    let late = supervisor.wait(STOP_MAX).await;
    if !late.is_empty() {
        tracing::warn!(?late, "still running");
    }
    Ok(stopped?)
}

async fn stop_all(containerd: &Containerd, runtime: &Client) -> Result<usize, Error> {
    containerd.ready(runtime).await?;
    let mut sandboxes = runtime.list_pod_sandboxes(None).await?;
    sandboxes.retain(|sandbox| sandbox.ready);
    let stops = sandboxes.iter().map(|sandbox| stop(runtime, sandbox));
    join_all(stops).await.into_iter().collect::<Result<Vec<()>, Error>>()?;
    Ok(sandboxes.len())
}

async fn stop(runtime: &Client, sandbox: &SandboxStatus) -> Result<(), Error> {
    let containers = runtime.list_containers(Some(&sandbox.uid)).await?;
    let running = containers.iter().filter(|one| one.state == ContainerState::Running);
    try_join_all(running.map(|one| runtime.stop_container(&one.id, GRACE))).await?;
    runtime.stop_pod_sandbox(&sandbox.id).await
}
