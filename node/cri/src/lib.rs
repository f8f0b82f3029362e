//! What the node agent runs pods on: a trait in the terms of the Container Runtime Interface v1, a client for real
//! runtimes, and a fake for simulated nodes and tests.

pub mod client;
pub mod fake;
pub mod image;
pub mod runtime;
pub mod supervise;
pub mod types;

pub use client::Client;
pub use runtime::{Error, ErrorKind, Result, Runtime};
pub use types::*;
