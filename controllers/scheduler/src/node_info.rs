//! A node and what runs on it, added up.

use crate::pod_info::{HostPort, PodInfo, Resources};
use crate::quantity;
use k8s_openapi::api::core::v1::{Node, Taint};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A node as the scheduler sees it: what it offers and what is taken, assumed pods included.
#[derive(Clone, Debug, Default)]
pub struct NodeInfo {
    /// As last seen; `None` while only its pods are known.
    pub node: Option<Arc<Node>>,
    /// What pods may use.
    pub allocatable: Resources,
    /// How many pods may run.
    pub pods_max: i64,
    /// What its pods ask for.
    pub requested: Resources,
    /// The same as scores count it.
    pub scored: Resources,
    /// Its pods by uid.
    pub pods: HashMap<String, Arc<PodInfo>>,
    /// Ports taken, with how many pods take each.
    pub host_ports: BTreeMap<HostPort, usize>,
}

impl NodeInfo {
    /// The name; empty while only its pods are known.
    pub fn name(&self) -> &str {
        self.node.as_ref().and_then(|node| node.metadata.name.as_deref()).unwrap_or_default()
    }

    /// The taints.
    pub fn taints(&self) -> &[Taint] {
        self.node.as_ref().and_then(|node| node.spec.as_ref()?.taints.as_deref()).unwrap_or_default()
    }

    /// Whether somebody closed the node (`kubectl cordon`).
    pub fn is_unschedulable(&self) -> bool {
        self.node.as_ref().and_then(|node| node.spec.as_ref()?.unschedulable).unwrap_or(false)
    }

    /// Takes over what the node says of itself.
    pub fn set_node(&mut self, node: Arc<Node>) {
        let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
        self.allocatable = Resources::read(allocatable);
        self.pods_max = allocatable.and_then(|list| list.get("pods")).map_or(0, quantity::value);
        self.node = Some(node);
    }

    /// Adds a pod; one with the same uid is replaced.
    pub fn add_pod(&mut self, pod: Arc<PodInfo>) {
        self.remove_pod(pod.uid());
        self.requested.add(&pod.requests, 1);
        self.scored.add(&pod.scored, 1);
        for port in &pod.host_ports {
            *self.host_ports.entry(port.clone()).or_default() += 1;
        }
        self.pods.insert(pod.uid().to_owned(), pod);
    }

    /// Removes a pod; says whether it was here.
    pub fn remove_pod(&mut self, uid: &str) -> bool {
        let Some(pod) = self.pods.remove(uid) else { return false };
        self.requested.add(&pod.requests, -1);
        self.scored.add(&pod.scored, -1);
        for port in &pod.host_ports {
            if let Some(count) = self.host_ports.get_mut(port) {
                *count -= 1;
                if *count == 0 {
                    self.host_ports.remove(port);
                }
            }
        }
        true
    }
}
