//! One pod's worker: looks, decides, acts, reports, waits for a change.

mod images;
mod stopping;

use super::backoff::Backoff;
use super::observed::{Observed, uid};
use super::plan::{self, Action, Health, Plan};
use super::{config, status};
use crate::events::Recorder;
use crate::logs;
use crate::materials::fields::find;
use crate::materials::storage;
use crate::materials::{ConfigError, Materials};
use crate::options::Options;
use crate::probes::ask::Target;
use crate::probes::{self, Probes};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use node_cri::{ContainerState, Error, Runtime, SandboxConfig};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Before a failed runtime call or status write is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Before a container is tried again that lacks an image or something else (upstream: `backOffPeriod`).
const RETRY_WAITING: Duration = Duration::from_secs(10);
/// A pod without a grace period of its own gets upstream's default.
const GRACE_SECONDS: i64 = 30;

/// What all workers of an agent share.
pub struct Shared {
    pub(crate) client: Client,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) recorder: Recorder,
    pub(crate) options: Arc<Options>,
    /// What real containers need; simulated ones need nothing.
    pub(crate) materials: Option<Arc<Materials>>,
    /// Scheme of container ids.
    pub(crate) runtime_name: String,
}

impl Shared {
    /// Where the containers of a pod log to; simulated ones do not.
    fn log_directory(&self, pod: &Pod) -> String {
        self.options.real.as_ref().map(|real| config::log_directory(&real.root, pod)).unwrap_or_default()
    }
}

/// One pod's worker.
pub struct Worker {
    shared: Arc<Shared>,
    pod: watch::Receiver<Arc<Pod>>,
    wake: Arc<Notify>,
    removed: CancellationToken,
    backoff: Backoff,
    health: Health,
    context: status::Context,
    probes: Probes,
    volumes: storage::State,
    /// The last complaint about volumes, so that it is not repeated at every look.
    volume_complaint: Option<String>,
    pulls: images::Pulls,
    /// Ids of containers that were told to end.
    stopping: BTreeSet<String>,
    /// Containers that back off, as of the last look.
    backing_off: BTreeSet<String>,
}

impl Worker {
    /// A worker for the pod in `pod`; `wake` is notified when the runtime reports a change of it, and `removed` is
    /// cancelled when the API server knows it no more.
    pub fn new(
        shared: Arc<Shared>,
        pod: watch::Receiver<Arc<Pod>>,
        wake: Arc<Notify>,
        removed: CancellationToken,
    ) -> Self {
        let context = status::Context {
            host_ip: shared.options.node_ip.to_string(),
            runtime: shared.runtime_name.clone(),
            ..status::Context::default()
        };
        Self {
            shared,
            pod,
            wake,
            removed,
            backoff: Backoff::default(),
            health: Health::default(),
            context,
            probes: Probes::default(),
            volumes: storage::State::default(),
            volume_complaint: None,
            pulls: images::Pulls::default(),
            stopping: BTreeSet::new(),
            backing_off: BTreeSet::new(),
        }
    }

    /// Runs until the pod is gone or the agent stops. A stopping agent leaves the pod running.
    pub async fn run(mut self, token: CancellationToken) {
        while !token.is_cancelled() {
            let woken = Arc::clone(&self.wake);
            let woken = woken.notified();
            let pod = self.pod.borrow_and_update().clone();
            let outcome = self.step(&pod).await;
            if self.removed.is_cancelled() {
                return self.clean_up(&pod).await;
            }
            let wait = match outcome {
                Ok(Outcome::Gone) => return,
                Ok(Outcome::Again) => continue,
                Ok(Outcome::Wait(wait)) => wait,
                Err(error) => {
                    tracing::debug!(pod = pod.metadata.name, %error, "will try again");
                    Some(RETRY)
                }
            };
            let later = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = self.removed.cancelled() => return self.clean_up(&pod).await,
                () = woken => {}
                () = later => {}
                changed = self.pod.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn step(&mut self, pod: &Arc<Pod>) -> Result<Outcome, Failure> {
        let mut observed = Observed::read(self.shared.runtime.as_ref(), uid(pod)).await?;
        self.read_last_words(pod, &mut observed).await;
        if self.shared.materials.is_some() {
            let (health, unready) = (&mut self.health, &mut self.context.unready);
            let (runtime, recorder) = (&self.shared.runtime, &self.shared.recorder);
            self.probes.apply(pod, &observed, runtime, recorder, &self.wake, health, unready);
        }
        let now = Timestamp::now();
        let plan = plan::plan(pod, &observed, &self.backoff, &self.health, now);
        let mut acted = false;
        let creates = |action: &Action| matches!(action, Action::CreateSandbox(_) | Action::Start { .. });
        if plan.actions.iter().any(creates) || self.volumes.is_made() {
            self.ensure_volumes(pod, &observed, &plan, now).await?;
        }
        for action in &plan.actions {
            if *action == Action::Finish {
                self.report(pod, &observed, &plan, now).await?;
                return self.finish(pod, &observed).await;
            }
            acted |= self.act(pod, &observed, action).await?;
        }
        if acted {
            return Ok(Outcome::Again);
        }
        self.report(pod, &observed, &plan, now).await?;
        let retry = (!self.context.waiting.is_empty()).then_some(RETRY_WAITING);
        let again = plan.look_again_seconds.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0) + 1));
        let refresh = self.shared.materials.as_ref().and_then(|_| self.volumes.refresh_in(pod));
        let refresh = refresh.filter(|_| self.volumes.is_made()).map(|wait| wait.max(RETRY));
        Ok(Outcome::Wait(retry.into_iter().chain(again).chain(refresh).min()))
    }

    /// Carries out one action; says whether it changed something.
    async fn act(&mut self, pod: &Pod, observed: &Observed, action: &Action) -> Result<bool, Failure> {
        let runtime = Arc::clone(&self.shared.runtime);
        match action {
            Action::CreateSandbox(attempt) => {
                for old in observed.sandboxes.iter().filter(|sandbox| sandbox.ready) {
                    runtime.stop_pod_sandbox(&old.id).await?;
                }
                if !observed.sandboxes.is_empty() {
                    let message = "Pod sandbox changed, it will be killed and re-created.".to_owned();
                    self.shared.recorder.pod(pod, None, false, "SandboxChanged", message);
                }
                let sandbox = self.sandbox_config(pod, *attempt).await;
                if let Err(error) = runtime.run_pod_sandbox(&sandbox).await {
                    let message = format!("Failed to create pod sandbox: {error}");
                    self.shared.recorder.pod(pod, None, true, "FailedCreatePodSandBox", message);
                    return Err(error.into());
                }
                Ok(true)
            }
            Action::Start { name, attempt } => self.start(pod, observed, name, *attempt).await,
            Action::Stop { id, reason, grace_seconds } => {
                let Some(one) = observed.containers.iter().find(|one| one.id == *id) else { return Ok(false) };
                if !self.stopping.contains(id) {
                    let message = format!("Container {} {reason}, will be restarted", one.name);
                    self.shared.recorder.pod(pod, Some(&one.name), false, "Killing", message);
                }
                let own = grace_seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
                self.stop(pod, observed, &[(one, own.unwrap_or_else(|| grace(pod)))]).await
            }
            Action::StopPod => self.stop_pod(pod, observed).await,
            Action::Remove(id) => {
                runtime.remove_container(id).await?;
                Ok(false)
            }
            Action::Finish => Ok(false),
        }
    }

    /// Says false when the container has to wait, with the reason in `context.waiting`.
    async fn start(&mut self, pod: &Pod, observed: &Observed, name: &str, attempt: u32) -> Result<bool, Failure> {
        let spec = pod.spec.clone().unwrap_or_default();
        let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        let Some(container) = containers.into_iter().find(|container| container.name == name) else { return Ok(false) };
        let Some(sandbox) = observed.sandbox() else { return Ok(false) };
        if !self.ensure_image(pod, container).await? {
            return Ok(false);
        }
        let runtime = Arc::clone(&self.shared.runtime);
        let sandbox_config = self.sandbox_config(pod, sandbox.attempt).await;
        let container_config = match self.shared.materials.clone() {
            None => config::container(pod, container, attempt),
            Some(materials) => {
                let image = container.image.as_deref().unwrap_or_default();
                let image = runtime.image_status(image).await?.unwrap_or_default();
                match materials.container(pod, container, sandbox, &image, attempt).await {
                    Ok(config) => config,
                    Err(ConfigError::Api(error)) => return Err(error.into()),
                    Err(error) => return Ok(self.cannot_start(pod, name, "CreateContainerConfigError", &error)),
                }
            }
        };
        let created = runtime.create_container(&sandbox.id, &container_config, &sandbox_config).await;
        let id = match created {
            Ok(id) => id,
            Err(error) => return Ok(self.cannot_start(pod, name, "CreateContainerError", &error)),
        };
        self.shared.recorder.pod(pod, Some(name), false, "Created", "Container created".to_owned());
        if let Err(error) = runtime.start_container(&id).await {
            runtime.remove_container(&id).await?;
            return Ok(self.cannot_start(pod, name, "RunContainerError", &error));
        }
        self.shared.recorder.pod(pod, Some(name), false, "Started", "Container started".to_owned());
        self.context.waiting.remove(name);
        self.post_start(pod, observed, container, &id).await?;
        if let Some(last) = observed.newest(name) {
            self.backoff.restarted(name, last.finished_at.unwrap_or(last.created_at), Timestamp::now());
        }
        Ok(true)
    }

    fn cannot_start(&mut self, pod: &Pod, name: &str, reason: &str, error: &dyn std::fmt::Display) -> bool {
        self.shared.recorder.pod(pod, Some(name), true, "Failed", format!("Error: {error}"));
        self.context.waiting.insert(name.to_owned(), (reason.to_owned(), error.to_string()));
        false
    }

    fn target(&self, pod: &Pod, observed: &Observed, id: &str) -> Target {
        Target {
            container_id: id.to_owned(),
            pod_ip: probes::address(pod, observed),
            runtime: Arc::clone(&self.shared.runtime),
        }
    }

    async fn sandbox_config(&self, pod: &Pod, attempt: u32) -> SandboxConfig {
        let sandbox = config::sandbox(pod, attempt, self.shared.log_directory(pod));
        match &self.shared.materials {
            Some(materials) => materials.sandbox(pod, sandbox).await,
            None => sandbox,
        }
    }

    /// Until the volumes are there the pod waits with `ContainerCreating`; later failures leave the old files.
    async fn ensure_volumes(
        &mut self,
        pod: &Pod,
        observed: &Observed,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let Some(materials) = self.shared.materials.clone() else { return Ok(()) };
        let ips = observed.sandbox().map(|sandbox| sandbox.ips.clone()).unwrap_or_default();
        let Err(complaint) = materials.ensure_volumes(pod, &ips, &mut self.volumes).await else {
            self.volume_complaint = None;
            return Ok(());
        };
        if self.volume_complaint.as_ref() != Some(&complaint) {
            self.shared.recorder.pod(pod, None, true, "FailedMount", complaint.clone());
            self.volume_complaint = Some(complaint.clone());
        }
        if self.volumes.is_made() {
            return Ok(());
        }
        self.report(pod, observed, plan, now).await?;
        Err(Failure::Volumes(complaint))
    }

    /// Adds to containers that ended what they wrote as their termination message, or last into their log.
    async fn read_last_words(&self, pod: &Pod, observed: &mut Observed) {
        let Some(materials) = &self.shared.materials else { return };
        let ended = observed.containers.iter_mut().filter(|one| one.state == ContainerState::Exited);
        for one in ended.filter(|one| one.message.is_empty()) {
            let words = materials.termination_message(uid(pod), &one.name, one.attempt).await;
            one.message = words.unwrap_or_default();
            let policy = find(pod, &one.name).and_then(|container| container.termination_message_policy.as_deref());
            if one.message.is_empty() && one.exit_code != 0 && policy == Some("FallbackToLogsOnError") {
                one.message = logs::last_words(Path::new(&one.log_path)).await.unwrap_or_default();
            }
        }
    }

    async fn report(&mut self, pod: &Pod, observed: &Observed, plan: &Plan, now: Timestamp) -> Result<(), Failure> {
        for name in &plan.backing_off {
            self.context.backoff_seconds.insert(name.clone(), self.backoff.wait_seconds(name));
            if !self.backing_off.contains(name) {
                let message = format!("Back-off restarting failed container {name} in pod {}", status::full_name(pod));
                self.shared.recorder.pod(pod, Some(name), true, "BackOff", message);
            }
        }
        self.backing_off.clone_from(&plan.backing_off);
        let status = status::status(pod, observed, plan, &self.health, &self.context, now);
        if !status::differs(pod, &status) {
            return Ok(());
        }
        let patch = json!({ "metadata": { "uid": uid(pod) }, "status": status });
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        match self.pods(pod).patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn pods(&self, pod: &Pod) -> Api<Pod> {
        Api::namespaced(self.shared.client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default())
    }
}

enum Outcome {
    /// Something was done: look again at once.
    Again,
    /// Nothing to do for now.
    Wait(Option<Duration>),
    /// The pod is no more.
    Gone,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("container runtime: {0}")]
    Runtime(#[from] Error),
    #[error("API server: {0}")]
    Api(#[from] kube::Error),
    #[error("{0}")]
    Volumes(String),
}

fn grace(pod: &Pod) -> Duration {
    let asked = pod.metadata.deletion_grace_period_seconds;
    let own = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    Duration::from_secs(u64::try_from(asked.or(own).unwrap_or(GRACE_SECONDS)).unwrap_or(0))
}
