//! Startup, readiness and liveness probes of running containers.
//!
//! One task a probe asks at its period; [`count`] turns answers into a verdict (pure). The pod's worker reads verdicts
//! with [`Probes::apply`] and is woken when one changes. Tasks end with their container, and with the worker.

pub mod ask;

use crate::events::Recorder;
use crate::pods::observed::Observed;
use crate::pods::plan::{Failed, Health};
use ask::{Answer, Target};
use k8s_openapi::api::core::v1::{Container, Pod, Probe};
use node_cri::{ContainerState, Runtime};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Has it come up? The others wait for it.
    Startup,
    /// Should it get requests?
    Readiness,
    /// Does it have to be restarted?
    Liveness,
}

impl Purpose {
    const ALL: [Self; 3] = [Self::Startup, Self::Readiness, Self::Liveness];

    fn of(self, container: &Container) -> Option<&Probe> {
        match self {
            Self::Startup => container.startup_probe.as_ref(),
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Liveness => container.liveness_probe.as_ref(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

type Key = (String, Purpose);
/// `None` until enough answers agree.
type Verdicts = Arc<Mutex<HashMap<Key, Option<bool>>>>;

/// The probes of one pod, by container id and purpose.
#[derive(Default)]
pub struct Probes {
    verdicts: Verdicts,
    tasks: HashMap<Key, AbortHandle>,
    /// Owns the tasks: they end when the worker does.
    set: tokio::task::JoinSet<()>,
}

impl Probes {
    /// Starts probes of containers that run, ends those of containers that do not, and tells what they found.
    #[allow(
        clippy::too_many_arguments,
        reason = "what a worker has at hand, and the two places that it keeps verdicts in"
    )]
    pub fn apply(
        &mut self,
        pod: &Arc<Pod>,
        observed: &Observed,
        runtime: &Arc<dyn Runtime>,
        recorder: &Recorder,
        wake: &Arc<Notify>,
        health: &mut Health,
        unready: &mut BTreeSet<String>,
    ) {
        while self.set.try_join_next().is_some() {}
        (health.failed, health.starting) = Default::default();
        unready.clear();
        let mut alive = BTreeSet::new();
        let Some(spec) = &pod.spec else { return };
        let is_leaving = pod.metadata.deletion_timestamp.is_some();
        for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
            let Some(current) = observed.current(&container.name) else { continue };
            if current.state != ContainerState::Running || is_leaving {
                continue;
            }
            alive.insert(current.id.clone());
            let verdict = |purpose| self.verdicts.lock().get(&(current.id.clone(), purpose)).copied().flatten();
            let name = container.name.clone();
            let is_up = container.startup_probe.is_none() || verdict(Purpose::Startup) == Some(true);
            if !is_up {
                health.starting.insert(name.clone());
            }
            if container.readiness_probe.is_some() && verdict(Purpose::Readiness) != Some(true) {
                unready.insert(name.clone());
            }
            for (purpose, text) in [(Purpose::Startup, "startup"), (Purpose::Liveness, "liveness")] {
                if verdict(purpose) == Some(false) {
                    let own = purpose.of(container).and_then(|probe| probe.termination_grace_period_seconds);
                    let failed = Failed { text: format!("failed {text} probe"), grace_seconds: own };
                    health.failed.insert(name.clone(), failed);
                }
            }
            for purpose in Purpose::ALL {
                let Some(probe) = purpose.of(container).cloned() else { continue };
                let key = (current.id.clone(), purpose);
                // Readiness and liveness wait for the startup probe, which ends with its first success.
                if self.tasks.contains_key(&key) || (purpose != Purpose::Startup && !is_up) {
                    continue;
                }
                let running = Running {
                    pod: Arc::clone(pod),
                    container: container.clone(),
                    target: Target {
                        container_id: current.id.clone(),
                        pod_ip: address(pod, observed),
                        runtime: Arc::clone(runtime),
                    },
                    purpose,
                    probe,
                    verdicts: Arc::clone(&self.verdicts),
                    recorder: recorder.clone(),
                    wake: Arc::clone(wake),
                };
                self.tasks.insert(key, self.set.spawn(running.run()));
            }
        }
        self.tasks.retain(|(id, _), task| {
            let keep = alive.contains(id);
            if !keep {
                task.abort();
            }
            keep
        });
        self.verdicts.lock().retain(|(id, _), _| alive.contains(id));
    }
}

/// Counts answers that agree; a verdict changes when enough of them do.
pub fn count(streak: &mut (bool, i32), answer: bool, probe: &Probe) -> Option<bool> {
    *streak = if streak.0 == answer { (answer, streak.1.saturating_add(1)) } else { (answer, 1) };
    let needed = if answer { probe.success_threshold.unwrap_or(1) } else { probe.failure_threshold.unwrap_or(3) };
    (streak.1 >= needed).then_some(answer)
}

struct Running {
    pod: Arc<Pod>,
    container: Container,
    target: Target,
    purpose: Purpose,
    probe: Probe,
    verdicts: Verdicts,
    recorder: Recorder,
    wake: Arc<Notify>,
}

impl Running {
    async fn run(self) {
        let seconds = |value: Option<i32>, default: u64| {
            Duration::from_secs(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(default))
        };
        tokio::time::sleep(seconds(self.probe.initial_delay_seconds, 0)).await;
        let timeout = seconds(self.probe.timeout_seconds, 1);
        let mut ticks = tokio::time::interval(seconds(self.probe.period_seconds, 10).max(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut streak = (true, 0);
        loop {
            ticks.tick().await;
            let answer = ask::probe(&self.target, &self.container, &self.probe, timeout).await;
            let is_good = matches!(answer, Answer::Good);
            let complaint = match &answer {
                Answer::Good => None,
                Answer::Bad(text) => Some(format!("{} probe failed: {text}", self.purpose.name())),
                Answer::Unknown(text) => {
                    Some(format!("{} probe errored and resulted in unknown state: {text}", self.purpose.name()))
                }
            };
            if let Some(message) = complaint {
                self.recorder.pod(&self.pod, Some(&self.container.name), true, "Unhealthy", message);
            }
            if matches!(answer, Answer::Unknown(_)) {
                continue;
            }
            let Some(verdict) = count(&mut streak, is_good, &self.probe) else { continue };
            let key = (self.target.container_id.clone(), self.purpose);
            if self.verdicts.lock().insert(key, Some(verdict)) != Some(Some(verdict)) {
                self.wake.notify_one();
            }
            if self.purpose == Purpose::Startup {
                return;
            }
        }
    }
}

/// Where the pod is reached; on the host's network that is the node.
pub(crate) fn address(pod: &Pod, observed: &Observed) -> String {
    let from_status = || pod.status.as_ref().and_then(|status| status.host_ip.clone());
    let ip = observed.sandbox().and_then(|sandbox| sandbox.ips.first().cloned());
    ip.or_else(from_status).unwrap_or_else(|| "127.0.0.1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_needs_as_many_equal_answers_as_its_threshold() {
        let probe = Probe { success_threshold: Some(2), failure_threshold: Some(3), ..Probe::default() };
        let mut streak = (true, 0);
        let verdicts: Vec<Option<bool>> = [true, true, false, false, true, false, false, false]
            .map(|answer| count(&mut streak, answer, &probe))
            .to_vec();
        let (good, bad) = (Some(true), Some(false));
        assert_eq!(verdicts, [None, good, None, None, None, None, None, bad]);
    }
}
