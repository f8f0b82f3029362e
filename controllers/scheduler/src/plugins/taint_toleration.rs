//! TaintToleration: taints keep pods away that do not tolerate them; soft ones cost score.

use super::normalize;
use crate::framework::{ClusterEvent, CycleState, Hint, Plugin, Rejection};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use controllers_runtime::taints::tolerates;
use k8s_openapi::api::core::v1::{Node, Taint, Toleration};

/// The plugin.
pub struct TaintToleration;

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn filter(&self, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        if tolerates_all(pod, node.taints()) {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) had untolerated taint(s)"))
    }

    fn pre_score(&self, state: &mut CycleState, pod: &PodInfo) -> bool {
        let soft =
            |toleration: &&Toleration| matches!(toleration.effect.as_deref(), None | Some("" | "PreferNoSchedule"));
        state.preferred_tolerations = pod.spec().tolerations.iter().flatten().filter(soft).cloned().collect();
        true
    }

    fn score(&self, state: &CycleState, _: &PodInfo, node: &NodeInfo) -> i64 {
        let soft = node.taints().iter().filter(|taint| taint.effect == "PreferNoSchedule");
        let disliked =
            soft.filter(|taint| !state.preferred_tolerations.iter().any(|toleration| tolerates(toleration, taint)));
        i64::try_from(disliked.count()).unwrap_or(i64::MAX)
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize(scores, true);
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> Hint {
        let open = |node: &Node| {
            tolerates_all(pod, node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default())
        };
        match event {
            ClusterEvent::Node { old, new } if old.as_ref().is_some_and(|old| open(old)) || !open(new) => Hint::Skip,
            ClusterEvent::PodGone(_) => Hint::Skip,
            ClusterEvent::Node { .. } | ClusterEvent::Updated => Hint::Queue,
        }
    }
}

/// Whether none of the taints keeps the pod away.
fn tolerates_all(pod: &PodInfo, taints: &[Taint]) -> bool {
    let hard = |taint: &&Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    taints.iter().filter(hard).all(|taint| is_tolerated(pod, taint))
}

fn is_tolerated(pod: &PodInfo, taint: &Taint) -> bool {
    pod.spec().tolerations.iter().flatten().any(|toleration| tolerates(toleration, taint))
}
