//! A runtime that runs nothing: sandboxes and containers are entries of a table. Simulated nodes and tests use it.
//!
//! Cheap by design: no task and no timer a container. A container that is to end by itself does so when somebody looks,
//! or when the one clock task of the runtime reaches its time. What a container does is said by its image:
//!
//! ```text
//! anything     runs until it is stopped
//! exit:3       ends at once with code 3
//! exit:0:5     ends with code 0 after 5 seconds
//! missing...   cannot be pulled
//! ```
//!
//! A container logs a line when it starts, one when it is told to stop or ends, and nothing else.

mod state;

use crate::runtime::{Error, ErrorKind, Result, Runtime};
use crate::types::*;
use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use state::{Container, Sandbox, State};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// Changes that a receiver may be behind; beyond, it is told that it lags and looks at everything.
const CHANGES_MAX: usize = 1024;

/// How a fake runtime behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time from the call to start a container until it runs.
    pub start_latency: Duration,
    /// Of a thousand calls that make a sandbox or start a container, how many fail.
    pub failures_per_mille: u32,
    /// First address of the pods; the following ones are handed out in order.
    pub first_ip: Ipv4Addr,
    /// Addresses before they are handed out again.
    pub ips: u32,
    /// Chooses which calls fail.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            start_latency: Duration::ZERO,
            failures_per_mille: 0,
            first_ip: Ipv4Addr::new(10, 244, 0, 2),
            ips: 250,
            seed: 0,
        }
    }
}

/// The runtime. Cheap to clone.
#[derive(Clone)]
pub struct FakeRuntime {
    options: Arc<Options>,
    state: Arc<Mutex<State>>,
    changes: broadcast::Sender<Change>,
}

impl FakeRuntime {
    /// An empty runtime.
    pub fn new(options: Options) -> Self {
        let state = State { random: options.seed, ..State::default() };
        Self {
            options: Arc::new(options),
            state: Arc::new(Mutex::new(state)),
            changes: broadcast::Sender::new(CHANGES_MAX),
        }
    }

    /// Ends a running container, as if its process had.
    pub fn crash(&self, container: &str, exit_code: i32) {
        let mut state = self.state.lock();
        if let Some(container) = state.containers.get_mut(container) {
            container.end(exit_code, Timestamp::now());
            let uid = container.pod_uid.clone();
            drop(state);
            self.changed(uid);
        }
    }

    /// When the next container ends by itself; the agent's clock asks, so that the runtime needs no task.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.state.lock().containers.values().filter_map(Container::ends_at).min()
    }

    /// Announces the containers that have ended by now.
    pub fn tick(&self) {
        let now = Timestamp::now();
        let mut state = self.state.lock();
        let mut ended = Vec::new();
        for container in state.containers.values_mut() {
            if container.settle(now) {
                ended.push(container.pod_uid.clone());
            }
        }
        drop(state);
        ended.into_iter().for_each(|uid| self.changed(uid));
    }

    fn changed(&self, pod_uid: String) {
        // Without a receiver nobody needs to know.
        let _ = self.changes.send(Change { pod_uid });
    }

    fn fail_sometimes(&self, what: &str) -> Result<()> {
        if self.options.failures_per_mille > 0
            && self.state.lock().random_below(1000) < u64::from(self.options.failures_per_mille)
        {
            return Err(Error::new(ErrorKind::Other, format!("{what}: injected failure")));
        }
        Ok(())
    }
}

fn not_found(what: &str, id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{what} {id:?}: not found"))
}

#[async_trait]
impl Runtime for FakeRuntime {
    async fn version(&self) -> Result<Version> {
        Ok(Version { name: "fake".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
    }

    async fn status(&self) -> Result<RuntimeStatus> {
        Ok(RuntimeStatus { runtime_ready: true, network_ready: true, message: String::new() })
    }

    async fn run_pod_sandbox(&self, config: &SandboxConfig) -> Result<String> {
        self.fail_sometimes("sandbox")?;
        let mut state = self.state.lock();
        let id = state.next_id();
        let ips = if config.host.network { Vec::new() } else { vec![state.next_ip(&self.options)] };
        let sandbox = Sandbox::new(id.clone(), config, ips, Timestamp::now());
        state.sandboxes.insert(id.clone(), sandbox);
        drop(state);
        self.changed(config.uid.clone());
        Ok(id)
    }

    async fn stop_pod_sandbox(&self, id: &str) -> Result<()> {
        let now = Timestamp::now();
        let mut state = self.state.lock();
        let Some(sandbox) = state.sandboxes.get_mut(id) else { return Ok(()) };
        sandbox.ready = false;
        sandbox.ips.clear();
        let uid = sandbox.uid.clone();
        for container in state.containers.values_mut().filter(|container| container.sandbox_id == id) {
            container.end(137, now);
        }
        drop(state);
        self.changed(uid);
        Ok(())
    }

    async fn remove_pod_sandbox(&self, id: &str) -> Result<()> {
        let mut state = self.state.lock();
        let Some(sandbox) = state.sandboxes.remove(id) else { return Ok(()) };
        state.containers.retain(|_, container| container.sandbox_id != id);
        drop(state);
        self.changed(sandbox.uid);
        Ok(())
    }

    async fn pod_sandbox_status(&self, id: &str) -> Result<SandboxStatus> {
        self.state.lock().sandboxes.get(id).map(Sandbox::status).ok_or_else(|| not_found("sandbox", id))
    }

    async fn list_pod_sandboxes(&self, pod_uid: Option<&str>) -> Result<Vec<SandboxStatus>> {
        let state = self.state.lock();
        let wanted = |sandbox: &&Sandbox| pod_uid.is_none_or(|uid| sandbox.uid == uid);
        Ok(state.sandboxes.values().filter(wanted).map(Sandbox::status).collect())
    }

    async fn create_container(&self, sandbox: &str, config: &ContainerConfig, pod: &SandboxConfig) -> Result<String> {
        let mut state = self.state.lock();
        if !state.sandboxes.get(sandbox).is_some_and(|sandbox| sandbox.ready) {
            return Err(not_found("sandbox", sandbox));
        }
        let id = state.next_id();
        state.containers.insert(id.clone(), Container::new(id.clone(), sandbox, config, pod, Timestamp::now()));
        Ok(id)
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        if let Err(error) = self.fail_sometimes("container") {
            if let Some(container) = self.state.lock().containers.get_mut(id) {
                container.fail_to_start(&error.message, Timestamp::now());
            }
            return Err(error);
        }
        if !self.options.start_latency.is_zero() {
            tokio::time::sleep(self.options.start_latency).await;
        }
        let mut state = self.state.lock();
        let container = state.containers.get_mut(id).ok_or_else(|| not_found("container", id))?;
        container.start(Timestamp::now());
        let uid = container.pod_uid.clone();
        drop(state);
        self.changed(uid);
        Ok(())
    }

    async fn stop_container(&self, id: &str, _grace: Duration) -> Result<()> {
        let mut state = self.state.lock();
        let Some(container) = state.containers.get_mut(id) else { return Ok(()) };
        container.end(143, Timestamp::now());
        let uid = container.pod_uid.clone();
        drop(state);
        self.changed(uid);
        Ok(())
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        self.state.lock().containers.remove(id);
        Ok(())
    }

    async fn container_status(&self, id: &str) -> Result<ContainerStatus> {
        let mut state = self.state.lock();
        let container = state.containers.get_mut(id).ok_or_else(|| not_found("container", id))?;
        container.settle(Timestamp::now());
        Ok(container.status())
    }

    async fn list_containers(&self, pod_uid: Option<&str>) -> Result<Vec<ContainerStatus>> {
        let now = Timestamp::now();
        let mut state = self.state.lock();
        let wanted = |container: &&mut Container| pod_uid.is_none_or(|uid| container.pod_uid == uid);
        let look = |container: &mut Container| {
            container.settle(now);
            container.status()
        };
        Ok(state.containers.values_mut().filter(wanted).map(look).collect())
    }

    async fn exec_sync(&self, id: &str, command: &[String], _timeout: Duration) -> Result<ExecOutput> {
        let state = self.state.lock();
        let container = state.containers.get(id).ok_or_else(|| not_found("container", id))?;
        if container.state != ContainerState::Running {
            return Err(Error::new(ErrorKind::Other, format!("container {id:?} is not running")));
        }
        // Nothing runs; a command that is called `false` fails, so that probes can be tried.
        Ok(ExecOutput {
            exit_code: i32::from(command.first().is_some_and(|name| name == "false")),
            ..ExecOutput::default()
        })
    }

    async fn writable_layer_bytes(&self, _id: &str) -> Result<u64> {
        Ok(0)
    }

    /// There are no files.
    async fn reopen_container_log(&self, _id: &str) -> Result<()> {
        Ok(())
    }

    async fn log(&self, id: &str) -> Result<String> {
        let mut state = self.state.lock();
        let container = state.containers.get_mut(id).ok_or_else(|| not_found("container", id))?;
        container.settle(Timestamp::now());
        Ok(container.log())
    }

    async fn pull_image(&self, image: &str, _credentials: Option<&Credentials>) -> Result<String> {
        if image.starts_with("missing") {
            return Err(Error::new(ErrorKind::NotFound, format!("failed to pull image {image:?}: not found")));
        }
        self.state.lock().images.insert(image.to_owned());
        Ok(image_ref(image))
    }

    async fn image_status(&self, image: &str) -> Result<Option<Image>> {
        if !self.state.lock().images.contains(image) {
            return Ok(None);
        }
        Ok(Some(Image { id: image_ref(image), tags: vec![image.to_owned()], ..Image::default() }))
    }

    async fn list_images(&self) -> Result<Vec<Image>> {
        let state = self.state.lock();
        let image = |name: &String| Image { id: image_ref(name), tags: vec![name.clone()], ..Image::default() };
        Ok(state.images.iter().map(image).collect())
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}

fn image_ref(image: &str) -> String {
    format!("fake://{image}")
}

#[cfg(test)]
mod tests;
