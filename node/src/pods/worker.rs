//! One pod's worker: looks, decides, acts, reports, waits for a change.

use super::backoff::Backoff;
use super::observed::{Observed, uid};
use super::plan::{self, Action, Health, Plan};
use super::{config, status};
use crate::events::Recorder;
use crate::hooks;
use crate::materials::fields::find;
use crate::materials::storage;
use crate::materials::{ConfigError, Materials};
use crate::options::Options;
use crate::probes::ask::Target;
use crate::probes::{self, Probes};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client};
use node_cri::{ContainerState, Error, Runtime, SandboxConfig};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Before a failed runtime call or status write is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// A pod without a grace period of its own gets upstream's default.
const GRACE_SECONDS: i64 = 30;
/// What a container gets after a hook that used up the grace period (upstream: 2 s).
const GRACE_MIN: Duration = Duration::from_secs(2);

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
    backoff: Backoff,
    health: Health,
    context: status::Context,
    probes: Probes,
    volumes: storage::State,
    /// The last complaint about volumes, so that it is not repeated at every look.
    volume_complaint: Option<String>,
}

impl Worker {
    /// A worker for the pod in `pod`; `wake` is notified when the runtime reports a change of it.
    pub fn new(shared: Arc<Shared>, pod: watch::Receiver<Arc<Pod>>, wake: Arc<Notify>) -> Self {
        let context = status::Context {
            host_ip: shared.options.node_ip.to_string(),
            runtime: shared.runtime_name.clone(),
            ..status::Context::default()
        };
        Self {
            shared,
            pod,
            wake,
            backoff: Backoff::default(),
            health: Health::default(),
            context,
            probes: Probes::default(),
            volumes: storage::State::default(),
            volume_complaint: None,
        }
    }

    /// Runs until the pod is gone or the agent stops. A stopping agent leaves the pod running.
    pub async fn run(mut self, token: CancellationToken) {
        loop {
            let woken = Arc::clone(&self.wake);
            let woken = woken.notified();
            let pod = self.pod.borrow_and_update().clone();
            let wait = match self.step(&pod).await {
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
                () = token.cancelled() => return,
                () = woken => {}
                () = later => {}
                changed = self.pod.changed() => if changed.is_err() { return self.clean_up(&pod).await },
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
        let retry = (!self.context.waiting.is_empty()).then_some(RETRY);
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
                let sandbox = self.sandbox_config(pod, *attempt).await;
                if let Err(error) = runtime.run_pod_sandbox(&sandbox).await {
                    let message = format!("Failed to create pod sandbox: {error}");
                    self.shared.recorder.pod(pod, None, true, "FailedCreatePodSandBox", message);
                    return Err(error.into());
                }
                Ok(true)
            }
            Action::Start { name, attempt } => self.start(pod, observed, name, *attempt).await,
            Action::Stop { id, reason } => {
                let name = observed.containers.iter().find(|one| one.id == *id).map_or("", |one| one.name.as_str());
                let message = format!("Container {name} {reason}, will be restarted");
                self.shared.recorder.pod(pod, Some(name), false, "Killing", message);
                self.stop(pod, observed, name, id).await?;
                self.health.failed.remove(name);
                Ok(true)
            }
            Action::StopPod => {
                let running: Vec<_> = observed.running().collect();
                for one in &running {
                    let message = format!("Stopping container {}", one.name);
                    self.shared.recorder.pod(pod, Some(&one.name), false, "Killing", message);
                }
                let stops = running.iter().map(|one| self.stop(pod, observed, &one.name, &one.id));
                futures::future::try_join_all(stops).await?;
                for sandbox in observed.sandboxes.iter().filter(|sandbox| sandbox.ready) {
                    runtime.stop_pod_sandbox(&sandbox.id).await?;
                }
                Ok(true)
            }
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

    async fn ensure_image(&mut self, pod: &Pod, container: &Container) -> Result<bool, Failure> {
        let image = container.image.as_deref().unwrap_or_default();
        let policy = container.image_pull_policy.as_deref().unwrap_or("IfNotPresent");
        let present = self.shared.runtime.image_status(image).await?.is_some();
        let name = container.name.as_str();
        match (policy, present) {
            ("Never", false) => {
                let message = format!("Container image {image:?} is not present with pull policy of Never");
                self.shared.recorder.pod(pod, Some(name), true, "ErrImageNeverPull", message.clone());
                self.context.waiting.insert(name.to_owned(), ("ErrImageNeverPull".to_owned(), message));
                return Ok(false);
            }
            ("Never" | "IfNotPresent", true) => {
                let message = format!("Container image {image:?} already present on machine");
                self.shared.recorder.pod(pod, Some(name), false, "Pulled", message);
                return Ok(true);
            }
            _ => {}
        }
        self.shared.recorder.pod(pod, Some(name), false, "Pulling", format!("Pulling image {image:?}"));
        match self.shared.runtime.pull_image(image).await {
            Ok(_) => Ok(true),
            Err(error) => {
                let message = format!("Failed to pull image {image:?}: {error}");
                self.shared.recorder.pod(pod, Some(name), true, "Failed", message.clone());
                self.context.waiting.insert(name.to_owned(), ("ErrImagePull".to_owned(), message));
                Ok(false)
            }
        }
    }

    fn cannot_start(&mut self, pod: &Pod, name: &str, reason: &str, error: &dyn std::fmt::Display) -> bool {
        self.shared.recorder.pod(pod, Some(name), true, "Failed", format!("Error: {error}"));
        self.context.waiting.insert(name.to_owned(), (reason.to_owned(), error.to_string()));
        false
    }

    /// Runs the hook before the stop, and gives the container what is left of the grace period.
    async fn stop(&self, pod: &Pod, observed: &Observed, name: &str, id: &str) -> Result<(), Error> {
        let mut left = grace(pod);
        let container = find(pod, name).filter(|_| self.shared.materials.is_some() && !left.is_zero());
        let hook = container.and_then(|container| Some((container, container.lifecycle.as_ref()?.pre_stop.as_ref()?)));
        if let Some((container, hook)) = hook {
            let began = tokio::time::Instant::now();
            if let Err(error) = hooks::run(&self.target(pod, observed, id), container, hook, left).await {
                tracing::debug!(pod = pod.metadata.name, container = name, error, "preStop hook failed");
                let message = "PreStopHook failed".to_owned();
                self.shared.recorder.pod(pod, Some(name), true, "FailedPreStopHook", message);
            }
            left = left.saturating_sub(began.elapsed()).max(GRACE_MIN);
        }
        self.shared.runtime.stop_container(id, left).await
    }

    /// Runs the hook after the start; a container whose hook fails is stopped.
    async fn post_start(
        &mut self,
        pod: &Pod,
        observed: &Observed,
        container: &Container,
        id: &str,
    ) -> Result<(), Failure> {
        let hook = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
        let Some(hook) = hook.filter(|_| self.shared.materials.is_some()) else { return Ok(()) };
        let target = self.target(pod, observed, id);
        let Err(error) = hooks::run(&target, container, hook, hooks::POST_START_MAX).await else { return Ok(()) };
        tracing::debug!(pod = pod.metadata.name, container = container.name, error, "postStart hook failed");
        let message = "PostStartHook failed".to_owned();
        self.shared.recorder.pod(pod, Some(&container.name), true, "FailedPostStartHook", message);
        self.shared.recorder.pod(pod, Some(&container.name), false, "Killing", "FailedPostStartHook".to_owned());
        self.shared.runtime.stop_container(id, grace(pod)).await?;
        Ok(())
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

    /// Adds to containers that ended what they wrote as their termination message.
    async fn read_last_words(&self, pod: &Pod, observed: &mut Observed) {
        let Some(materials) = &self.shared.materials else { return };
        let ended = observed.containers.iter_mut().filter(|one| one.state == ContainerState::Exited);
        for one in ended.filter(|one| one.message.is_empty()) {
            let words = materials.termination_message(uid(pod), &one.name, one.attempt).await;
            one.message = words.unwrap_or_default();
        }
    }

    /// Removes the pod's volumes; containers are gone by then.
    async fn remove_volumes(&self, pod: &Pod) {
        let Some(materials) = &self.shared.materials else { return };
        if let Err(error) = materials.remove(uid(pod)).await {
            tracing::warn!(pod = pod.metadata.name, %error, "the pod's volumes could not be removed");
        }
    }

    async fn report(&mut self, pod: &Pod, observed: &Observed, plan: &Plan, now: Timestamp) -> Result<(), Failure> {
        for name in &plan.backing_off {
            self.context.backoff_seconds.insert(name.clone(), self.backoff.wait_seconds(name));
        }
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

    async fn finish(&self, pod: &Pod, observed: &Observed) -> Result<Outcome, Failure> {
        for sandbox in &observed.sandboxes {
            self.shared.runtime.remove_pod_sandbox(&sandbox.id).await?;
        }
        self.remove_volumes(pod).await;
        let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        match self.pods(pod).delete(name, &parameters).await {
            Ok(_) => Ok(Outcome::Gone),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Outcome::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// The pod was taken from the API server by force: nothing of it may stay.
    async fn clean_up(&self, pod: &Pod) {
        let runtime = &self.shared.runtime;
        for sandbox in runtime.list_pod_sandboxes(Some(uid(pod))).await.unwrap_or_default() {
            let removed = async {
                runtime.stop_pod_sandbox(&sandbox.id).await?;
                runtime.remove_pod_sandbox(&sandbox.id).await
            };
            if let Err(error) = removed.await {
                tracing::warn!(pod = pod.metadata.name, %error, "a sandbox without a pod could not be removed");
            }
        }
        self.remove_volumes(pod).await;
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
