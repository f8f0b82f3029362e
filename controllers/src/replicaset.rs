//! ReplicaSet: as many pods as asked for (upstream: `pkg/controller/replicaset`).

mod controller;
pub mod plan;
pub mod rank;

#[cfg(test)]
mod tests;

pub use controller::start;
