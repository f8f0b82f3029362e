//! NodePorts: two pods cannot have the same port of a node.

use crate::framework::{ClusterEvent, CycleState, Hint, Plugin, Rejection};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;

/// The plugin.
pub struct NodePorts;

impl Plugin for NodePorts {
    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn filter(&self, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        let taken = |wanted| node.host_ports.keys().any(|port| port.conflicts(wanted));
        if pod.host_ports.iter().any(taken) {
            return Err(Rejection::resolvable("node(s) didn't have free ports for the requested pod ports"));
        }
        Ok(())
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> Hint {
        match event {
            ClusterEvent::PodGone(gone) => {
                let frees =
                    gone.host_ports.iter().any(|port| pod.host_ports.iter().any(|wanted| wanted.conflicts(port)));
                if frees { Hint::Queue } else { Hint::Skip }
            }
            ClusterEvent::Node { old: Some(_), .. } => Hint::Skip,
            _ => Hint::Queue,
        }
    }
}
