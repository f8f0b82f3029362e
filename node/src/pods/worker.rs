//! One pod's worker: looks, decides, acts, reports, waits for a change.

mod images;
mod starting;
mod stopping;
mod volumes;

use super::backoff::Backoff;
use super::observed::{Observed, uid};
use super::plan::{self, Action, Health, Plan};
use super::unsupported::Refusal;
use super::{config, status};
use crate::events::Recorder;
use crate::materials::Materials;
use crate::materials::storage;
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
    /// When the pod's storage was measured last.
    usage_checked: Option<tokio::time::Instant>,
    is_failure_told: bool,
}

impl Worker {
    /// A worker for the pod in `pod`, which cannot stay when it is `refused`; `wake` is notified when the runtime reports
    /// a change of it, and `removed` is cancelled when the API server knows it no more.
    pub fn new(
        shared: Arc<Shared>,
        pod: watch::Receiver<Arc<Pod>>,
        refused: Option<Refusal>,
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
            health: Health { refused, ..Health::default() },
            context,
            probes: Probes::default(),
            volumes: storage::State::default(),
            volume_complaint: None,
            pulls: images::Pulls::default(),
            stopping: BTreeSet::new(),
            backing_off: BTreeSet::new(),
            usage_checked: None,
            is_failure_told: false,
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
        if let Some(sandbox) = observed.sandbox().filter(|sandbox| !sandbox.ips.is_empty()) {
            self.context.ips.clone_from(&sandbox.ips);
        }
        self.check_usage(pod, &observed).await;
        let now = Timestamp::now();
        let plan = plan::plan(pod, &observed, &self.backoff, &self.health, now);
        let is_running = |name: &str| observed.newest(name).is_some_and(|one| one.state == ContainerState::Running);
        self.health.replaced.retain(|name| is_running(name));
        // What kept a container from starting is told as long as it is tried; the back-off speaks for itself.
        let is_started =
            |name: &String| plan.actions.iter().any(|one| matches!(one, Action::Start { name: it, .. } if it == name));
        self.context.waiting.retain(|name, _| is_started(name));
        self.tell_failure(pod, &plan);
        let mut acted = false;
        let creates = |action: &Action| matches!(action, Action::CreateSandbox(_) | Action::Start { .. });
        if plan.actions.iter().any(creates) && self.shared.materials.is_some() {
            // A start can take long: images are fetched, volumes made. Simulated ones are told of when they run.
            self.report(pod, &observed, &plan, now).await?;
        }
        if plan.actions.iter().any(creates) || self.volumes.is_made() {
            self.ensure_volumes(pod, &observed, &plan, now).await?;
        }
        for action in &plan.actions {
            if *action == Action::Finish {
                // Told once, while something is left of it: a finalizer may hold the pod back for long. Of a pod whose
                // containers never were there is no end to tell.
                if !observed.containers.is_empty() {
                    self.report(pod, &observed, &plan, now).await?;
                }
                return self.finish(pod, &observed).await;
            }
            let of_failure = plan.failure.as_ref().and_then(|failure| failure.grace_seconds);
            acted |= self.act(pod, &observed, action, of_failure).await?;
        }
        if acted {
            return Ok(Outcome::Again);
        }
        self.report(pod, &observed, &plan, now).await?;
        let retry = (!self.context.waiting.is_empty()).then_some(RETRY_WAITING);
        let again = plan.look_again_seconds.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0) + 1));
        let refresh = self.shared.materials.as_ref().and_then(|_| self.volumes.refresh_in(pod));
        let refresh = refresh.filter(|_| self.volumes.is_made()).map(|wait| wait.max(RETRY));
        let usage = self.next_usage_check(pod);
        Ok(Outcome::Wait(retry.into_iter().chain(again).chain(refresh).chain(usage).min()))
    }

    /// Carries out one action; says whether it changed something.
    async fn act(
        &mut self,
        pod: &Pod,
        observed: &Observed,
        action: &Action,
        grace_of_failure: Option<i64>,
    ) -> Result<bool, Failure> {
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
                let made = match self.sandbox_config(pod, *attempt).await {
                    Ok(sandbox) => runtime.run_pod_sandbox(&sandbox).await.map(drop).map_err(Failure::from),
                    Err(error) => Err(error),
                };
                if let Err(error) = made {
                    let message = format!("Failed to create pod sandbox: {}", error.words());
                    self.shared.recorder.pod(pod, None, true, "FailedCreatePodSandBox", message);
                    return Err(error);
                }
                Ok(true)
            }
            Action::Start { name, attempt, after } => self.start(pod, observed, name, *attempt, *after).await,
            Action::Stop { id, message, grace_seconds } => {
                let Some(one) = observed.containers.iter().find(|one| one.id == *id) else { return Ok(false) };
                if !self.stopping.contains(id) {
                    self.shared.recorder.pod(pod, Some(&one.name), false, "Killing", message.clone());
                    self.health.replaced.insert(one.name.clone());
                }
                self.stop(pod, observed, &[(one, grace(pod, *grace_seconds))]).await
            }
            Action::StopPod => self.stop_pod(pod, observed, grace_of_failure).await,
            Action::Remove(id) => {
                runtime.remove_container(id).await?;
                Ok(false)
            }
            Action::Finish => Ok(false),
        }
    }

    fn target(&self, pod: &Pod, observed: &Observed, id: &str) -> Target {
        Target {
            container_id: id.to_owned(),
            pod_ip: probes::address(pod, observed),
            runtime: Arc::clone(&self.shared.runtime),
        }
    }

    async fn sandbox_config(&self, pod: &Pod, attempt: u32) -> Result<SandboxConfig, Failure> {
        let sandbox = config::sandbox(pod, attempt, self.shared.log_directory(pod));
        match &self.shared.materials {
            Some(materials) => materials.sandbox(pod, sandbox).await.map_err(Failure::Sandbox),
            None => Ok(sandbox),
        }
    }

    /// An event, once, when the pod fails as a whole.
    fn tell_failure(&mut self, pod: &Pod, plan: &Plan) {
        let is_known = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Failed");
        let Some(failure) = plan.failure.as_ref().filter(|_| !is_known && !self.is_failure_told) else { return };
        let is_warning = failure.reason != plan::DEADLINE_EXCEEDED;
        self.shared.recorder.pod(pod, None, is_warning, &failure.reason, failure.event.clone());
        self.is_failure_told = true;
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
    #[error("{0}")]
    Sandbox(String),
}

impl Failure {
    /// For users, who need not know whose failure it is.
    fn words(&self) -> String {
        match self {
            Self::Runtime(error) => error.to_string(),
            other => other.to_string(),
        }
    }
}

/// How long a container of the pod may take to end; `special` wins over what the pod says.
fn grace(pod: &Pod, special: Option<i64>) -> Duration {
    let asked = pod.metadata.deletion_grace_period_seconds;
    let own = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    Duration::from_secs(u64::try_from(special.or(asked).or(own).unwrap_or(GRACE_SECONDS)).unwrap_or(0))
}
