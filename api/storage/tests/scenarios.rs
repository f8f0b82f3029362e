//! What happens to the cache and its watchers when they stall, when the store goes away, and under load.
#![allow(clippy::unwrap_used, reason = "an error fails the test")]

#[path = "scenarios/feed.rs"]
mod feed;
#[path = "scenarios/load.rs"]
mod load;
#[path = "scenarios/stall.rs"]
mod stall;
#[path = "conformance/support.rs"]
mod support;
