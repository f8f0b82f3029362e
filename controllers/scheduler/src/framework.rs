//! The extension points of upstream's scheduling framework.
//!
//! Order of a cycle: `PreEnqueue` (before the pod is queued), `QueueSort`, `PreFilter`, `Filter` per node, `PostFilter`
//! if no node is left, `PreScore`, `Score` per node, `NormalizeScore`, `Reserve`, `Permit`; then, off the scheduling
//! path, the wait for permission, `PreBind`, `Bind`, `PostBind`, or `Unreserve` when one of them failed.

pub mod binding;
pub mod cycle;
pub mod hint;
pub mod points;
pub mod refusal;
pub mod registry;

pub use binding::{Failure, Permit, Step, Verdict};
pub use cycle::CycleState;
pub use hint::{ClusterEvent, Hint};
pub use refusal::{Refusal, Rejection, Unschedulable};
pub use registry::{Profile, default_profile};

use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use crate::snapshot::Snapshot;
use std::cmp::Ordering;

/// Highest score of a node.
pub const SCORE_MAX: i64 = 100;

/// A plugin; it takes part at the points whose methods it overrides.
#[allow(unused_variables, reason = "the defaults take part in nothing")]
pub trait Plugin: Send + Sync {
    /// Upstream's name of the plugin.
    fn name(&self) -> &'static str;

    /// Keeps a pod out of the queue until a later event.
    fn pre_enqueue(&self, pod: &PodInfo) -> Result<(), Rejection> {
        Ok(())
    }

    /// Which of two pods goes first; `None` leaves it to others.
    fn queue_sort(&self, left: &PodInfo, right: &PodInfo) -> Option<Ordering> {
        None
    }

    /// Once a cycle: refuse the pod as a whole, or prepare what `filter` needs.
    fn pre_filter(&self, state: &mut CycleState, pod: &PodInfo, snapshot: &Snapshot) -> Result<(), Rejection> {
        Ok(())
    }

    /// Whether the pod can run on the node.
    fn filter(&self, state: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        Ok(())
    }

    /// Where no node is left: makes room if it can (the pod comes back when something changes), and says what became of it.
    fn post_filter(
        &self,
        state: &CycleState,
        pod: &PodInfo,
        snapshot: &Snapshot,
        refused: &Unschedulable,
    ) -> Option<String> {
        None
    }

    /// Whether [`Self::score`] says anything for this pod; false saves a pass over the nodes.
    fn pre_score(&self, state: &mut CycleState, pod: &PodInfo) -> bool {
        false
    }

    /// How well the node suits; any range, see [`Self::normalize`].
    fn score(&self, state: &CycleState, pod: &PodInfo, node: &NodeInfo) -> i64 {
        0
    }

    /// Brings the scores of all nodes into 0 to [`SCORE_MAX`].
    fn normalize(&self, scores: &mut [i64]) {}

    /// Takes what the decision needs; an error sends the pod back to the queue.
    fn reserve(&self, pod: &PodInfo, node: &str) -> Result<(), Rejection> {
        Ok(())
    }

    /// Gives back what [`Self::reserve`] took.
    fn unreserve(&self, pod: &PodInfo, node: &str) {}

    /// Last word before binding; may make the pod wait.
    fn permit(&self, pod: &PodInfo, node: &str) -> Result<Permit, Rejection> {
        Ok(Permit::Allow)
    }

    /// What has to be done before the pod is bound.
    fn pre_bind<'a>(&'a self, pod: &'a PodInfo, node: &'a str) -> Step<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Binds, or leaves it to the plugins behind.
    fn bind<'a>(&'a self, pod: &'a PodInfo, node: &'a str) -> Option<Step<'a>> {
        None
    }

    /// The pod was bound.
    fn post_bind(&self, pod: &PodInfo, node: &str) {}

    /// Whether the event may let a pod in that this plugin rejected.
    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> Hint {
        Hint::Queue
    }
}
