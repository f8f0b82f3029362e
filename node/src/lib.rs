//! The node agent: runs the pods that are bound to its node, and says how they and the node are.
//!
//! A client of the API server like any other. What it knows of pods is one watch for its own node; what it knows of
//! containers is the runtime. [`pods::plan`] compares the two (pure); a worker a pod carries the plan out.

pub mod agent;
pub mod events;
pub mod hollow;
pub mod hooks;
pub mod logs;
pub mod materials;
pub mod node;
pub mod options;
pub mod pods;
pub mod probes;
pub mod quantity;
pub mod real;
pub mod server;
pub mod volumes;

pub use agent::{Agent, StartError, start};
pub use hollow::start_hollow;
pub use node_cri::supervise::{Missing, Tools};
pub use options::{Capacity, HollowOptions, Options, Real, ServerOptions};
pub use real::{Engine, start_real, stop_containers};
