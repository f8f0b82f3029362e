//! Kinds of the rbac.authorization.k8s.io group: roles and their bindings, per namespace and for the cluster.

pub mod binding;
pub mod cluster_role;
mod escalation;
pub mod role;
pub mod rules;

/// The group of these kinds.
const GROUP: &str = "rbac.authorization.k8s.io";

#[cfg(test)]
mod tests;
