//! SchedulingGates: a pod with a gate waits outside the queue until somebody removes it.

use crate::framework::{ClusterEvent, Hint, Plugin, Rejection};
use crate::pod_info::PodInfo;

/// The plugin.
pub struct SchedulingGates;

impl Plugin for SchedulingGates {
    fn name(&self) -> &'static str {
        "SchedulingGates"
    }

    fn pre_enqueue(&self, pod: &PodInfo) -> Result<(), Rejection> {
        let gates: Vec<&str> = pod.spec().scheduling_gates.iter().flatten().map(|gate| gate.name.as_str()).collect();
        if gates.is_empty() {
            return Ok(());
        }
        Err(Rejection::unresolvable(format!("waiting for scheduling gates: [{}]", gates.join(" "))))
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent) -> Hint {
        if matches!(event, ClusterEvent::Updated) { Hint::Queue } else { Hint::Skip }
    }
}
