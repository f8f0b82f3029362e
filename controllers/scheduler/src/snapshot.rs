//! The nodes at the start of a scheduling cycle. Taking one costs as much as has changed since the last.

use crate::node_info::NodeInfo;
use std::collections::HashMap;
use std::sync::Arc;

/// The nodes in a fixed order, shared with the cache until one side changes.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    nodes: Vec<Arc<NodeInfo>>,
    places: HashMap<String, usize>,
}

impl Snapshot {
    /// All nodes.
    pub fn nodes(&self) -> &[Arc<NodeInfo>] {
        &self.nodes
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Arc<NodeInfo>> {
        self.places.get(name).map(|place| &self.nodes[*place])
    }

    /// Puts a node's new state in the place of its old one, or at the end.
    pub(crate) fn put(&mut self, name: &str, node: Arc<NodeInfo>) {
        match self.places.get(name) {
            Some(place) => self.nodes[*place] = node,
            None => {
                self.places.insert(name.to_owned(), self.nodes.len());
                self.nodes.push(node);
            }
        }
    }

    /// Takes a node away; the last one moves to its place.
    pub(crate) fn remove(&mut self, name: &str) {
        let Some(place) = self.places.remove(name) else { return };
        self.nodes.swap_remove(place);
        if let Some(moved) = self.nodes.get(place) {
            self.places.insert(moved.name().to_owned(), place);
        }
    }
}
