//! Status and conditions of a Deployment. Pure.

use super::numbers::*;
use crate::objects::name;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;

/// Reasons of the condition `Progressing`, as upstream spells them.
pub mod reason {
    /// A set for the template was made.
    pub const NEW: &str = "NewReplicaSetCreated";
    /// A set for the template was found.
    pub const FOUND: &str = "FoundNewReplicaSet";
    /// A set was scaled or its pods became available.
    pub const UPDATED: &str = "ReplicaSetUpdated";
    /// The rollout is complete.
    pub const COMPLETE: &str = "NewReplicaSetAvailable";
    /// The deadline passed.
    pub const TIMED_OUT: &str = "ProgressDeadlineExceeded";
    /// A set could not be made.
    pub const CREATE_ERROR: &str = "ReplicaSetCreateError";
    /// Rollouts are paused.
    pub const PAUSED: &str = "DeploymentPaused";
    /// Rollouts go on.
    pub const RESUMED: &str = "DeploymentResumed";
}

/// Counts and the condition `Available`, from the sets' statuses; other conditions are kept.
pub fn counts(
    deployment: &Deployment,
    new: Option<&Arc<ReplicaSet>>,
    old: &[Arc<ReplicaSet>],
    now: Timestamp,
) -> DeploymentStatus {
    let all: Vec<_> = old.iter().chain(new).cloned().collect();
    let available = sum_available(&all);
    let positive = |count: i32| Some(count).filter(|count| *count > 0);
    let before = deployment.status.clone().unwrap_or_default();
    let mut status = DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: positive(sum_status(&all, |status| status.replicas)),
        updated_replicas: positive(sum_status(new, |status| status.replicas)),
        ready_replicas: positive(sum_status(&all, |status| status.ready_replicas.unwrap_or(0))),
        available_replicas: positive(available),
        unavailable_replicas: positive(sum_replicas(&all) - available),
        collision_count: before.collision_count,
        conditions: before.conditions,
        terminating_replicas: all
            .iter()
            .filter_map(|set| set.status.as_ref()?.terminating_replicas)
            .reduce(|sum, count| sum + count),
    };
    let available_condition = if available >= replicas(deployment) - max_unavailable(deployment) {
        condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
    } else {
        condition(
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
            now,
        )
    };
    set_condition(&mut status, available_condition);
    status
}

/// The condition `Progressing` of a rollout in motion (upstream: `syncRolloutStatus`).
pub fn rollout(
    deployment: &Deployment,
    new: Option<&Arc<ReplicaSet>>,
    old: &[Arc<ReplicaSet>],
    now: Timestamp,
) -> DeploymentStatus {
    let mut status = counts(deployment, new, old, now);
    let subject = new.map_or_else(
        || format!("Deployment {:?}", name(&deployment.metadata)),
        |set| format!("ReplicaSet {:?}", name(&set.metadata)),
    );
    let current = find(&status, "Progressing").cloned();
    let was_complete = status.replicas == status.updated_replicas
        && current.as_ref().is_some_and(|condition| condition.reason.as_deref() == Some(reason::COMPLETE));
    if deadline(deployment).is_some() && !was_complete {
        if is_complete(deployment, &status) {
            let message = format!("{subject} has successfully progressed.");
            set_condition(&mut status, condition("Progressing", "True", reason::COMPLETE, &message, now));
        } else if has_progressed(deployment, &status) {
            let mut fresh =
                condition("Progressing", "True", reason::UPDATED, &format!("{subject} is progressing."), now);
            if let Some(current) = current.filter(|current| current.status.as_deref() == Some("True")) {
                fresh.last_transition_time = current.last_transition_time;
            }
            remove_condition(&mut status, "Progressing");
            set_condition(&mut status, fresh);
        } else if timed_out(deployment, &status, now) {
            let message = format!("{subject} has timed out progressing.");
            set_condition(&mut status, condition("Progressing", "False", reason::TIMED_OUT, &message, now));
        }
    }
    carry_failures(&mut status, new, old, now);
    status
}

/// `Progressing` becomes `Unknown` while paused and again when resumed; `None` when nothing changes.
pub fn pause(deployment: &Deployment, now: Timestamp) -> Option<DeploymentCondition> {
    deadline(deployment)?;
    let paused = deployment.spec.paused.unwrap_or(false);
    let status = deployment.status.as_ref();
    let current = status.and_then(|status| find(status, "Progressing"));
    let reason_now = current.and_then(|condition| condition.reason.as_deref());
    if reason_now == Some(reason::TIMED_OUT) {
        return None;
    }
    match (paused, reason_now == Some(reason::PAUSED)) {
        (true, false) => Some(condition("Progressing", "Unknown", reason::PAUSED, "Deployment is paused", now)),
        (false, true) => Some(condition("Progressing", "Unknown", reason::RESUMED, "Deployment is resumed", now)),
        _ => None,
    }
}

/// Seconds until the deadline of a rollout in motion passes; `None` when there is none to wait for.
pub fn seconds_to_deadline(deployment: &Deployment, status: &DeploymentStatus, now: Timestamp) -> Option<u64> {
    let current = find(status, "Progressing")?;
    let waits =
        matches!(current.reason.as_deref(), Some(reason::NEW | reason::FOUND | reason::UPDATED | reason::RESUMED));
    if !waits || is_complete(deployment, status) {
        return None;
    }
    let left = current.last_update_time.as_ref()?.0.as_second() + deadline(deployment)? - now.as_second();
    Some(u64::try_from(left).unwrap_or(0) + 1)
}

/// Whether everything asked for is there and of the current template.
pub fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let desired = Some(replicas(deployment)).filter(|count| *count > 0);
    status.updated_replicas == desired
        && status.replicas == desired
        && status.available_replicas == desired
        && status.observed_generation >= deployment.metadata.generation
}

fn has_progressed(deployment: &Deployment, new: &DeploymentStatus) -> bool {
    let old = deployment.status.clone().unwrap_or_default();
    let number = |value: Option<i32>| value.unwrap_or(0);
    let stale = |status: &DeploymentStatus| number(status.replicas) - number(status.updated_replicas);
    number(new.updated_replicas) > number(old.updated_replicas)
        || stale(new) < stale(&old)
        || number(new.ready_replicas) > number(old.ready_replicas)
        || number(new.available_replicas) > number(old.available_replicas)
}

fn timed_out(deployment: &Deployment, status: &DeploymentStatus, now: Timestamp) -> bool {
    let (Some(limit), Some(current)) = (deadline(deployment), find(status, "Progressing")) else { return false };
    match current.reason.as_deref() {
        Some(reason::COMPLETE) => false,
        Some(reason::TIMED_OUT) => true,
        _ => current.last_update_time.as_ref().is_some_and(|from| from.0.as_second() + limit < now.as_second()),
    }
}

/// Seconds; `None` where the deadline is switched off (2^31 - 1).
fn deadline(deployment: &Deployment) -> Option<i64> {
    let seconds = deployment.spec.progress_deadline_seconds?;
    Some(i64::from(seconds)).filter(|_| seconds != i32::MAX)
}

fn carry_failures(
    status: &mut DeploymentStatus,
    new: Option<&Arc<ReplicaSet>>,
    old: &[Arc<ReplicaSet>],
    now: Timestamp,
) {
    let failures = new.into_iter().chain(old).filter_map(|set| set.status.as_ref()?.conditions.as_ref());
    let failure = failures.flatten().find(|condition| condition.type_.as_deref() == Some("ReplicaFailure")).cloned();
    match failure {
        Some(failure) => {
            let text = |value: Option<String>| value.unwrap_or_default();
            let (state, reason, message) = (text(failure.status), text(failure.reason), text(failure.message));
            set_condition(status, condition("ReplicaFailure", &state, &reason, &message, now));
        }
        None => remove_condition(status, "ReplicaFailure"),
    }
}

/// A condition that changes now.
pub fn condition(type_: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> DeploymentCondition {
    DeploymentCondition {
        type_: Some(type_.to_owned()),
        status: Some(status.to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_update_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    }
}

/// Replaces the condition of the same type. The same status and reason change nothing; the same status keeps its time.
pub fn set_condition(status: &mut DeploymentStatus, mut condition: DeploymentCondition) {
    let conditions = status.conditions.get_or_insert_default();
    if let Some(current) = conditions.iter().find(|current| current.type_ == condition.type_) {
        if current.status == condition.status && current.reason == condition.reason {
            return;
        }
        if current.status == condition.status {
            condition.last_transition_time.clone_from(&current.last_transition_time);
        }
    }
    conditions.retain(|current| current.type_ != condition.type_);
    conditions.push(condition);
}

fn remove_condition(status: &mut DeploymentStatus, type_: &str) {
    if let Some(conditions) = &mut status.conditions {
        conditions.retain(|condition| condition.type_.as_deref() != Some(type_));
    }
}

/// The condition of this type.
pub fn find<'a>(status: &'a DeploymentStatus, type_: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.as_deref()?.iter().find(|condition| condition.type_.as_deref() == Some(type_))
}
