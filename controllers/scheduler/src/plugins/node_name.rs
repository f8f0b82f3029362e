//! NodeName: a pod that names its node runs there or nowhere.

use crate::framework::{ClusterEvent, CycleState, Hint, Plugin, Rejection};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;

/// The plugin.
pub struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn filter(&self, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        if pod.node_name().is_empty() || pod.node_name() == node.name() {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) didn't match the requested node name"))
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent) -> Hint {
        if matches!(event, ClusterEvent::Node { old: None, .. }) { Hint::Queue } else { Hint::Skip }
    }
}
