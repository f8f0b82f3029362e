//! Why a pod cannot run somewhere, or anywhere.

use std::collections::{BTreeMap, BTreeSet};

/// Why a node, or every node, is out of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Texts that events show, each counted over nodes.
    pub reasons: Vec<String>,
    /// Whether removing pods from the node cannot help (upstream: `UnschedulableAndUnresolvable`).
    pub is_final: bool,
}

impl Rejection {
    /// Something that other pods' going could resolve.
    pub fn resolvable(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], is_final: false }
    }

    /// Something that lies in the node or in the pod.
    pub fn unresolvable(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], is_final: true }
    }
}

/// The plugin that refused, and why.
pub type Refusal = (&'static str, Rejection);

/// Why no node was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unschedulable {
    /// Nodes in the snapshot.
    pub nodes: usize,
    /// Nodes that other pods' going would not help.
    pub nodes_unresolvable: usize,
    /// Why the pod was refused as a whole; empty when nodes were looked at one by one.
    pub refused_as_whole: String,
    /// How many nodes each reason ruled out.
    pub reasons: BTreeMap<String, usize>,
    /// What plugins said where no node was left.
    pub afterwards: String,
    /// The plugins that rejected.
    pub plugins: BTreeSet<&'static str>,
    /// Whether evicting pods of lower priority could have helped somewhere.
    pub could_preempt: bool,
}

impl Unschedulable {
    /// The text of the event and of the condition (upstream: `FitError`).
    pub fn message(&self) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".to_owned();
        }
        let mut message = format!("0/{} nodes are available:", self.nodes);
        if self.refused_as_whole.is_empty() {
            let mut parts: Vec<String> =
                self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            parts.sort();
            message += &format!(" {}.", parts.join(", "));
        } else {
            message += &format!(" {}.", self.refused_as_whole);
        }
        if !self.afterwards.is_empty() {
            message += &format!(" {}", self.afterwards);
        }
        message
    }
}
