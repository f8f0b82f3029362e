//! EndpointSlices for Endpoints that somebody writes by hand, for a Service without a selector (upstream:
//! `pkg/controller/endpointslicemirroring`).

mod controller;
pub mod plan;

#[cfg(test)]
mod tests;

pub use controller::start;
