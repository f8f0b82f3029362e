//! Which events may make a rejected pod schedulable (upstream: QueueingHints).

use crate::pod_info::PodInfo;
use k8s_openapi::api::core::v1::Node;
use std::sync::Arc;

/// A change in the cluster that waiting pods may care about.
#[derive(Clone, Debug)]
pub enum ClusterEvent {
    /// A node came, or changed.
    Node {
        /// As it was; `None` for a new one.
        old: Option<Arc<Node>>,
        /// As it is.
        new: Arc<Node>,
    },
    /// A pod that had a node is gone or has finished.
    PodGone(Arc<PodInfo>),
    /// The waiting pod itself changed.
    Updated,
}

impl ClusterEvent {
    /// Upstream's name, for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Node { old: None, .. } => "NodeAdd",
            Self::Node { old: Some(_), .. } => "NodeUpdate",
            Self::PodGone(_) => "AssignedPodDelete",
            Self::Updated => "PodUpdate",
        }
    }
}

/// What a plugin says of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// It may help: try again.
    Queue,
    /// It cannot help.
    Skip,
}
