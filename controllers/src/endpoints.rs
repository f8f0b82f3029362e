//! Endpoints, the older form of EndpointSlices: one object a Service (upstream: `pkg/controller/endpoint`).

mod controller;
pub mod plan;
mod subsets;

#[cfg(test)]
mod tests;

pub use controller::start;
pub(crate) use subsets::Subsets;
