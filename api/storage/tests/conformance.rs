//! One exam for the store itself and for the watch cache: what holds for one must hold for the other.
#![allow(clippy::unwrap_used, reason = "an error fails the test")]

#[path = "conformance/list.rs"]
mod list;
#[path = "conformance/read_write.rs"]
mod read_write;
#[path = "conformance/support.rs"]
mod support;
#[path = "conformance/watch.rs"]
mod watch;
#[path = "conformance/watch_start.rs"]
mod watch_start;
