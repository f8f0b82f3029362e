//! New sizes of the ReplicaSets. Pure.

use super::numbers::*;
use super::template::scale_annotations;
use crate::objects::{annotation, created, name};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use std::cmp::Reverse;
use std::sync::Arc;

/// A set and the replicas that it should ask for.
pub type Resize = (Arc<ReplicaSet>, i32);

/// Whether the Deployment's size changed since a set was scaled: then the sets grow or shrink in proportion before
/// anything is rolled.
pub fn is_scaling(deployment: &Deployment, sets: &[Arc<ReplicaSet>]) -> bool {
    let desired = |set: &ReplicaSet| annotation(&set.metadata, DESIRED_REPLICAS)?.parse::<i32>().ok();
    sets.iter()
        .filter(|set| set_replicas(set) > 0)
        .any(|set| desired(set).is_some_and(|old| old != replicas(deployment)))
}

/// The size of a set for the current template that was just made, or that grows.
pub fn new_set_replicas(deployment: &Deployment, sets: &[Arc<ReplicaSet>], current: i32) -> i32 {
    if recreates(deployment) {
        return replicas(deployment);
    }
    let total = sum_replicas(sets);
    let most = replicas(deployment) + max_surge(deployment);
    if total >= most {
        return current;
    }
    current + (most - total).min(replicas(deployment) - current)
}

/// One step of a rolling update: grow the new set, or else shrink the old ones.
pub fn roll(deployment: &Deployment, new: &Arc<ReplicaSet>, old: &[Arc<ReplicaSet>]) -> Vec<Resize> {
    let all: Vec<_> = old.iter().chain([new]).cloned().collect();
    let current = set_replicas(new);
    let wanted =
        if current > replicas(deployment) { replicas(deployment) } else { new_set_replicas(deployment, &all, current) };
    if wanted != current {
        return vec![(Arc::clone(new), wanted)];
    }
    shrink_old(deployment, new, old, &all)
}

fn shrink_old(
    deployment: &Deployment,
    new: &ReplicaSet,
    old: &[Arc<ReplicaSet>],
    all: &[Arc<ReplicaSet>],
) -> Vec<Resize> {
    let least = replicas(deployment) - max_unavailable(deployment);
    let new_unavailable = set_replicas(new) - still_available(new);
    let budget = sum_replicas(all) - least - new_unavailable;
    if sum_replicas(old) == 0 || budget <= 0 {
        return Vec::new();
    }
    let mut sorted = old.to_vec();
    sorted.sort_by_key(|set| (created(&set.metadata), name(&set.metadata).to_owned()));
    let mut sizes: Vec<i32> = sorted.iter().map(|set| set_replicas(set)).collect();
    // Pods that do not serve anybody go first.
    let mut unhealthy_budget = budget;
    for (set, size) in sorted.iter().zip(&mut sizes) {
        let step = unhealthy_budget.min(*size - still_available(set)).max(0);
        *size -= step;
        unhealthy_budget -= step;
    }
    let mut healthy_budget = all.iter().map(|set| still_available(set)).sum::<i32>() - least;
    for size in &mut sizes {
        let step = healthy_budget.min(*size).max(0);
        *size -= step;
        healthy_budget -= step;
    }
    sorted.into_iter().zip(sizes).filter(|(set, size)| set_replicas(set) != *size).collect()
}

/// Available pods that a set will go on having: right after it shrank, its status still counts those that are about to go.
fn still_available(set: &ReplicaSet) -> i32 {
    let available = set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0);
    available.min(set_replicas(set))
}

/// Sizes after the Deployment itself was resized, or while it is paused.
pub fn scale(deployment: &Deployment, new: Option<&Arc<ReplicaSet>>, old: &[Arc<ReplicaSet>]) -> Vec<Resize> {
    let desired = replicas(deployment);
    let mut all: Vec<_> = old.iter().chain(new).cloned().collect();
    let active: Vec<_> = all.iter().filter(|set| set_replicas(set) > 0).cloned().collect();
    let single = match active.as_slice() {
        [] => new.or(old.iter().max_by_key(|set| created(&set.metadata))).cloned(),
        [one] => Some(Arc::clone(one)),
        _ => None,
    };
    if let Some(single) = single {
        return if set_replicas(&single) == desired { Vec::new() } else { vec![(single, desired)] };
    }
    if new.is_some_and(|new| is_saturated(deployment, new)) {
        let shrinking = old.iter().filter(|set| set_replicas(set) > 0);
        return shrinking.map(|set| (Arc::clone(set), 0)).collect();
    }
    if recreates(deployment) {
        return Vec::new();
    }
    all.retain(|set| set_replicas(set) > 0);
    proportional(deployment, all)
}

/// Whether the new set is complete and serves alone.
fn is_saturated(deployment: &Deployment, new: &ReplicaSet) -> bool {
    let desired = replicas(deployment);
    let annotated = annotation(&new.metadata, DESIRED_REPLICAS).and_then(|text| text.parse().ok());
    let available = new.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0);
    set_replicas(new) == desired && annotated == Some(desired) && available == desired
}

fn proportional(deployment: &Deployment, mut sets: Vec<Arc<ReplicaSet>>) -> Vec<Resize> {
    let desired = replicas(deployment);
    let allowed = if desired > 0 { desired + max_surge(deployment) } else { 0 };
    let to_add = allowed - sum_replicas(&sets);
    // The larger set changes first; among equals the newer grows and the older shrinks first.
    let by_age = |set: &Arc<ReplicaSet>| created(&set.metadata);
    if to_add > 0 {
        sets.sort_by_key(|set| (Reverse(set_replicas(set)), Reverse(by_age(set))));
    } else {
        sets.sort_by_key(|set| (Reverse(set_replicas(set)), by_age(set)));
    }
    let mut added = 0;
    let mut sizes = Vec::with_capacity(sets.len());
    for set in &sets {
        let share = if to_add == 0 { 0 } else { proportion(set, deployment, to_add, added) };
        added += share;
        sizes.push(set_replicas(set) + share);
    }
    if let (Some(first), true) = (sizes.first_mut(), to_add != 0) {
        *first = (*first + to_add - added).max(0);
    }
    let annotations = scale_annotations(deployment);
    let stale = |set: &ReplicaSet| annotations.iter().any(|(key, value)| annotation(&set.metadata, key) != Some(value));
    sets.into_iter().zip(sizes).filter(|(set, size)| set_replicas(set) != *size || stale(set)).collect()
}

fn proportion(set: &ReplicaSet, deployment: &Deployment, to_add: i32, added: i32) -> i32 {
    let size = set_replicas(set);
    if size == 0 || to_add == added {
        return 0;
    }
    let fraction = if replicas(deployment) == 0 {
        -size
    } else {
        let annotated = annotation(&set.metadata, MAX_REPLICAS).and_then(|text| text.parse::<i32>().ok());
        let status = deployment.status.as_ref().and_then(|status| status.replicas);
        let before = annotated.or(status).filter(|before| *before > 0).unwrap_or(1);
        let total = replicas(deployment) + max_surge(deployment);
        // Rounded to the nearest, as upstream's integer.RoundToInt32 does.
        let grown = (f64::from(size) * f64::from(total) / f64::from(before)).round();
        #[allow(clippy::cast_possible_truncation, reason = "replicas fit in 32 bits")]
        let grown = grown as i32;
        grown - size
    };
    let left = to_add - added;
    if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
}
