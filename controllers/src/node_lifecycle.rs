//! Nodes that no longer answer: their condition becomes unknown, taints keep pods away and in the end evict them
//! (upstream: `pkg/controller/nodelifecycle` and `tainteviction`; zones and rate limits are not built yet).

mod controller;
pub mod plan;

pub use controller::start;
