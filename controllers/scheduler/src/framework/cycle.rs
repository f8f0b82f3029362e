//! What plugins hand from one point of a cycle to the next.

use k8s_openapi::api::core::v1::{PreferredSchedulingTerm, Toleration};

/// State of one pod's cycle. Plugins here need little, so it is typed rather than a map.
#[derive(Clone, Debug, Default)]
pub struct CycleState {
    /// TaintToleration: tolerations that count for `PreferNoSchedule`.
    pub preferred_tolerations: Vec<Toleration>,
    /// NodeAffinity: what the pod prefers.
    pub preferred_terms: Vec<PreferredSchedulingTerm>,
}
