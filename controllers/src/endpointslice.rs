//! EndpointSlices: which pods serve a Service (upstream: `pkg/controller/endpointslice`).

mod controller;
pub mod plan;
pub mod selection;

#[cfg(test)]
mod tests;

pub(crate) use controller::carry_out;
pub use controller::start;
