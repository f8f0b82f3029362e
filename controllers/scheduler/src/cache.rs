//! Nodes and pods as far as known, with decisions that the API server has not shown yet (upstream: assume and forget).
//!
//! A pod is *assumed* on a node as soon as the scheduler decides, so that the next decision counts it. The watch then
//! confirms it; if binding fails, it is forgotten. There is no expiry: every binding ends in one of the two.

use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use crate::snapshot::Snapshot;
use k8s_openapi::api::core::v1::Node;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The state behind the snapshots.
#[derive(Debug, Default)]
pub struct Cache {
    nodes: HashMap<String, Arc<NodeInfo>>,
    /// Where each pod is, by uid.
    places: HashMap<String, String>,
    assumed: BTreeSet<String>,
    dirty: BTreeSet<String>,
}

impl Cache {
    /// Adds a node or takes over its new state.
    pub fn set_node(&mut self, node: Arc<Node>) {
        let Some(name) = node.metadata.name.clone() else { return };
        self.change(&name, |info| info.set_node(node));
    }

    /// Removes a node. Its pods stay counted in case it comes back.
    pub fn remove_node(&mut self, name: &str) {
        self.change(name, |info| info.node = None);
        if self.nodes.get(name).is_some_and(|info| info.pods.is_empty()) {
            self.nodes.remove(name);
        }
    }

    /// Counts a pod on a node before the API server shows it there.
    pub fn assume(&mut self, pod: Arc<PodInfo>, node: &str) {
        self.assumed.insert(pod.uid().to_owned());
        self.place(pod, node);
    }

    /// Takes an assumed pod back; one that was confirmed meanwhile stays.
    pub fn forget(&mut self, uid: &str) {
        if self.assumed.remove(uid) {
            self.take_away(uid);
        }
    }

    /// A pod is where the API server says.
    pub fn confirm(&mut self, pod: Arc<PodInfo>) {
        self.assumed.remove(pod.uid());
        let node = pod.node_name().to_owned();
        self.place(pod, &node);
    }

    /// A pod is gone or finished.
    pub fn remove_pod(&mut self, uid: &str) {
        self.assumed.remove(uid);
        self.take_away(uid);
    }

    /// Whether the pod was decided about and is not confirmed.
    pub fn is_assumed(&self, uid: &str) -> bool {
        self.assumed.contains(uid)
    }

    /// Nodes, pods, and those of them that are assumed.
    pub fn lengths(&self) -> (usize, usize, usize) {
        (self.nodes.len(), self.places.len(), self.assumed.len())
    }

    /// Brings a snapshot up to date by what changed since the last call.
    pub fn refresh(&mut self, snapshot: &mut Snapshot) {
        for name in std::mem::take(&mut self.dirty) {
            match self.nodes.get(&name).filter(|info| info.node.is_some()) {
                Some(info) => snapshot.put(&name, Arc::clone(info)),
                None => snapshot.remove(&name),
            }
        }
    }

    fn place(&mut self, pod: Arc<PodInfo>, node: &str) {
        let uid = pod.uid().to_owned();
        if self.places.get(&uid).is_some_and(|place| place != node) {
            self.take_away(&uid);
        }
        self.places.insert(uid, node.to_owned());
        self.change(node, |info| info.add_pod(pod));
    }

    fn take_away(&mut self, uid: &str) {
        if let Some(node) = self.places.remove(uid) {
            self.change(&node, |info| {
                info.remove_pod(uid);
            });
        }
    }

    fn change(&mut self, node: &str, change: impl FnOnce(&mut NodeInfo)) {
        change(Arc::make_mut(self.nodes.entry(node.to_owned()).or_default()));
        self.dirty.insert(node.to_owned());
    }
}
