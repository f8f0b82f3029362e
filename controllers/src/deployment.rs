//! Deployment: rolls ReplicaSets over (upstream: `pkg/controller/deployment`).

mod controller;
pub mod numbers;
pub mod plan;
pub mod progress;
pub mod scale;
pub mod template;

#[cfg(test)]
mod tests;

pub use controller::start;
