//! The scheduler: which node a pod runs on.
//!
//! Everything up to binding is a pure function of a snapshot: [`queue`] says which pod, [`algorithm`] runs the plugins of
//! [`framework`] over the nodes of a [`snapshot`], [`cache`] remembers what was decided before the API server shows it.
//! Only [`run`], [`bind`] and the plugin [`plugins::default_binder`] know a client. What is not built (inter-pod affinity, spreading, preemption, volumes that
//! must be bound) is refused by the plugin [`plugins::unsupported`], with an event that says so.

pub mod algorithm;
pub mod bind;
pub mod cache;
pub mod framework;
pub mod metrics;
pub mod node_info;
pub mod plugins;
pub mod pod_info;
pub mod quantity;
pub mod queue;
pub mod run;
pub mod snapshot;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use run::{Options, start};
