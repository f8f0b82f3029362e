//! What the runtime says about one pod.

use k8s_openapi::api::core::v1::Pod;
use node_cri::{ContainerState, ContainerStatus, Error, Runtime, SandboxStatus};

/// Sandboxes and containers of one pod, newest first.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Newest first.
    pub sandboxes: Vec<SandboxStatus>,
    /// By attempt, newest first.
    pub containers: Vec<ContainerStatus>,
}

impl Observed {
    /// Asks the runtime.
    ///
    /// # Errors
    /// The runtime did not answer.
    pub async fn read(runtime: &dyn Runtime, uid: &str) -> Result<Self, Error> {
        let mut sandboxes = runtime.list_pod_sandboxes(Some(uid)).await?;
        let mut containers = runtime.list_containers(Some(uid)).await?;
        sandboxes.sort_by_key(|sandbox| std::cmp::Reverse((sandbox.created_at, sandbox.attempt)));
        containers.sort_by_key(|container| std::cmp::Reverse((container.attempt, container.created_at)));
        Ok(Self { sandboxes, containers })
    }

    /// The sandbox that containers can be put into.
    pub fn sandbox(&self) -> Option<&SandboxStatus> {
        self.sandboxes.first().filter(|sandbox| sandbox.ready)
    }

    /// The newest container of this name in the current sandbox.
    pub fn current(&self, name: &str) -> Option<&ContainerStatus> {
        let sandbox = self.sandbox()?;
        self.containers.iter().find(|container| container.name == name && container.sandbox_id == sandbox.id)
    }

    /// The containers of this name, newest first, whatever their sandbox.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ContainerStatus> {
        self.containers.iter().filter(move |container| container.name == name)
    }

    /// The newest container of this name, whatever its sandbox.
    pub fn newest<'a>(&'a self, name: &'a str) -> Option<&'a ContainerStatus> {
        self.all(name).next()
    }

    /// Containers that run.
    pub fn running(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.containers.iter().filter(|container| container.state == ContainerState::Running)
    }

    /// Whether nothing of the pod is left that runs or can run.
    pub fn is_stopped(&self) -> bool {
        self.running().next().is_none() && self.sandboxes.iter().all(|sandbox| !sandbox.ready)
    }
}

/// Init containers that go on running beside the others.
pub fn is_sidecar(container: &k8s_openapi::api::core::v1::Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// The pod's uid; empty for one that no server sent.
pub fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}
