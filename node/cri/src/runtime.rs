//! The seam between the agent and a container runtime.

use crate::types::*;
use async_trait::async_trait;
use std::time::Duration;
use tokio::sync::broadcast;

/// Result of a runtime call.
pub type Result<T> = std::result::Result<T, Error>;

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such sandbox, container or image.
    NotFound,
    /// The runtime is not there, or did not answer in time: try again.
    Unavailable,
    /// The call itself took too long (an exec, a stop).
    DeadlineExceeded,
    /// The runtime refused; its text says why.
    Other,
}

/// A runtime's refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// The runtime's words.
    pub message: String,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The runtime's own words, without what gRPC puts before them.
    pub fn description(&self) -> &str {
        let after = self.message.strip_prefix("rpc error: code = ").and_then(|rest| rest.split_once(" desc = "));
        after.map_or(self.message.as_str(), |(_, words)| words)
    }

    /// Whether the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}

/// A container runtime (CRI v1, `runtime.v1.RuntimeService` and `ImageService`). Calls are idempotent where the
/// interface says so: stopping or removing what is not there succeeds.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Name and version.
    async fn version(&self) -> Result<Version>;
    /// Whether runtime and network are ready.
    async fn status(&self) -> Result<RuntimeStatus>;
    /// Makes a pod's sandbox and its network; returns its id.
    async fn run_pod_sandbox(&self, config: &SandboxConfig) -> Result<String>;
    /// Stops a sandbox and everything in it, and takes its network down.
    async fn stop_pod_sandbox(&self, id: &str) -> Result<()>;
    /// Removes a stopped sandbox and its containers.
    async fn remove_pod_sandbox(&self, id: &str) -> Result<()>;
    /// State and addresses of a sandbox.
    async fn pod_sandbox_status(&self, id: &str) -> Result<SandboxStatus>;
    /// The sandboxes of a pod, or all.
    async fn list_pod_sandboxes(&self, pod_uid: Option<&str>) -> Result<Vec<SandboxStatus>>;
    /// Makes a container; returns its id.
    async fn create_container(&self, sandbox: &str, config: &ContainerConfig, pod: &SandboxConfig) -> Result<String>;
    /// Starts it.
    async fn start_container(&self, id: &str) -> Result<()>;
    /// Sends its stop signal, and kills it after the grace period.
    async fn stop_container(&self, id: &str, grace: Duration) -> Result<()>;
    /// Removes a container that does not run.
    async fn remove_container(&self, id: &str) -> Result<()>;
    /// State of a container.
    async fn container_status(&self, id: &str) -> Result<ContainerStatus>;
    /// The containers of a pod, or all.
    async fn list_containers(&self, pod_uid: Option<&str>) -> Result<Vec<ContainerStatus>>;
    /// Runs a command in a container.
    async fn exec_sync(&self, id: &str, command: &[String], timeout: Duration) -> Result<ExecOutput>;
    /// Bytes that a container's own layer of files takes.
    async fn writable_layer_bytes(&self, id: &str) -> Result<u64>;
    /// The log of a container, of a runtime that writes no files: lines of the runtime interface's format.
    async fn log(&self, id: &str) -> Result<String>;
    /// Makes the runtime go on in a new file where a running container's log was moved away.
    async fn reopen_container_log(&self, id: &str) -> Result<()>;
    /// Fetches an image; returns its reference.
    async fn pull_image(&self, image: &str, credentials: Option<&Credentials>) -> Result<String>;
    /// The images that are here.
    async fn list_images(&self) -> Result<Vec<Image>>;
    /// The image, if it is here.
    async fn image_status(&self, image: &str) -> Result<Option<Image>>;
    /// Tells which pods changed. A receiver that lags must look at everything again.
    fn changes(&self) -> broadcast::Receiver<Change>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtimes_words_are_told_without_those_of_the_wire() {
        let error = |text: &str| Error::new(ErrorKind::Other, text);
        assert_eq!(error("rpc error: code = Unknown desc = no: file").description(), "no: file");
        assert_eq!(error("no file").description(), "no file");
    }
}
