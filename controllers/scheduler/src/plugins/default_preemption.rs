//! DefaultPreemption: evicts nobody yet, and says so where it could have helped; where it could not, says why in
//! upstream's words.

use crate::framework::Unschedulable;
use crate::framework::{CycleState, Plugin};
use crate::pod_info::PodInfo;
use crate::snapshot::Snapshot;

/// The plugin.
pub struct DefaultPreemption;

impl Plugin for DefaultPreemption {
    fn name(&self) -> &'static str {
        "DefaultPreemption"
    }

    fn post_filter(&self, _: &CycleState, pod: &PodInfo, _: &Snapshot, refused: &Unschedulable) -> Option<String> {
        if pod.spec().preemption_policy.as_deref() == Some("Never") {
            return Some("preemption: not eligible due to preemptionPolicy=Never.".to_owned());
        }
        if refused.could_preempt {
            return Some("preemption: not supported by this scheduler yet.".to_owned());
        }
        let (nodes, hopeless) = (refused.nodes, refused.nodes_unresolvable);
        let counted = [
            (nodes - hopeless, "No preemption victims found for incoming pod"),
            (hopeless, "Preemption is not helpful for scheduling"),
        ];
        let mut parts: Vec<String> =
            counted.iter().filter(|(count, _)| *count > 0).map(|(count, reason)| format!("{count} {reason}")).collect();
        parts.sort();
        Some(format!("preemption: 0/{nodes} nodes are available: {}.", parts.join(", ")))
    }
}
