//! Which plugins run, in which order, with which weight.

use super::{CycleState, Plugin, Rejection};
use crate::node_info::NodeInfo;
use crate::plugins::*;
use crate::pod_info::PodInfo;
use std::cmp::Ordering;
use std::sync::Arc;

/// A plugin and what its score counts.
#[derive(Clone)]
pub struct Weighted {
    /// The plugin.
    pub plugin: Arc<dyn Plugin>,
    /// 0 for plugins that do not score.
    pub weight: i64,
}

/// The plugins of a scheduler, in order. Cheap to clone.
#[derive(Clone)]
pub struct Profile {
    plugins: Arc<[Weighted]>,
}

impl Profile {
    /// A profile of these plugins.
    pub fn new(plugins: Vec<Weighted>) -> Self {
        Self { plugins: plugins.into() }
    }

    /// The same with another plugin behind the others.
    pub fn with(&self, plugin: Arc<dyn Plugin>, weight: i64) -> Self {
        Self::new(self.plugins.iter().cloned().chain([Weighted { plugin, weight }]).collect())
    }

    /// The plugins in order.
    pub fn plugins(&self) -> impl Iterator<Item = &Arc<dyn Plugin>> {
        self.plugins.iter().map(|weighted| &weighted.plugin)
    }

    /// The plugins with their weights.
    pub fn weighted(&self) -> &[Weighted] {
        &self.plugins
    }

    /// The plugin of this name.
    pub fn plugin(&self, name: &str) -> Option<&Arc<dyn Plugin>> {
        self.plugins().find(|plugin| plugin.name() == name)
    }

    /// Which of two pods goes first.
    pub fn compare(&self, left: &PodInfo, right: &PodInfo) -> Ordering {
        self.plugins().find_map(|plugin| plugin.queue_sort(left, right)).unwrap_or(Ordering::Equal)
    }

    /// The first rejection of a node, with the plugin that spoke it.
    pub fn filter(&self, state: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Result<(), (&'static str, Rejection)> {
        for plugin in self.plugins() {
            plugin.filter(state, pod, node).map_err(|rejection| (plugin.name(), rejection))?;
        }
        Ok(())
    }
}

/// Upstream's default profile, as far as its plugins are built, with upstream's weights. What binds is added where there
/// is a client ([`default_binder`]).
pub fn default_profile() -> Profile {
    let plugin = |plugin: Arc<dyn Plugin>, weight| Weighted { plugin, weight };
    Profile::new(vec![
        plugin(Arc::new(scheduling_gates::SchedulingGates), 0),
        plugin(Arc::new(priority_sort::PrioritySort), 0),
        plugin(Arc::new(unsupported::Unsupported), 0),
        plugin(Arc::new(node_unschedulable::NodeUnschedulable), 0),
        plugin(Arc::new(node_name::NodeName), 0),
        plugin(Arc::new(taint_toleration::TaintToleration), 3),
        plugin(Arc::new(node_affinity::NodeAffinity), 2),
        plugin(Arc::new(node_ports::NodePorts), 0),
        plugin(Arc::new(node_resources_fit::NodeResourcesFit::default()), 1),
        plugin(Arc::new(default_preemption::DefaultPreemption), 0),
    ])
}
