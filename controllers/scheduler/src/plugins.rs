//! The plugins, each under upstream's name, one a file.

pub mod default_binder;
pub mod default_preemption;
pub mod node_affinity;
pub mod node_name;
pub mod node_ports;
pub mod node_resources_fit;
pub mod node_unschedulable;
pub mod priority_sort;
pub mod scheduling_gates;
pub mod taint_toleration;
pub mod unsupported;

use crate::framework::SCORE_MAX;

/// Scales scores so that the highest becomes [`SCORE_MAX`]; with `reverse`, the highest becomes 0 (upstream:
/// `DefaultNormalizeScore`).
pub(crate) fn normalize(scores: &mut [i64], reverse: bool) {
    let highest = scores.iter().copied().max().unwrap_or(0);
    if highest == 0 {
        if reverse {
            scores.fill(SCORE_MAX);
        }
        return;
    }
    for score in scores {
        *score = SCORE_MAX * *score / highest;
        if reverse {
            *score = SCORE_MAX - *score;
        }
    }
}
