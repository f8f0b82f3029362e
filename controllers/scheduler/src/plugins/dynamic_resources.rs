//! DynamicResources: pods that claim devices are refused by [`super::unsupported`]; what is left is what upstream's plugin
//! says of a pod without claims.

use crate::framework::Unschedulable;
use crate::framework::{CycleState, Plugin};
use crate::pod_info::PodInfo;
use crate::snapshot::Snapshot;

/// The plugin.
pub struct DynamicResources;

impl Plugin for DynamicResources {
    fn name(&self) -> &'static str {
        "DynamicResources"
    }

    fn post_filter(&self, _: &CycleState, _: &PodInfo, _: &Snapshot, _: &Unschedulable) -> Option<String> {
        Some("no new claims to deallocate".to_owned())
    }
}
