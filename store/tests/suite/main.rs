//! Whole members, alone and in clusters, in one process.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod bugs;
mod channel;
mod cluster;
mod conformance;
mod metrics;
mod quota;
mod single;
mod support;
mod tls;
mod watch;
mod wire;
