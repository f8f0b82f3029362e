//! PrioritySort: higher priority first; among equals the queue keeps the order of arrival.

use crate::framework::Plugin;
use crate::pod_info::PodInfo;
use std::cmp::Ordering;

/// The plugin.
pub struct PrioritySort;

impl Plugin for PrioritySort {
    fn name(&self) -> &'static str {
        "PrioritySort"
    }

    fn queue_sort(&self, left: &PodInfo, right: &PodInfo) -> Option<Ordering> {
        Some(right.priority().cmp(&left.priority()))
    }
}
