//! A client of a real runtime: CRI v1 over gRPC on a unix socket.
//!
//! The connection is made when it is needed and made again after the runtime restarted, so a client outlives its
//! runtime. The interface's event stream is not used: widespread runtimes lack it, so changes are found by listing once a
//! second, as upstream's generic lifecycle event generator does.

mod convert;
mod watch;

use crate::runtime::{Error, ErrorKind, Result, Runtime};
use crate::types::*;
use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use proto::image_service_client::ImageServiceClient;
use proto::runtime_service_client::RuntimeServiceClient;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::broadcast;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};

/// The generated messages and clients.
#[allow(missing_docs, clippy::all, unreachable_pub, reason = "generated from proto/runtime.proto")]
pub(crate) mod proto {
    tonic::include_proto!("runtime.v1");
}

/// How long a call may take (upstream: `runtimeRequestTimeout`).
const CALL_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// Making a sandbox sets up its network, which may take longer (upstream doubles the time).
const SANDBOX_TIMEOUT: Duration = Duration::from_secs(4 * 60);
/// How long fetching an image may take before it counts as failed and is tried again later.
const PULL_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Largest answer; a longer one fails the call (upstream: `maxMsgSize`).
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Changes that a receiver may be behind; beyond, it is told that it lags and looks at everything.
const CHANGES_MAX: usize = 1024;

/// A runtime behind a unix socket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    runtime: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
    changes: broadcast::Sender<Change>,
}

impl Client {
    /// A client of the runtime at this socket; whether it answers shows with the first call. Must be called within a
    /// tokio runtime.
    pub fn connect(socket: &Path) -> Self {
        let socket: Arc<Path> = PathBuf::from(socket).into();
        let connector = tower::service_fn(move |_: Uri| {
            let socket = Arc::clone(&socket);
            async move { UnixStream::connect(&socket).await.map(TokioIo::new) }
        });
        // The address only fills the `:authority` header.
        let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector);
        Self {
            runtime: RuntimeServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX),
            images: ImageServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX),
            changes: broadcast::Sender::new(CHANGES_MAX),
        }
    }

    fn runtime(&self) -> RuntimeServiceClient<Channel> {
        self.runtime.clone()
    }

    async fn sandboxes(&self, filter: proto::PodSandboxFilter) -> Result<Vec<proto::PodSandbox>> {
        let request = proto::ListPodSandboxRequest { filter: Some(filter) };
        let answer = self.runtime().list_pod_sandbox(call(request, CALL_TIMEOUT)).await.map_err(error)?;
        Ok(answer.into_inner().items)
    }

    async fn containers(&self, filter: proto::ContainerFilter) -> Result<Vec<proto::Container>> {
        let request = proto::ListContainersRequest { filter: Some(filter) };
        let answer = self.runtime().list_containers(call(request, CALL_TIMEOUT)).await.map_err(error)?;
        Ok(answer.into_inner().containers)
    }

    /// What the list says and what only the status call says, together.
    async fn full_status(&self, listed: proto::Container) -> Result<ContainerStatus> {
        let request = proto::ContainerStatusRequest { container_id: listed.id.clone(), verbose: false };
        let answer = self.runtime().container_status(call(request, CALL_TIMEOUT)).await.map_err(error)?;
        let status = answer.into_inner().status.unwrap_or_default();
        Ok(convert::container_status(listed.pod_sandbox_id, status))
    }
}

fn call<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

/// In the words that Go's gRPC library prints, because clients show them to users.
fn error(status: Status) -> Error {
    let kind = match status.code() {
        Code::NotFound => ErrorKind::NotFound,
        Code::Unavailable => ErrorKind::Unavailable,
        // Only what went wrong on the way has a cause; an answer of the runtime has none.
        Code::Unknown if std::error::Error::source(&status).is_some() => ErrorKind::Unavailable,
        // The own time limit of a call arrives as a cancellation.
        Code::DeadlineExceeded | Code::Cancelled => ErrorKind::DeadlineExceeded,
        _ => ErrorKind::Other,
    };
    let code = match status.code() {
        Code::Cancelled => "Canceled".to_owned(),
        code => format!("{code:?}"),
    };
    Error::new(kind, format!("rpc error: code = {code} desc = {}", status.message()))
}

/// What is already gone needs no stopping and no removing.
fn gone_is_fine<T>(answer: std::result::Result<T, Status>) -> Result<()> {
    match answer.map_err(error) {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

fn seconds(duration: Duration) -> i64 {
    // A part of a second counts as a whole one, so that a short time limit does not become none.
    i64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}

#[async_trait]
impl Runtime for Client {
    async fn version(&self) -> Result<Version> {
        let request = proto::VersionRequest { version: "v1".to_owned() };
        let answer = self.runtime().version(call(request, CALL_TIMEOUT)).await.map_err(error)?.into_inner();
        Ok(Version { name: answer.runtime_name, version: answer.runtime_version })
    }

    async fn status(&self) -> Result<RuntimeStatus> {
        let request = proto::StatusRequest { verbose: false };
        let answer = self.runtime().status(call(request, CALL_TIMEOUT)).await.map_err(error)?.into_inner();
        Ok(convert::runtime_status(&answer.status.unwrap_or_default().conditions))
    }

    async fn run_pod_sandbox(&self, config: &SandboxConfig) -> Result<String> {
        let request = proto::RunPodSandboxRequest {
            config: Some(convert::sandbox_config(config)),
            runtime_handler: String::new(),
        };
        let answer = self.runtime().run_pod_sandbox(call(request, SANDBOX_TIMEOUT)).await.map_err(error)?;
        Ok(answer.into_inner().pod_sandbox_id)
    }

    async fn stop_pod_sandbox(&self, id: &str) -> Result<()> {
        let request = proto::StopPodSandboxRequest { pod_sandbox_id: id.to_owned() };
        gone_is_fine(self.runtime().stop_pod_sandbox(call(request, CALL_TIMEOUT)).await)
    }

    async fn remove_pod_sandbox(&self, id: &str) -> Result<()> {
        let request = proto::RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() };
        gone_is_fine(self.runtime().remove_pod_sandbox(call(request, CALL_TIMEOUT)).await)
    }

    async fn pod_sandbox_status(&self, id: &str) -> Result<SandboxStatus> {
        let request = proto::PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose: false };
        let answer = self.runtime().pod_sandbox_status(call(request, CALL_TIMEOUT)).await.map_err(error)?;
        Ok(convert::sandbox_status(answer.into_inner().status.unwrap_or_default()))
    }

    async fn list_pod_sandboxes(&self, pod_uid: Option<&str>) -> Result<Vec<SandboxStatus>> {
        let filter = proto::PodSandboxFilter { label_selector: convert::selector(pod_uid), ..Default::default() };
        let mut found = Vec::new();
        for sandbox in self.sandboxes(filter).await? {
            if sandbox.state != i32::from(proto::PodSandboxState::SandboxReady) {
                found.push(convert::listed_sandbox(sandbox));
                continue;
            }
            // Only the status call says the addresses.
            match self.pod_sandbox_status(&sandbox.id).await {
                Ok(status) => found.push(status),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn create_container(&self, sandbox: &str, config: &ContainerConfig, pod: &SandboxConfig) -> Result<String> {
        let request = proto::CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(convert::container_config(config, pod)),
            sandbox_config: Some(convert::sandbox_config(pod)),
        };
        let answer = self.runtime().create_container(call(request, CALL_TIMEOUT)).await.map_err(error)?;
        Ok(answer.into_inner().container_id)
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        let request = proto::StartContainerRequest { container_id: id.to_owned() };
        self.runtime().start_container(call(request, CALL_TIMEOUT)).await.map_err(error)?;
        Ok(())
    }

    async fn stop_container(&self, id: &str, grace: Duration) -> Result<()> {
        let request = proto::StopContainerRequest { container_id: id.to_owned(), timeout: seconds(grace) };
        gone_is_fine(self.runtime().stop_container(call(request, CALL_TIMEOUT + grace)).await)
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        let request = proto::RemoveContainerRequest { container_id: id.to_owned() };
        gone_is_fine(self.runtime().remove_container(call(request, CALL_TIMEOUT)).await)
    }

    async fn container_status(&self, id: &str) -> Result<ContainerStatus> {
        let filter = proto::ContainerFilter { id: id.to_owned(), ..Default::default() };
        match self.containers(filter).await?.pop() {
            Some(listed) => self.full_status(listed).await,
            None => Err(Error::new(ErrorKind::NotFound, format!("container {id:?}: not found"))),
        }
    }

    async fn list_containers(&self, pod_uid: Option<&str>) -> Result<Vec<ContainerStatus>> {
        let filter = proto::ContainerFilter { label_selector: convert::selector(pod_uid), ..Default::default() };
        let mut found = Vec::new();
        for listed in self.containers(filter).await? {
            match self.full_status(listed).await {
                Ok(status) => found.push(status),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn exec_sync(&self, id: &str, command: &[String], timeout: Duration) -> Result<ExecOutput> {
        let request =
            proto::ExecSyncRequest { container_id: id.to_owned(), cmd: command.to_vec(), timeout: seconds(timeout) };
        // The runtime ends the command itself; the call waits a little longer to hear of it.
        let answer = self.runtime().exec_sync(call(request, CALL_TIMEOUT + timeout)).await.map_err(error)?;
        let proto::ExecSyncResponse { stdout, stderr, exit_code } = answer.into_inner();
        Ok(ExecOutput { stdout, stderr, exit_code })
    }

    async fn writable_layer_bytes(&self, id: &str) -> Result<u64> {
        let request = proto::ContainerStatsRequest { container_id: id.to_owned() };
        let answer = self.runtime().container_stats(call(request, CALL_TIMEOUT)).await.map_err(error)?.into_inner();
        let used = answer.stats.and_then(|stats| stats.writable_layer?.used_bytes);
        Ok(used.unwrap_or_default().value)
    }

    async fn reopen_container_log(&self, id: &str) -> Result<()> {
        let request = proto::ReopenContainerLogRequest { container_id: id.to_owned() };
        self.runtime().reopen_container_log(call(request, CALL_TIMEOUT)).await.map(drop).map_err(error)
    }

    async fn log(&self, id: &str) -> Result<String> {
        Err(Error::new(ErrorKind::Other, format!("the log of container {id:?} is a file")))
    }

    async fn pull_image(&self, image: &str, credentials: Option<&Credentials>) -> Result<String> {
        let request = proto::PullImageRequest {
            image: Some(proto::ImageSpec { image: image.to_owned() }),
            auth: credentials.map(convert::credentials),
        };
        let answer = self.images.clone().pull_image(call(request, PULL_TIMEOUT)).await.map_err(error)?;
        Ok(answer.into_inner().image_ref)
    }

    async fn image_status(&self, image: &str) -> Result<Option<Image>> {
        let image = Some(proto::ImageSpec { image: image.to_owned() });
        let request = proto::ImageStatusRequest { image, verbose: false };
        let answer = self.images.clone().image_status(call(request, CALL_TIMEOUT)).await.map_err(error)?;
        Ok(answer.into_inner().image.map(convert::image))
    }

    async fn list_images(&self) -> Result<Vec<Image>> {
        let request = call(proto::ListImagesRequest {}, CALL_TIMEOUT);
        let answer = self.images.clone().list_images(request).await.map_err(error)?;
        Ok(answer.into_inner().images.into_iter().map(convert::image).collect())
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}
