//! The built-in controllers. Each is a client of the API server with an identity of its own, and none can do what a
//! third-party client with the same role could not.
//!
//! A controller is a folder: `plan.rs` decides (pure: observed state to actions), `controller.rs` observes and carries
//! out, `tests.rs` holds the tables.

pub mod context;
pub mod informers;

pub mod deployment;
pub mod replicaset;

mod objects;
mod ownership;

pub use context::{ClientFor, Context, Options};
pub use informers::Informers;
