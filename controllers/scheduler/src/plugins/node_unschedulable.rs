//! NodeUnschedulable: closed nodes take only pods that tolerate it.

use crate::framework::{ClusterEvent, CycleState, Hint, Plugin, Rejection};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use controllers_runtime::taints::tolerates;
use k8s_openapi::api::core::v1::Taint;

/// The plugin.
pub struct NodeUnschedulable;

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn filter(&self, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        if !node.is_unschedulable() {
            return Ok(());
        }
        let taint =
            Taint { key: "node.kubernetes.io/unschedulable".into(), effect: "NoSchedule".into(), ..Taint::default() };
        if pod.spec().tolerations.iter().flatten().any(|toleration| tolerates(toleration, &taint)) {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) were unschedulable"))
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent) -> Hint {
        let closed = |node: &k8s_openapi::api::core::v1::Node| {
            node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false)
        };
        match event {
            ClusterEvent::Node { old, new } if !closed(new) && old.as_ref().is_none_or(|old| closed(old)) => {
                Hint::Queue
            }
            ClusterEvent::Updated => Hint::Queue,
            _ => Hint::Skip,
        }
    }
}
