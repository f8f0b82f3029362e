//! Removes pods that nobody else can: those of nodes that are gone, those that were deleted before they had a node, and
//! the oldest of too many that have finished (upstream: `pkg/controller/podgc`).

mod controller;
pub mod plan;

pub use controller::start;
