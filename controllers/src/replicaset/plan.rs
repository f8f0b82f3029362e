//! What a ReplicaSet's state asks for. Pure.

use super::rank;
use crate::objects::{is_active, is_available, is_finished, is_terminating, ready_condition, selects};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use std::sync::Arc;

/// Pods created or deleted in one pass (upstream: `BurstReplicas`).
pub const BURST_PODS_MAX: usize = 500;
/// First batch of creations; each success doubles it (upstream: `SlowStartInitialBatchSize`).
pub const SLOW_START_PODS: usize = 1;

/// What to do about the number of pods.
#[derive(Clone, Debug)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Create this many.
    Create(usize),
    /// Delete these.
    Delete(Vec<Arc<Pod>>),
}

/// Compares the pods that belong to the set with the number asked for.
pub fn plan(set: &ReplicaSet, pods: &[Arc<Pod>], related: &[Arc<Pod>], now: Timestamp) -> Action {
    let mut active: Vec<Arc<Pod>> = pods.iter().filter(|pod| is_active(pod)).cloned().collect();
    let wanted = usize::try_from(replicas(set)).unwrap_or(0);
    if active.len() < wanted {
        return Action::Create((wanted - active.len()).min(BURST_PODS_MAX));
    }
    if active.len() == wanted {
        return Action::Nothing;
    }
    let surplus = (active.len() - wanted).min(BURST_PODS_MAX);
    rank::sort_for_deletion(&mut active, related, now);
    active.truncate(surplus);
    Action::Delete(active)
}

/// The status that the pods ask for. `failure` is the reason and message of a failed creation or deletion.
pub fn status(
    set: &ReplicaSet,
    pods: &[Arc<Pod>],
    failure: Option<(&str, String)>,
    now: Timestamp,
) -> ReplicaSetStatus {
    let spec = &set.spec;
    let template_labels = spec.template.as_ref().and_then(|template| template.metadata.as_ref()?.labels.clone());
    let template = LabelSelector { match_labels: template_labels, match_expressions: None };
    let min_ready_seconds = spec.min_ready_seconds.unwrap_or(0);
    let active: Vec<&Arc<Pod>> = pods.iter().filter(|pod| is_active(pod)).collect();
    let count = |test: &dyn Fn(&Pod) -> bool| {
        Some(i32::try_from(active.iter().filter(|pod| test(pod)).count()).unwrap_or(i32::MAX))
            .filter(|count| *count > 0)
    };
    let is_leaving = |pod: &&Arc<Pod>| is_terminating(&pod.metadata) && !is_finished(pod);
    let terminating = i32::try_from(pods.iter().filter(is_leaving).count()).unwrap_or(i32::MAX);
    ReplicaSetStatus {
        replicas: i32::try_from(active.len()).unwrap_or(i32::MAX),
        fully_labeled_replicas: count(&|pod| selects(Some(&template), pod.metadata.labels.as_ref())),
        ready_replicas: count(&|pod| ready_condition(pod).is_some()),
        available_replicas: count(&|pod| is_available(pod, min_ready_seconds, now)),
        terminating_replicas: Some(terminating),
        observed_generation: set.metadata.generation,
        conditions: conditions(set, failure, now),
    }
}

/// Seconds until a ready pod becomes available, the soonest; `None` when nobody waits.
pub fn next_available_seconds(set: &ReplicaSet, pods: &[Arc<Pod>], now: Timestamp) -> Option<u64> {
    let min_ready = i64::from(set.spec.min_ready_seconds.unwrap_or(0));
    let left = |pod: &Arc<Pod>| {
        let since = ready_condition(pod)?.last_transition_time.as_ref()?.0;
        u64::try_from(min_ready - (now.as_second() - since.as_second())).ok().filter(|left| *left > 0)
    };
    pods.iter().filter(|pod| is_active(pod)).filter_map(left).min()
}

/// The number asked for; upstream's default is 1.
pub fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.replicas.unwrap_or(1)
}

fn conditions(set: &ReplicaSet, failure: Option<(&str, String)>, now: Timestamp) -> Option<Vec<ReplicaSetCondition>> {
    let old = set.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    let (mut failed, mut kept): (Vec<_>, Vec<_>) =
        old.into_iter().partition(|condition| condition.type_.as_deref() == Some("ReplicaFailure"));
    match (failure, failed.pop()) {
        (None, _) => {}
        (Some(_), Some(standing)) => kept.push(standing),
        (Some((reason, message)), None) => kept.push(ReplicaSetCondition {
            type_: Some("ReplicaFailure".into()),
            status: Some("True".into()),
            reason: Some(reason.into()),
            message: Some(message),
            last_transition_time: Some(Time(now)),
        }),
    }
    Some(kept).filter(|conditions| !conditions.is_empty())
}
