//! Whole members, alone and in clusters, in one process.

mod bugs;
mod cluster;
mod conformance;
mod single;
mod support;
mod watch;
mod wire;
