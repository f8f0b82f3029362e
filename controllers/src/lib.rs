//! The built-in controllers. Each is a client of the API server with an identity of its own, and none can do what a
//! third-party client with the same role could not.
//!
//! A controller is a folder: `plan.rs` decides (pure: observed state to actions), `controller.rs` observes and carries
//! out, `tests.rs` holds the tables.

pub mod context;
pub mod informers;

pub mod clusterrole_aggregation;
pub mod deployment;
pub mod endpoints;
pub mod endpointslice;
pub mod endpointslice_mirroring;
pub mod garbage_collector;
pub mod namespace;
pub mod node_lifecycle;
pub mod pod_gc;
pub mod replicaset;
pub mod root_ca;
pub mod serviceaccount;
pub mod tokens;
pub mod ttl;

mod discover;
mod objects;
mod ownership;
mod trigger_time;

pub use context::{ClientFor, Context, Options, SignToken};
pub use informers::Informers;

/// Starts every controller. They run until the context's supervisor is told to stop.
pub fn start(context: &Context) {
    clusterrole_aggregation::start(context);
    deployment::start(context);
    endpoints::start(context);
    endpointslice::start(context);
    endpointslice_mirroring::start(context);
    garbage_collector::start(context);
    namespace::start(context);
    node_lifecycle::start(context);
    pod_gc::start(context);
    replicaset::start(context);
    root_ca::start(context);
    serviceaccount::start(context);
    tokens::start(context);
    ttl::start(context);
}
