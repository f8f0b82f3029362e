//! Refuses pods that ask for what this scheduler cannot do yet, so that nothing runs where it must not.

use crate::framework::{ClusterEvent, CycleState, Hint, Plugin, Rejection};
use crate::pod_info::PodInfo;
use crate::snapshot::Snapshot;

/// The plugin; it has no counterpart upstream.
pub struct Unsupported;

impl Plugin for Unsupported {
    fn name(&self) -> &'static str {
        "Unsupported"
    }

    fn pre_filter(&self, _: &mut CycleState, pod: &PodInfo, _: &Snapshot) -> Result<(), Rejection> {
        match unsupported(pod) {
            None => Ok(()),
            Some(what) => {
                Err(Rejection::unresolvable(format!("pod asks for {what}, which this scheduler does not support yet")))
            }
        }
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent) -> Hint {
        if matches!(event, ClusterEvent::Updated) { Hint::Queue } else { Hint::Skip }
    }
}

fn unsupported(pod: &PodInfo) -> Option<&'static str> {
    let spec = pod.spec();
    let affinity = spec.affinity.as_ref();
    if affinity.is_some_and(|affinity| affinity.pod_affinity.is_some() || affinity.pod_anti_affinity.is_some()) {
        return Some("inter-pod affinity (spec.affinity.podAffinity, podAntiAffinity)");
    }
    if spec.topology_spread_constraints.as_ref().is_some_and(|constraints| !constraints.is_empty()) {
        return Some("topology spreading (spec.topologySpreadConstraints)");
    }
    if spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
        return Some("dynamic resources (spec.resourceClaims)");
    }
    if spec.scheduling_group.is_some() {
        return Some("gang scheduling (spec.schedulingGroup)");
    }
    let volumes = || spec.volumes.iter().flatten();
    if volumes().any(|volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some()) {
        return Some("persistent volumes (spec.volumes)");
    }
    None
}
