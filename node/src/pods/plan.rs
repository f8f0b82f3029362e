//! What a pod's desired and observed state ask for next. Pure.

use super::backoff::Backoff;
use super::config::IMAGE_ANNOTATION;
use super::observed::{Observed, is_sidecar};
use super::unsupported::{Refusal, unsupported};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use node_cri::{ContainerState, ContainerStatus};
use std::collections::BTreeSet;

/// The reason of a pod that was active for too long.
pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
/// The reason of a pod that used too much.
const EVICTED: &str = "Evicted";
/// What a pod gets that used too much storage (upstream: 1 s).
const EVICTION_GRACE_SECONDS: i64 = 1;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a sandbox; the number counts those of this pod.
    CreateSandbox(u32),
    /// Make and start a container.
    Start {
        /// Its name.
        name: String,
        /// Counts restarts.
        attempt: u32,
        /// The end that the next back-off counts from; a first start, or one that is no restart, has none.
        after: Option<Timestamp>,
    },
    /// Stop one container: its probes failed, or its sandbox is gone.
    Stop {
        /// Its id.
        id: String,
        /// Why: the event's message.
        message: String,
        /// A grace period other than the pod's.
        grace_seconds: Option<i64>,
    },
    /// Stop everything: the pod is on its way out or has failed.
    StopPod,
    /// Remove a container that is not needed any more, not even for its log.
    Remove(String),
    /// Nothing of the pod is left running: it can be taken from the API server.
    Finish,
}

/// What to do now, and when to look again although nothing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub actions: Vec<Action>,
    /// Seconds.
    pub look_again_seconds: Option<i64>,
    /// Containers that wait out their back-off.
    pub backing_off: BTreeSet<String>,
    /// Why the pod has failed as a whole.
    pub failure: Option<PodFailure>,
}

/// The end of a pod that its containers have no part in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFailure {
    /// One word.
    pub reason: String,
    /// For the status.
    pub message: String,
    /// For the event.
    pub event: String,
    /// A grace period other than the pod's.
    pub grace_seconds: Option<i64>,
}

/// What probes and hooks said, by container name.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Containers whose liveness or startup probe failed.
    pub failed: std::collections::BTreeMap<String, Failed>,
    /// Containers whose startup probe has not succeeded yet.
    pub starting: BTreeSet<String>,
    /// Containers that the agent has just ended to put others in their place. Upstream decides on their successors before they have ended, by the
    /// end before: a container that was healthy for a while starts again at once.
    pub replaced: BTreeSet<String>,
    /// The pod does not fit beside the others of the node.
    pub refused: Option<Refusal>,
    /// The pod uses more storage than it may: the words of its eviction.
    pub evicted: Option<String>,
}

/// A probe that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failed {
    /// For the event.
    pub text: String,
    /// The probe's own grace period.
    pub grace_seconds: Option<i64>,
}

/// Decides.
pub fn plan(pod: &Pod, observed: &Observed, backoff: &Backoff, health: &Health, now: Timestamp) -> Plan {
    let empty = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&empty);
    let mut plan = Plan::default();
    if pod.metadata.deletion_timestamp.is_some() {
        plan.actions.push(if observed.is_stopped() { Action::Finish } else { Action::StopPod });
        return plan;
    }
    plan.failure = failure(pod, health, now);
    if plan.failure.is_some() || is_terminal(pod) {
        if !observed.is_stopped() {
            plan.actions.push(Action::StopPod);
        }
        return plan;
    }
    plan.look_again_seconds = deadline_seconds(pod, now);
    if observed.sandbox().is_none() {
        if is_done(spec, observed, health) {
            return plan;
        }
        for container in observed.running() {
            let message = format!("Stopping container {}", container.name);
            plan.actions.push(Action::Stop { id: container.id.clone(), message, grace_seconds: None });
        }
        let attempt = observed.sandboxes.first().map_or(0, |sandbox| sandbox.attempt + 1);
        plan.actions.push(Action::CreateSandbox(attempt));
        return plan;
    }
    let mut look = Look { spec, observed, backoff, health, now, plan };
    if look.init() {
        spec.containers.iter().for_each(|container| look.container(container, policy(spec, container)));
        look.stop_sidecars_of_a_finished_pod();
    }
    look.remove_old();
    look.plan
}

struct Look<'a> {
    spec: &'a PodSpec,
    observed: &'a Observed,
    backoff: &'a Backoff,
    health: &'a Health,
    now: Timestamp,
    plan: Plan,
}

impl Look<'_> {
    /// Init containers one after another; true when the others may start.
    fn init(&mut self) -> bool {
        let containers = self.spec.init_containers.as_deref().unwrap_or_default();
        // Once an app container exists in this sandbox, initialisation is over and only sidecars are kept running.
        let started = self.spec.containers.iter().any(|container| self.observed.current(&container.name).is_some());
        for container in containers {
            if is_sidecar(container) {
                self.container(container, "Always");
                let running = self
                    .observed
                    .current(&container.name)
                    .is_some_and(|current| current.state == ContainerState::Running);
                if !started && (!running || self.health.starting.contains(&container.name)) {
                    return false;
                }
                continue;
            }
            if started {
                continue;
            }
            let current = self.observed.current(&container.name);
            if current.is_some_and(|current| current.state == ContainerState::Exited && current.exit_code == 0) {
                continue;
            }
            self.container(container, init_policy(self.spec, container));
            return false;
        }
        true
    }

    fn container(&mut self, container: &Container, policy: &str) {
        let name = container.name.as_str();
        let attempt = self.observed.newest(name).map_or(0, |newest| newest.attempt + 1);
        let Some(current) = self.observed.current(name) else {
            return self.start(name, attempt, self.observed.newest(name));
        };
        match current.state {
            ContainerState::Running if is_another(container, current) => {
                self.stop(container, current, "definition changed", true, None);
            }
            ContainerState::Running => {
                if let Some(failed) = self.health.failed.get(name) {
                    self.stop(container, current, &failed.text, policy != "Never", failed.grace_seconds);
                }
            }
            // Made and never started: the agent was interrupted. It has not run, so its successor is no restart.
            ContainerState::Created => {
                self.plan.actions.push(Action::Remove(current.id.clone()));
                self.start(name, current.attempt, None);
            }
            ContainerState::Exited | ContainerState::Unknown => {
                let restarts = policy == "Always"
                    || (policy == "OnFailure" && current.exit_code != 0)
                    || is_superseded(container, current, &self.health.replaced);
                if restarts {
                    let ends = usize::from(self.health.replaced.contains(name));
                    self.start(name, attempt, self.observed.all(name).nth(ends));
                }
            }
        }
    }

    fn stop(
        &mut self,
        container: &Container,
        current: &ContainerStatus,
        why: &str,
        restarts: bool,
        grace_seconds: Option<i64>,
    ) {
        // Upstream says so of app containers only.
        let (kind, then) = match (is_sidecar(container), restarts) {
            (true, _) => ("Init container", ""),
            (false, true) => ("Container", ", will be restarted"),
            (false, false) => ("Container", ""),
        };
        let message = format!("{kind} {} {why}{then}", container.name);
        self.plan.actions.push(Action::Stop { id: current.id.clone(), message, grace_seconds });
    }

    fn start(&mut self, name: &str, attempt: u32, last: Option<&ContainerStatus>) {
        let ended = last.map(|last| last.finished_at.unwrap_or(last.created_at));
        let left = ended.map_or(0, |ended| self.backoff.seconds_left(name, ended, self.now));
        if left > 0 {
            self.plan.backing_off.insert(name.to_owned());
            let again = self.plan.look_again_seconds.map_or(left, |seconds| seconds.min(left));
            self.plan.look_again_seconds = Some(again);
            return;
        }
        self.plan.actions.push(Action::Start { name: name.to_owned(), attempt, after: ended });
    }

    /// Sidecars end when the containers that they serve have ended for good.
    fn stop_sidecars_of_a_finished_pod(&mut self) {
        if !is_done(self.spec, self.observed, self.health) {
            return;
        }
        for sidecar in self.spec.init_containers.iter().flatten().filter(|container| is_sidecar(container)) {
            self.plan.actions.retain(|action| !matches!(action, Action::Start { name, .. } if *name == sidecar.name));
            self.plan.backing_off.remove(&sidecar.name);
        }
        if !self.observed.is_stopped() {
            self.plan.actions.push(Action::StopPod);
        }
    }

    /// The newest ended container of a name is kept for its log, older ones go.
    fn remove_old(&mut self) {
        let containers = self.spec.containers.iter().chain(self.spec.init_containers.iter().flatten());
        for container in containers {
            let ended = self.observed.all(&container.name).filter(|one| one.state == ContainerState::Exited);
            let running =
                self.observed.current(&container.name).is_some_and(|one| one.state == ContainerState::Running);
            let keep = if running { 1 } else { 2 };
            self.plan.actions.extend(ended.skip(keep).map(|old| Action::Remove(old.id.clone())));
        }
    }
}

/// Whether a container was made before the pod named another image for it.
fn is_another(container: &Container, made: &ContainerStatus) -> bool {
    made.annotations.get(IMAGE_ANNOTATION).is_some_and(|image| container.image.as_ref() != Some(image))
}

/// Whether a container was ended for one with another image, which comes whatever the restart policy.
fn is_superseded(container: &Container, ended: &ContainerStatus, replaced: &BTreeSet<String>) -> bool {
    replaced.contains(&container.name) && is_another(container, ended)
}

/// Whether the pod's containers have ended and none will be started again.
pub fn is_done(spec: &PodSpec, observed: &Observed, health: &Health) -> bool {
    let exit_code = |container: &Container| {
        let newest = observed.newest(&container.name)?;
        let has_ended = newest.state == ContainerState::Exited && !is_superseded(container, newest, &health.replaced);
        has_ended.then_some(newest.exit_code)
    };
    let mut init = spec.init_containers.iter().flatten().filter(|container| !is_sidecar(container));
    init.any(|container| {
        init_policy(spec, container) == "Never" && exit_code(container).is_some_and(|exit_code| exit_code != 0)
    }) || spec.containers.iter().all(|container| {
        exit_code(container).is_some_and(|exit_code| match policy(spec, container) {
            "Never" => true,
            "OnFailure" => exit_code == 0,
            _ => false,
        })
    })
}

/// `Always`, `OnFailure` or `Never`: the container's own policy, or else the pod's.
fn policy<'a>(spec: &'a PodSpec, container: &'a Container) -> &'a str {
    container.restart_policy.as_deref().or(spec.restart_policy.as_deref()).unwrap_or("Always")
}

/// An init container that has succeeded is never run again.
fn init_policy<'a>(spec: &'a PodSpec, container: &'a Container) -> &'a str {
    match policy(spec, container) {
        "Never" => "Never",
        _ => "OnFailure",
    }
}

fn is_terminal(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn failure(pod: &Pod, health: &Health, now: Timestamp) -> Option<PodFailure> {
    if let Some(Refusal { reason, message }) = unsupported(pod).or_else(|| health.refused.clone()) {
        return Some(PodFailure {
            reason: reason.to_owned(),
            message: format!("Pod was rejected: {message}"),
            event: message,
            grace_seconds: None,
        });
    }
    if let Some(words) = &health.evicted {
        return Some(PodFailure {
            reason: EVICTED.to_owned(),
            message: words.clone(),
            event: words.clone(),
            grace_seconds: Some(EVICTION_GRACE_SECONDS),
        });
    }
    let words = "Pod was active on the node longer than the specified deadline".to_owned();
    (deadline_seconds(pod, now)? <= 0).then(|| PodFailure {
        reason: DEADLINE_EXCEEDED.to_owned(),
        message: words.clone(),
        event: words,
        grace_seconds: None,
    })
}

/// Seconds until `activeDeadlineSeconds` is over.
fn deadline_seconds(pod: &Pod, now: Timestamp) -> Option<i64> {
    let limit = pod.spec.as_ref()?.active_deadline_seconds?;
    let started = pod.status.as_ref()?.start_time.as_ref()?.0;
    Some(started.as_second() + limit - now.as_second())
}
