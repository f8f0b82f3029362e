//! Deletes what nobody owns any more (upstream: `pkg/controller/garbagecollector`).
//!
//! [`graph`] knows every object's owners and dependents (pure); [`controller`] feeds it from watches of the metadata of
//! every kind that discovery shows, and asks the server before it deletes anything: the graph is a hint, the live
//! object decides.

mod controller;
pub mod graph;

#[cfg(test)]
mod tests;

pub use controller::start;
