//! How many pods a Deployment may have too many or too few.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::sync::Arc;

/// Annotation on a ReplicaSet: the Deployment's replicas when it was last scaled.
pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
/// Annotation on a ReplicaSet: that number and the surge.
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

/// The number of replicas asked for; upstream's default is 1.
pub fn replicas(deployment: &Deployment) -> i32 {
    deployment.spec.replicas.unwrap_or(1)
}

/// Whether old pods go before new ones come.
pub fn recreates(deployment: &Deployment) -> bool {
    let strategy = deployment.spec.strategy.as_ref();
    strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate")
}

/// Pods above the number asked for during a rolling update.
pub fn max_surge(deployment: &Deployment) -> i32 {
    if recreates(deployment) { 0 } else { fenceposts(deployment).0 }
}

/// Pods below the number asked for during a rolling update.
pub fn max_unavailable(deployment: &Deployment) -> i32 {
    if recreates(deployment) || replicas(deployment) == 0 {
        return 0;
    }
    fenceposts(deployment).1.min(replicas(deployment))
}

/// Surge rounds up, unavailability rounds down; if both are 0, one pod may be unavailable, or nothing could move.
fn fenceposts(deployment: &Deployment) -> (i32, i32) {
    let strategy = deployment.spec.strategy.as_ref();
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let value = |choose: fn(&k8s_openapi::api::apps::v1::RollingUpdateDeployment) -> Option<&IntOrString>, up| {
        resolve(rolling.and_then(choose), replicas(deployment), up)
    };
    let surge = value(|rolling| rolling.max_surge.as_ref(), true);
    let unavailable = value(|rolling| rolling.max_unavailable.as_ref(), false);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

fn resolve(value: Option<&IntOrString>, total: i32, round_up: bool) -> i32 {
    let percent = match value {
        Some(IntOrString::Int(number)) => return *number,
        Some(IntOrString::String(text)) => text.trim_end_matches('%').parse().unwrap_or(0),
        None => 25,
    };
    let scaled = i64::from(total) * percent;
    let rounded = if round_up { (scaled + 99) / 100 } else { scaled / 100 };
    i32::try_from(rounded).unwrap_or(i32::MAX)
}

/// The replicas that a set's spec asks for.
pub fn set_replicas(set: &ReplicaSet) -> i32 {
    set.spec.replicas.unwrap_or(1)
}

/// The replicas that all sets' specs ask for.
pub fn sum_replicas<'a>(sets: impl IntoIterator<Item = &'a Arc<ReplicaSet>>) -> i32 {
    sets.into_iter().map(|set| set_replicas(set)).sum()
}

/// A number out of the sets' statuses, added up.
pub fn sum_status<'a>(
    sets: impl IntoIterator<Item = &'a Arc<ReplicaSet>>,
    number: fn(&k8s_openapi::api::apps::v1::ReplicaSetStatus) -> i32,
) -> i32 {
    sets.into_iter().filter_map(|set| set.status.as_ref()).map(number).sum()
}

/// Available pods of all sets.
pub fn sum_available<'a>(sets: impl IntoIterator<Item = &'a Arc<ReplicaSet>>) -> i32 {
    sum_status(sets, |status| status.available_replicas.unwrap_or(0))
}
