//! What plugins hand from one point of a cycle to the next.

use k8s_openapi::api::core::v1::{PreferredSchedulingTerm, Toleration};
use std::collections::BTreeSet;

/// State of one pod's cycle. Plugins here need little, so it is typed rather than a map.
#[derive(Clone, Debug, Default)]
pub struct CycleState {
    /// The nodes that the pod is for, and the plugin that said so; the others are not looked at (upstream:
    /// `PreFilterResult`).
    pub only_nodes: Option<(&'static str, BTreeSet<String>)>,
    /// TaintToleration: tolerations that count for `PreferNoSchedule`.
    pub preferred_tolerations: Vec<Toleration>,
    /// NodeAffinity: what the pod prefers.
    pub preferred_terms: Vec<PreferredSchedulingTerm>,
}
