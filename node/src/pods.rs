//! Pods on this node: one worker each.

pub mod admission;
pub mod backoff;
pub mod config;
mod image_name;
pub mod observed;
pub mod plan;
pub mod status;
pub mod unsupported;
pub mod worker;

#[cfg(test)]
mod tests;
