//! The node object: registration, heartbeats, conditions.

pub mod heartbeat;
pub mod object;
pub mod pressure;
mod transitions;
