//! What a Deployment's state asks for: one step at a time, each a pure function of what is observed.

use super::numbers::*;
use super::template::{max_revision, new_set, revision, set_annotations, split};
use super::{progress, scale};
use crate::objects::{Labels, is_terminating, phase, uid};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use std::sync::Arc;

/// What is known when a Deployment is looked at.
pub struct Observed {
    /// The Deployment.
    pub deployment: Arc<Deployment>,
    /// The ReplicaSets that belong to it.
    pub sets: Vec<Arc<ReplicaSet>>,
    /// The pods of those sets; needed by the strategy Recreate.
    pub pods: Vec<Arc<Pod>>,
    /// The time.
    pub now: Timestamp,
}

/// The next step. Each changes the state, which brings the Deployment back with the next one.
#[derive(Debug)]
pub enum Step {
    /// Set this condition (pause and resume), then look again.
    Condition(DeploymentCondition),
    /// Make a set for the template.
    Create(Box<ReplicaSet>),
    /// Correct a set's annotations and its minReadySeconds.
    Annotate(Arc<ReplicaSet>, Labels),
    /// Write the revision into the Deployment's own annotation.
    Revision(i64),
    /// Change sizes.
    Resize(Vec<scale::Resize>),
    /// Delete sets beyond the history limit.
    CleanUp(Vec<Arc<ReplicaSet>>),
    /// Nothing to change but, perhaps, the status.
    Rest,
}

/// The next step and the status that goes with what is observed.
pub fn plan(observed: &Observed) -> (Step, DeploymentStatus) {
    let Observed { deployment, sets, now, .. } = observed;
    let (new, old) = split(deployment, sets);
    let quiet = || progress::counts(deployment, new.as_ref(), &old, *now);
    if is_terminating(&deployment.metadata) {
        return (Step::Rest, quiet());
    }
    if let Some(condition) = progress::pause(deployment, *now) {
        return (Step::Condition(condition), quiet());
    }
    let is_paused = deployment.spec.paused.unwrap_or(false);
    if let Some(new) = &new
        && let Some(step) = bookkeeping(deployment, new, &old)
    {
        return (step, quiet());
    }
    if is_paused || scale::is_scaling(deployment, sets) {
        let resizes = scale::scale(deployment, new.as_ref(), &old);
        let step = match resizes.is_empty() {
            false => Step::Resize(resizes),
            true if is_paused => clean_up(deployment, &old),
            true => Step::Rest,
        };
        return (step, quiet());
    }
    let step = if recreates(deployment) {
        recreate(observed, new.as_ref(), &old)
    } else {
        roll(deployment, new.as_ref(), &old, sets)
    };
    let status = progress::rollout(deployment, new.as_ref(), &old, *now);
    match step {
        Step::Rest if progress::is_complete(deployment, &status) => (clean_up(deployment, &old), status),
        step => (step, status),
    }
}

/// Revision and annotations of the set that carries the current template.
fn bookkeeping(deployment: &Deployment, new: &Arc<ReplicaSet>, old: &[Arc<ReplicaSet>]) -> Option<Step> {
    let wanted = (max_revision(old) + 1).max(revision(&new.metadata));
    let stale = new.spec.min_ready_seconds.unwrap_or(0) != deployment.spec.min_ready_seconds.unwrap_or(0);
    if let Some(annotations) = set_annotations(deployment, new, wanted) {
        return Some(Step::Annotate(Arc::clone(new), annotations));
    }
    if stale {
        return Some(Step::Annotate(Arc::clone(new), new.metadata.annotations.clone().unwrap_or_default()));
    }
    (revision(&deployment.metadata) != wanted).then_some(Step::Revision(wanted))
}

fn roll(
    deployment: &Deployment,
    new: Option<&Arc<ReplicaSet>>,
    old: &[Arc<ReplicaSet>],
    sets: &[Arc<ReplicaSet>],
) -> Step {
    let Some(new) = new else {
        let size = scale::new_set_replicas(deployment, sets, 0);
        return Step::Create(Box::new(new_set(deployment, max_revision(old) + 1, size)));
    };
    let resizes = scale::roll(deployment, new, old);
    if resizes.is_empty() { Step::Rest } else { Step::Resize(resizes) }
}

fn recreate(observed: &Observed, new: Option<&Arc<ReplicaSet>>, old: &[Arc<ReplicaSet>]) -> Step {
    let deployment = &observed.deployment;
    let shrinking: Vec<_> = old.iter().filter(|set| set_replicas(set) > 0).map(|set| (Arc::clone(set), 0)).collect();
    if !shrinking.is_empty() {
        return Step::Resize(shrinking);
    }
    let new_uid = new.map(|set| uid(&set.metadata));
    let is_old = |pod: &Pod| crate::objects::controller_of(&pod.metadata).map(|owner| owner.uid.as_str()) != new_uid;
    if observed.pods.iter().any(|pod| is_old(pod) && !matches!(phase(pod), "Succeeded" | "Failed")) {
        return Step::Rest;
    }
    match new {
        None => Step::Create(Box::new(new_set(deployment, max_revision(old) + 1, replicas(deployment)))),
        Some(new) if set_replicas(new) != replicas(deployment) => {
            Step::Resize(vec![(Arc::clone(new), replicas(deployment))])
        }
        Some(_) => Step::Rest,
    }
}

/// Old sets beyond the history limit that have nothing left to do, the oldest revisions first.
fn clean_up(deployment: &Deployment, old: &[Arc<ReplicaSet>]) -> Step {
    let Some(limit) = deployment.spec.revision_history_limit else { return Step::Rest };
    let mut alive: Vec<_> = old.iter().filter(|set| !is_terminating(&set.metadata)).cloned().collect();
    let surplus = alive.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    alive.sort_by_key(|set| revision(&set.metadata));
    alive.truncate(surplus);
    alive.retain(|set| {
        let status = set.status.clone().unwrap_or_default();
        status.replicas == 0 && set_replicas(set) == 0 && set.metadata.generation <= status.observed_generation
    });
    if alive.is_empty() { Step::Rest } else { Step::CleanUp(alive) }
}
