//! TaintToleration: taints keep pods away that do not tolerate them; soft ones cost score.

use super::normalize;
use crate::framework::{ClusterEvent, CycleState, Hint, Plugin, Rejection};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use controllers_runtime::taints::tolerates;
use k8s_openapi::api::core::v1::{Taint, Toleration};

/// The plugin.
pub struct TaintToleration;

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn filter(&self, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        let hard = |taint: &&Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
        match node.taints().iter().filter(hard).find(|taint| !is_tolerated(pod, taint)) {
            None => Ok(()),
            Some(_) => Err(Rejection::unresolvable("node(s) had untolerated taint(s)")),
        }
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

    fn hint(&self, _: &PodInfo, event: &ClusterEvent) -> Hint {
        if matches!(event, ClusterEvent::PodGone(_)) { Hint::Skip } else { Hint::Queue }
    }
}

fn is_tolerated(pod: &PodInfo, taint: &Taint) -> bool {
    pod.spec().tolerations.iter().flatten().any(|toleration| tolerates(toleration, taint))
}
